"""The explorer in the service: at `/`, of the models that are served, behind the service's token."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from hubel.service.app import app
from hubel.service.explorer.rooms import Shelved
from hubel.service.settings import Settings
from tests.service.conftest import CLASSES, encoded, write_model


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_model(tmp_path / "animals.safetensors")


def test_the_served_models_can_be_explored(file: Path) -> None:
    with TestClient(app(file)) as client:
        assert "assets/main.js" in client.get("/").text
        assert client.get("/v1/explore").json() == {"models": ["animals"], "training": False}
        found = client.get("/v1/explore/models/animals").json()
        assert tuple(found["classes"]) == CLASSES
        image = client.post("/v1/explore/models/animals/images", content=encoded()).json()
        assert (image["height"], image["width"], image["depth"]) == (12, 12, 3)
        unit = client.get(f"/v1/explore/models/animals/images/{image['id']}/neuron?unit=fc1[1]").json()
        assert len(unit["here"]) == 3
        assert client.get("/v1/explore/models/animal").status_code == 404


def test_a_model_that_is_opened_anew_gets_a_new_room(file: Path) -> None:
    shelf: Any = [SimpleNamespace(name="animals", where=file)]
    rooms = Shelved(shelf)
    first = rooms.room("animals")
    assert rooms.room("animals") is first
    write_model(file, seed=1)
    shelf[0] = SimpleNamespace(name="animals", where=file)  # what the shelf does with a changed file
    again = rooms.room("animals")
    assert (again.weights("fc1")["fc1.weight"] != first.weights("fc1")["fc1.weight"]).any()


def test_the_page_needs_no_token_but_what_it_asks_for_does(file: Path) -> None:
    with TestClient(app(file, Settings(token="secret"))) as client:
        assert client.get("/").status_code == 200
        assert client.get("/assets/main.js").status_code == 200
        assert client.get("/v1/explore").status_code == 401
        assert client.get("/v1/explore", headers={"Authorization": "Bearer secret"}).status_code == 200


def test_the_routes_need_no_pytorch() -> None:
    code = "import sys, hubel.service.explorer.router as _; print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
