"""`hubel serve`: models behind HTTP."""

from __future__ import annotations

from typing import Annotated

import typer

from hubel.cli.network import CODE_HELP, ENGINE_HELP, FORCE_HELP, announce_code_of

MODELS_HELP = (
    "Runs' folders, models' files or exported files; each is called by its folder or file, or NAME=MODEL."
)
TOKEN_HELP = "Who asks must bring this token. Command lines are visible to others: rather set HUBEL_TOKEN."


def serve(
    models: Annotated[list[str], typer.Argument(help=MODELS_HELP, metavar="MODEL")],
    *,
    host: Annotated[str, typer.Option(help="The address to listen at; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen at; 0 for a free one.")] = 8000,
    engine: Annotated[str, typer.Option(help=ENGINE_HELP)] = "auto",
    batch: Annotated[int, typer.Option(help="The most images computed together.")] = 8,
    queue: Annotated[int, typer.Option(help="The most images that wait, for each model.")] = 128,
    max_images: Annotated[int, typer.Option(help="The most images in a request.")] = 64,
    max_mb: Annotated[float, typer.Option(help="The most MB of a request.")] = 32.0,
    max_megapixels: Annotated[float, typer.Option(help="The most million pixels of an image.")] = 50.0,
    decodes: Annotated[
        int | None, typer.Option(help="How many images are decoded at once. Default: one per core.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds until a request is given up.")] = 30.0,
    grace: Annotated[float, typer.Option(help="Seconds to finish what was accepted, at the end.")] = 30.0,
    token: Annotated[str | None, typer.Option(help=TOKEN_HELP, envvar="HUBEL_TOKEN")] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="An address whose pages may ask from a browser (CORS); may be repeated."),
    ] = None,
    explore: Annotated[
        bool, typer.Option(help="Show the page that explores the models, which computes by PyTorch.")
    ] = True,
    allow_code: Annotated[bool, typer.Option("--allow-code", help=CODE_HELP)] = False,
    force: Annotated[bool, typer.Option("--force", help=FORCE_HELP)] = False,
) -> None:
    """Serve models behind HTTP: images in, classes out; batches, limits, figures, the inference protocol."""
    from hubel.tasks import serve as task

    for model in models if allow_code else ():
        announce_code_of(model.partition("=")[2] or model)
    task.serve(
        models,
        host=host,
        port=port,
        engine=engine,
        batch=batch,
        queue=queue,
        max_images=max_images,
        max_mb=max_mb,
        max_megapixels=max_megapixels,
        decodes=decodes,
        timeout=timeout,
        grace=grace,
        token=token,
        origin=origin,
        explore=explore,
        allow_code=allow_code,
        force=force,
        on_ready=lambda address: print(
            f"hubel answers at {address}, described at {address}/docs; Ctrl-C ends it", flush=True
        ),
    )
