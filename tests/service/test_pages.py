"""What describes the service: the list of models, the page of documentation, the description in OpenAPI."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from hubel.service.app import app
from hubel.service.settings import Settings
from hubel.tasks.predict import predict
from tests.service.conftest import SHOWN, encoded, write_model


def test_the_documentation_needs_no_other_machine(client: TestClient) -> None:
    page = client.get("/docs").text
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    files = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(files) >= 3
    for file in files:
        assert client.get(file).status_code == 200, file


def test_the_description_names_every_route_and_its_errors(client: TestClient) -> None:
    content = client.get("/openapi.json").json()
    predict = content["paths"]["/v1/predict"]["post"]
    assert set(predict["requestBody"]["content"]) >= {"multipart/form-data", "application/json", "image/*"}
    assert set(predict["responses"]) == {"200", *["400", "401", "404", "408", "413", "415", "422", "503"]}
    text = json.dumps(content)
    for found in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', text):
        assert found in content["components"]["schemas"]
    addresses = "/v1/models /v1/models/{name} /healthz /readyz /metrics /v2/models/{name}/infer"
    assert set(addresses.split()) <= content["paths"].keys()


def test_a_model_says_what_it_is(client: TestClient) -> None:
    (listed,) = client.get("/v1/models").json()["models"]
    assert (listed["name"], listed["input"], listed["classes"]) == ("photos", "12x12x3", 3)
    found = client.get("/v1/models/photos").json()
    assert listed.items() <= found.items()
    assert found["class_names"] == list(SHOWN)
    assert found["preprocessing"]["height"] == 12
    assert found["summary"]["data"] == "photos"
    assert found["ledger"]["totals"]["params"] == 8 * 28 + 2 * 8 + 5 * 5 * 8 * 3 + 3
    assert client.get("/v1/models/other").status_code == 404


def test_an_ensemble_answers_as_predict_does(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / "two" / str(number)).mkdir(parents=True)
        write_model(tmp_path / "two" / str(number) / "best.safetensors", seed=number)
    (tmp_path / "cat.png").write_bytes(encoded())
    (wanted,) = predict(tmp_path / "two", [tmp_path / "cat.png"], top=3)
    with TestClient(app(tmp_path / "two", Settings())) as client:
        (listed,) = client.get("/v1/models").json()["models"]
        assert (listed["name"], listed["input"], listed["engine"]) == ("two", "12x12x3", "torch")
        assert client.get("/v1/models/two").json()["temperature"] == 1
        answer = client.post("/v1/predict", content=encoded(), headers={"content-type": "image/png"})
    (found,) = answer.json()["predictions"]
    assert [each["probability"] for each in found["classes"]] == [share for _, share in wanted.classes]


def test_whoever_asks_for_nothing_gets_told_so(client: TestClient) -> None:
    assert "/docs" in client.get("/nothing").json()["error"]
    wrong = client.put("/v1/predict")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert wrong.json()["status"] == 405
    assert "use POST; see /docs" in wrong.json()["error"]
    looks = client.put("/v1/explore/models/photos/looks")  # one address, two routes
    assert (looks.status_code, looks.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/v1/predict?tpo=1", "no argument 'tpo'; its arguments are model, top"),
        ("/v1/predict?top=1&modle=photos", "no argument 'modle'"),
        ("/v2/models/photos/infer?top=1", "no argument 'top'; its arguments are version"),
        ("/v1/explore/models/photos/looks?x", "no argument 'x'; it has none"),
    ],
)
def test_an_argument_that_does_not_exist_is_refused(client: TestClient, path: str, says: str) -> None:
    answer = client.post(path, content=encoded(), headers={"content-type": "image/png"})
    assert answer.status_code == 400
    assert says in answer.json()["error"]


def test_probes_may_add_arguments(client: TestClient) -> None:
    assert client.get("/healthz?probe=1").status_code == 200
    assert client.get("/metrics?name[]=x").status_code == 200
