"""Whatever is sent to a service, an answer comes, and it is no 500: mutated images and requests.

With `HUBEL_FUZZ=1` 10,000 images and requests; else a few hundred.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from hubel.service.app import app
from hubel.service.settings import Settings
from tests.fuzz.test_files import encoded, mutated, whole_images, within
from tests.service.conftest import write_model

LONG = "HUBEL_FUZZ" in os.environ
EXPLORER = "/v1/explore/models/m"
CASES = 10_000 if LONG else 300
SECONDS = 20
"""The most that one request may take."""

CHECKS = [
    *(not_a_server_error, status_code_conformance),
    *(content_type_conformance, response_schema_conformance),
]
"""What schemathesis holds each answer to."""

KINDS = (
    "image/png",
    "application/json",
    "multipart/form-data; boundary=B",
    "application/octet-stream",
    "a/b",
    "",
)
ADDRESSES = ("/v1/predict", "/v2/models/m/infer", "/v1/predict?top=1", "/v1/predict?model=m&top=99")
FINE = {200, 400, 404, 405, 408, 413, 415, 422, 503}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    path = write_model(tmp_path_factory.mktemp("fuzz") / "m.safetensors")
    with TestClient(app(path, Settings(max_mb=1, max_megapixels=4, timeout=SECONDS))) as found:
        yield found


def requests() -> list[tuple[str, str, bytes]]:
    """A good request of every kind: its address, the kind of its content, its body."""
    image = encoded("PNG")
    text = base64.b64encode(image).decode()
    form = (
        b'--B\r\nContent-Disposition: form-data; name="a"; filename="b.png"\r\n\r\n'
        + image
        + b"\r\n--B--\r\n"
    )
    tensor: dict[str, Any] = {"name": "images", "datatype": "BYTES", "shape": [1], "data": [text]}
    pixels = {"name": "images", "datatype": "FP32", "shape": [1, 2, 2, 1], "data": [0.5, 0.1, 1, 0]}
    return [
        ("/v1/predict", "image/png", image),
        ("/v1/predict", "multipart/form-data; boundary=B", form),
        (
            "/v1/predict",
            "application/json",
            json.dumps({"images": [text, {"data": text, "file": "a"}]}).encode(),
        ),
        ("/v2/models/m/infer", "application/json", json.dumps({"inputs": [tensor]}).encode()),
        ("/v2/models/m/infer", "application/json", json.dumps({"inputs": [pixels], "id": "1"}).encode()),
    ]


def check(client: TestClient, address: str, body: bytes | None, headers: dict[str, str]) -> int:
    """Asks, by GET where there is no body, and returns the status."""
    with within(SECONDS):
        answer = client.request("GET" if body is None else "POST", address, content=body, headers=headers)
    shown = (answer.status_code, answer.text, address, headers, (body or b"")[:500])
    assert answer.status_code in FINE, shown
    if answer.status_code >= 400:
        assert answer.json().keys() == {"error", "status", "request"}
    return answer.status_code


@pytest.mark.parametrize("address", ["/v1/predict", f"{EXPLORER}/images"])
def test_mutated_images(client: TestClient, address: str) -> None:
    draw, images = random.Random(7), whole_images()
    statuses = set()
    for _ in range(CASES):
        body = mutated(draw.choice(images), images, draw)
        statuses.add(check(client, address, body, {"content-type": "image/png"}))
    assert statuses >= {200, 422}


def test_mutated_requests_of_the_explorer(client: TestClient) -> None:
    draw = random.Random(9)
    image = client.post(f"{EXPLORER}/images", content=encoded("PNG")).json()["id"]
    addresses = [
        *(f"{EXPLORER}/weights?layer=conv1", f"{EXPLORER}/looks", f"{EXPLORER}/looks/conv1", EXPLORER),
        f"{EXPLORER}/images/{image}/maps?layer=conv1&layer=relu1&most=3&channel=2",
        f"{EXPLORER}/images/{image}/neuron?unit=conv1[3,5,7]",
        *("/v1/explore/zoo/lenet5", "/v1/explore/zoo/resnet34(classes=10)", "/v1/explore/training"),
    ]
    designs = [
        json.dumps({"notation": text, "volume": "32x32x3", "strict": strict, "caret": caret}).encode()
        for text in ("conv(6, 5) >> relu >> maxpool(2) >> fc(10)", "2 * (conv(8, 3) + identity)", "lenet5")
        for strict, caret in ((False, None), (True, (0, 10)))
    ]
    statuses = set()
    for _ in range(CASES):
        if draw.random() < 0.5:
            body = mutated(draw.choice(designs), designs, draw)
            statuses.add(check(client, "/v1/explore/design", body, {"content-type": "application/json"}))
            continue
        start, _, rest = draw.choice(addresses).rpartition("/")
        changed = mutated(rest.encode(), [each.encode() for each in addresses], draw)
        kept = quote(changed[:2000], safe="?&=[],()") if draw.random() < 0.9 else rest
        statuses.add(check(client, f"{start}/{kept}", None, {}))
    assert statuses >= {200, 404, 422}


def test_mutated_requests(client: TestClient) -> None:
    draw, whole = random.Random(8), requests()
    bodies = [body for _, _, body in whole]
    statuses = set()
    for _ in range(CASES):
        address, kind, body = draw.choice(whole)
        if draw.random() < 0.2:
            address, kind = draw.choice(ADDRESSES), draw.choice(KINDS)
        headers = {"content-type": kind} if kind else {}
        if draw.random() < 0.1:
            headers["inference-header-content-length"] = str(draw.choice((0, 1, len(body), 10**9, "x")))
        statuses.add(check(client, address, mutated(body, bodies, draw), headers))
    assert statuses >= {200, 400, 422}


def test_what_the_description_allows_is_answered_as_it_says(tmp_path: Path) -> None:
    """schemathesis draws requests from it, good and bad; answers have statuses and shapes that it names."""
    application = app(write_model(tmp_path / "m.safetensors"), Settings(max_mb=1, timeout=SECONDS))
    schema = schemathesis.openapi.from_asgi("/openapi.json", application)
    asked = 0
    for found in schema.get_all_operations():
        operation: Any = found
        operation = operation.ok()
        for mode in schemathesis.GenerationMode:

            @settings(max_examples=200 if LONG else 6, suppress_health_check=list(HealthCheck))
            @given(operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                with within(SECONDS):
                    case.call_and_validate(checks=CHECKS)

            with suppress(Unsatisfiable):  # nothing about an address without arguments can be wrong
                ask()
    assert asked > 100
