"""Models by name, and files that change while they are served."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from hubel.data.arrays import Bytes
from hubel.data.image.reading import Encoded
from hubel.errors import ModelError, UsageError
from hubel.model.classifier import classifier
from hubel.model.file import Model, load
from hubel.service import shelf
from hubel.service.app import app
from hubel.service.service import Service
from hubel.service.settings import Settings
from hubel.service.shelf import Shelf, Trouble, named
from hubel.tasks.predict import predict
from tests.service.conftest import encoded, write_model


def test_models_are_called_by_their_folder_or_file(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "a"
    run.mkdir(parents=True)
    (run / "best.safetensors").touch()
    (tmp_path / "b=c.onnx").touch()
    assert named([run, f"x={run}"]) == {"a": run, "x": str(run)}
    assert list(named(run / "best.safetensors")) == ["a"]
    assert list(named("efficientnet_lite0")) == ["efficientnet_lite0"]
    assert named({"m": run}) == {"m": run}
    with pytest.raises(UsageError, match="part of an address"):
        named(str(tmp_path / "b=c.onnx"))  # a file that exists is no NAME=MODEL
    with pytest.raises(UsageError, match="two models are called a"):
        named([run, run])
    with pytest.raises(UsageError, match="no model"):
        named([])


def test_what_cannot_be_served_is_refused_at_once(tmp_path: Path, saved: Path) -> None:
    (tmp_path / "broken.safetensors").write_bytes(saved.read_bytes()[:-3])
    for odd in (tmp_path / "broken.safetensors", tmp_path / "none.safetensors"):
        with pytest.raises(ModelError):
            app(odd)
    with pytest.raises(UsageError, match="engine"):
        Settings(engine="other")


def until(holds: Callable[[], bool]) -> None:
    """Waits, a minute at most: the suite may run on a busy machine."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def first(client: TestClient) -> float:
    found = client.post("/v1/predict", content=encoded()).json()["predictions"][0]["classes"]
    return float(next(each["probability"] for each in found if each["name"] == "cat"))


def test_a_changed_file_is_opened_and_a_broken_one_is_not(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "EVERY", 0.01)
    monkeypatch.setattr(shelf, "FIRST", 3600.0)
    path = Path(shutil.copy(saved, tmp_path / "m.safetensors"))
    with TestClient(app(path)) as client:
        before = first(client)

        def trouble() -> str | None:
            found: str | None = client.get("/v1/models/m").json()["trouble"]
            return found

        path.write_bytes(b"half a file")
        until(lambda: trouble() is not None)
        assert first(client) == before
        state = client.get("/v1/models/m").json()
        assert state["tries"] == 1
        assert state["next_try"] > state["since"]
        assert 'hubel_reload_tries{model="m"} 1.0' in client.get("/metrics").text
        write_model(tmp_path / "new.safetensors", seed=1).replace(path)
        until(lambda: first(client) != before)
        until(lambda: trouble() is None)
        path.unlink()
        until(lambda: trouble() == shelf.GONE)
        assert client.get("/v1/models/m").json()["next_try"] is None
        assert first(client) != before
        figures = client.get("/metrics").text
        assert 'hubel_reloads_total{model="m",outcome="failed"} 2.0' in figures
        assert 'hubel_reloads_total{model="m",outcome="loaded"} 1.0' in figures


def test_a_file_that_cannot_be_opened_is_tried_again(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails for a reason outside of the file, such as too little memory, which goes away by itself."""
    monkeypatch.setattr(shelf, "EVERY", 0.01)
    monkeypatch.setattr(shelf, "FIRST", 0.02)
    told: list[Trouble | None] = []

    def failing(*given: Any, **options: Any) -> Any:
        if len(told) < 3:
            raise MemoryError("no memory")
        return classifier(*given, **options)

    path = Path(shutil.copy(saved, tmp_path / "m.safetensors"))
    models = Shelf(path, Settings())
    before = models.get(None)
    monkeypatch.setattr(shelf, "classifier", failing)
    path.touch()

    async def watched() -> None:
        watching = asyncio.create_task(models.watch(lambda _, trouble: told.append(trouble)))
        while models.get(None).runs is before.runs:
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(asyncio.wait_for(watched(), 60))
    assert [each and (each.why, each.tries) for each in told[:4]] == [
        *(("no memory", tries) for tries in (1, 2, 3)),
        None,
    ]
    assert not models.troubles


def test_requests_that_have_the_old_model_are_answered_by_it(
    tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file changes again and again, every answer is that of one of the two models."""
    monkeypatch.setattr(shelf, "EVERY", 0.001)
    other = write_model(tmp_path / "other.safetensors", seed=1)
    path = Path(shutil.copy(saved, tmp_path / "m.safetensors"))
    with TestClient(app(saved)) as one, TestClient(app(other)) as two:
        wanted = {first(one), first(two)}
    assert len(wanted) == 2
    with TestClient(app(path)) as client:
        seen = set()
        for round_ in range(40):
            if round_ % 4 == 0:
                shutil.copy(other if round_ % 8 == 0 else saved, tmp_path / "draft")
                (tmp_path / "draft").replace(path)
            seen.add(first(client))
        assert seen <= wanted


def test_batches_are_made_where_they_change_no_answer(saved: Path) -> None:
    with TestClient(app(saved)) as client:
        (served,) = service_of(client).shelf
        until(lambda: served.batcher.most == 8)


def test_no_batches_are_made_where_answers_depend_on_their_number(
    saved: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def odd(model: Model, pixels: Bytes) -> object:
        return np.full((len(pixels), 3), 1 / 3, np.float32) + np.float32(len(pixels)) / 1000

    monkeypatch.setattr(Model, "probabilities_of", odd)
    caplog.set_level(logging.WARNING, "hubel.service")
    with TestClient(app({"odd": load(saved)}, Settings(engine="torch"))) as client:
        until(lambda: "no batches" in caplog.text)
        (served,) = service_of(client).shelf
        assert served.batcher.most == 1
        assert first(client) == pytest.approx(1 / 3 + 0.001, abs=1e-6)


@pytest.mark.parametrize("small", [0, 10**12])
def test_answers_do_not_depend_on_the_threads(
    saved: Path, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelf, "SMALL", small)
    (wanted,) = predict(saved, [Encoded("x", encoded())])  # type: ignore[list-item]
    with TestClient(app(saved, Settings(engine="openvino"))) as client:
        assert first(client) == dict(wanted.classes)["cat"]


def service_of(client: TestClient) -> Service:
    application = client.app
    assert isinstance(application, FastAPI)
    found = application.state.service
    assert isinstance(found, Service)
    return found
