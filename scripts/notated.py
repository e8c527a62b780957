"""Which modules of torchvision and timm become notation: counts per family, and why the others do not.

    python -m scripts.notated torchvision
    python -m scripts.notated timm --most 4 --markdown notated.md

Needs torchvision and timm. Modules are made without weights; `--logits` makes them with random ones and
compares the scores of module and network on one image of noise.
"""

from __future__ import annotations

import argparse
import importlib
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from hubel.errors import HubelError
from hubel.module.survey.notated import agreement, notated, with_weights
from hubel.net.volume import Volume

Case = tuple[str, str, Callable[[], Any], Volume]
"""The family, the name, what makes the module, and its input."""

NO_CNN = re.compile(
    "beit|cait|coat|convit|cpubone|crossvit|csatv2|davit|deepseek_vit|deit|edgenext|efficientformer|efficientvim|"
    "efficientvit_|eva|fasttnt|fastvit|gcvit|gemma4_vit|hiera|iformer|levit|lowformer|mambaout|maxxvit|metaformer|"
    "mlp_mixer|mobilevit|mvitv2|naflexvit|nest|nextvit|pit|pvt_v2|qwen3_vit|sequencer|shvit|swiftformer|swin_|"
    "tiny_vit|tnt|twins|visformer|vision_transformer|vitamin|volo|xcit"
)
"""timm's families that are transformers or state spaces, wholly or in part, or mixers."""


def torchvision_cases() -> Iterator[Case]:
    """Every classifier of torchvision."""
    models: Any = importlib.import_module("torchvision.models")
    for name in models.list_models(module=models):
        side = 299 if name.startswith("inception") else 224
        extra = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        family = re.match(r"[a-z]+", name)
        assert family
        make = lambda name=name, extra=extra: models.get_model(name, **extra)  # noqa: E731
        yield family[0], name, make, Volume(side, side, 3)


def timm_cases(most: int) -> Iterator[Case]:
    """Of each of timm's families of CNNs up to `most` models, from the first name to the last."""
    timm: Any = importlib.import_module("timm")
    for family in timm.list_modules():
        names = timm.list_models(module=family)
        if NO_CNN.match(family) or not names:
            continue
        step = max(1, (len(names) - 1) // max(1, most - 1))
        for name in names[::step][:most]:
            depth, high, wide = (
                timm.get_pretrained_cfg(name).input_size if timm.is_model_pretrained(name) else (3, 224, 224)
            )
            make = lambda name=name: timm.create_model(name)  # noqa: E731
            yield family, name, make, Volume(high, wide, depth)


def tried(make: Callable[[], Any], volume: Volume, *, logits: bool) -> str:
    """Why a module does not become notation; an empty text if it does."""
    try:
        if logits:
            torch.manual_seed(0)
            module = make().eval()
        else:
            try:
                with torch.device("meta"):
                    module = make().eval()
            except Exception:  # some makers set weights from their values, which meta tensors lack
                module = make().eval()
        found = notated(module, volume)
        if logits:
            network = with_weights(found, module, force=True)
            agreement(found, module, network, torch.randn(1, volume.depth, *volume.plane))
    except HubelError as error:
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    except Exception as error:  # whatever a module of others raises is the answer
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:80]}"
    return ""


def main() -> None:
    """Prints a table of counts per family."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("library", choices=["torchvision", "timm"])
    parser.add_argument("--most", type=int, default=4, help="Models per family of timm.")
    parser.add_argument("--logits", action="store_true", help="Compare scores, too.")
    parser.add_argument("--only", default="", help="A pattern of names.")
    parser.add_argument("--markdown", type=Path, help="A file to write the table to, too.")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    cases = torchvision_cases() if arguments.library == "torchvision" else timm_cases(arguments.most)
    became: Counter[str] = Counter()
    tries: Counter[str] = Counter()
    why: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for family, name, make, volume in cases:
        if not re.search(arguments.only, name):
            continue
        reason = tried(make, volume, logits=arguments.logits)
        tries[family] += 1
        became[family] += not reason
        if reason:
            why[family][reason].append(name)
        print(f"{family:<16} {name:<36} {reason or 'notation'}", flush=True)
    lines = ["| family | become notation | of | why not |", "|---|---|---|---|"]
    for family, count in tries.items():
        reasons = "; ".join(f"{names[0]}: {reason}" for reason, names in why[family].items())
        lines.append(f"| {family} | {became[family]} | {count} | {reasons} |")
    lines.append(f"| total | {became.total()} | {tries.total()} | |")
    print("\n".join(lines))
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
