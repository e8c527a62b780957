"""Images for a model for which too many wait are refused before they are read; nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hubel.service.app import app
from hubel.service.settings import Settings
from tests.service.conftest import encoded

UNREADABLE = "multipart/form-data; boundary=B"


def ask(client: TestClient, address: str) -> int:
    """The status of a request that cannot be read: 400 once it is."""
    return client.post(address, content=b"no form", headers={"content-type": UNREADABLE}).status_code


@pytest.mark.parametrize(
    ("address", "route"),
    [
        ("/v1/predict", "/v1/predict"),
        ("/v1/predict?model=photos", "/v1/predict"),
        ("/v2/models/photos/infer", "/v2/models/{name}/infer"),
        ("/v2/models/photos/versions/1/infer", "/v2/models/{name}/versions/{version}/infer"),
    ],
)
def test_a_request_is_refused_unread_while_the_queue_is_full(saved: Path, address: str, route: str) -> None:
    """The figures call it as FastAPI does, once it is read."""
    with TestClient(app(saved, Settings(queue=3))) as client:
        service = client.app.state.service  # type: ignore[attr-defined]  # that of FastAPI
        read = ask(client, address)
        assert read in {400, 415}
        service.accepted["photos"] = 3
        answer = client.post(address, content=b"no form", headers={"content-type": UNREADABLE})
        assert (answer.status_code, int(answer.headers["retry-after"])) == (503, 1)
        assert answer.json().keys() == {"error", "status", "request"}
        for status in (read, 503):
            counted = f'hubel_requests_total{{route="{route}",status="{status}"}} 1.0'
            assert counted in client.get("/metrics").text
        service.accepted["photos"] = 2
        assert ask(client, address) == read


def test_what_brings_no_images_for_that_model_is_answered(saved: Path) -> None:
    models = {"full": saved, "free": saved}
    with TestClient(app(models, Settings(queue=3))) as client:
        client.app.state.service.accepted["full"] = 3  # type: ignore[attr-defined]
        statuses = {
            path: client.post(path, content=encoded()).status_code
            for path in (
                "/v1/predict?model=full",
                "/v1/predict?model=free&model=full",
                "/v1/predict?model=full&model=free",
                "/v1/predict?model=other",
                "/v1/predict",
                "/v2/models/other/infer",
                "/v2/models/full",
            )
        }
        assert list(statuses.values()) == [503, 503, 200, 404, 400, 404, 405]
        assert client.get("/v1/predict?model=full").status_code == 405
        assert client.get("/v2/models/full").status_code == client.get("/v1/models").status_code == 200
