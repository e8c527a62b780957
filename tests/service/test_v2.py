"""The open inference protocol, by hand; `test_process` shows it with a client of others."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from hubel.data.image.reading import Encoded
from hubel.model.classifier import classifier
from hubel.tasks.predict import predict
from tests.service.conftest import CLASSES, SHOWN, encoded

INFER = "/v2/models/photos/infer"
PIXELS = np.random.default_rng(1).integers(0, 256, (2, 12, 12, 3), np.uint8)


def bytes_input(*files: bytes) -> dict[str, Any]:
    data = [base64.b64encode(file).decode() for file in files]
    return {"name": "images", "datatype": "BYTES", "shape": [len(files)], "data": data}


def outputs(answer: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["data"] for each in answer["outputs"]}


def test_encoded_images_have_the_probabilities_of_the_command(client: TestClient, saved: Path) -> None:
    files = [encoded(), encoded("JPEG", (33, 44))]
    answer = client.post(INFER, json={"id": "7", "inputs": [bytes_input(*files)]}).json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("photos", "1", "7")
    found = outputs(answer)
    wanted = [predict(saved, [Encoded("x", file)], top=3)[0] for file in files]  # type: ignore[list-item]
    rows = np.array(found["probabilities"]).reshape(2, 3)
    assert [dict(zip(CLASSES, row, strict=True)) for row in rows.tolist()] == [
        dict(one.classes) for one in wanted
    ]
    assert found["labels"] == [SHOWN[CLASSES.index(one.label)] for one in wanted]


@pytest.mark.parametrize(("kind", "pixels"), [("UINT8", PIXELS), ("FP32", PIXELS / np.float32(255))])
@pytest.mark.parametrize("way", ["flat", "nested", "binary"])
def test_pixels_of_the_input_size_go_in_as_they_are(
    client: TestClient, saved: Path, kind: str, pixels: np.ndarray[Any, Any], way: str
) -> None:
    wanted = np.asarray(classifier(saved, "openvino").probabilities_of(PIXELS))
    tensor: dict[str, Any] = {"name": "images", "datatype": kind, "shape": [2, 12, 12, 3]}
    behind, headers = b"", {}
    if way == "binary":
        behind = pixels.tobytes()
        tensor["parameters"] = {"binary_data_size": len(behind)}
    else:
        tensor["data"] = (pixels.ravel() if way == "flat" else pixels).tolist()
    text = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(text))} if behind else {}
    answer = client.post(INFER, content=text + behind, headers=headers)
    assert answer.status_code == 200, answer.text
    found = np.array(outputs(answer.json())["probabilities"], np.float32).reshape(2, 3)
    assert (found == wanted).all()


def test_binary_outputs(client: TestClient) -> None:
    plain = outputs(client.post(INFER, json={"inputs": [bytes_input(encoded())]}).json())
    body = {
        "inputs": [bytes_input(encoded())],
        "outputs": [
            {"name": "labels", "parameters": {"binary_data": True}},
            {"name": "probabilities", "parameters": {"binary_data": True}},
        ],
    }
    answer = client.post(INFER, json=body)
    length = int(answer.headers["inference-header-content-length"])
    sizes = [
        each["parameters"]["binary_data_size"] for each in json.loads(answer.content[:length])["outputs"]
    ]
    labels, rows = answer.content[length : length + sizes[0]], answer.content[length + sizes[0] :]
    assert len(rows) == sizes[1] == 12
    assert np.frombuffer(rows, "<f4").tolist() == plain["probabilities"]
    label = plain["labels"][0].encode()
    assert labels == len(label).to_bytes(4, "little") + label
    every = client.post(INFER, json={"inputs": body["inputs"], "parameters": {"binary_data_output": True}})
    assert len(every.content) > int(every.headers["inference-header-content-length"])


def one(**changes: Any) -> dict[str, Any]:
    return {"inputs": [bytes_input(encoded()) | changes]}


@pytest.mark.parametrize(
    ("status", "says", "body"),
    [
        (400, "JSON", b"{"),
        (400, "inputs", {}),
        (400, "inputs", {"inputs": []}),
        (400, "inputs", {"inputs": [bytes_input(b"a"), bytes_input(b"b")]}),
        (400, "no input 'image'", one(name="image")),
        (400, "INT64", one(datatype="INT64")),
        (400, "shape [2]", one(shape=[2])),
        (400, "empty", one(shape=[0], data=[])),
        (400, "shape", one(shape=[-1])),
        (400, "base64", one(data=["%"])),
        (400, "base64", one(data=[7])),
        (400, "either in data or binary", one(data=None)),
        (400, "either in data or binary", one(parameters={"binary_data_size": 4})),
        (400, "'class_count'", one() | {"outputs": [{"name": "labels", "parameters": {"class_count": 2}}]}),
        (400, "'timeout'", one() | {"parameters": {"timeout": 2}}),
        (400, "no output 'scores'", one() | {"outputs": [{"name": "scores"}]}),
        (400, "true or false", one() | {"parameters": {"binary_data_output": 1}}),
        (400, "n x height", one(datatype="UINT8", shape=[2, 2], data=[1, 2, 3, 4])),
        (400, "n x height", one(datatype="UINT8", shape=[1, 0, 2, 1], data=[])),
        (400, "3 values", one(datatype="UINT8", shape=[1, 2, 2, 1], data=[1, 2, 3])),
        (400, "numbers of UINT8", one(datatype="UINT8", shape=[1, 1, 2, 1], data=[1, 256])),
        (400, "numbers of UINT8", one(datatype="UINT8", shape=[1, 1, 2, 1], data=[1, 0.5])),
        (400, "numbers of FP32", one(datatype="FP32", shape=[1, 1, 2, 1], data=["a", "b"])),
        (400, "numbers of FP32", one(datatype="FP32", shape=[1, 1, 2, 1], data=[[1], [1, 2]])),
        (422, "from 0 to 1", one(datatype="FP32", shape=[1, 1, 2, 1], data=[1e300, 0])),
        (413, "at most 9", one(datatype="UINT8", shape=[10, 1, 1, 1], data=[0] * 10)),
        (413, "at most 9", one(shape=[10], data=["YQ=="] * 10)),
        (413, "million", one(datatype="UINT8", shape=[1, 1000, 101, 1], data=[0] * 101_000)),
        (422, "image 1: is not an image", one(shape=[2], data=bytes_input(encoded(), b"x")["data"])),
    ],
)
def test_what_is_refused_says_why(client: TestClient, status: int, says: str, body: Any) -> None:
    answer = client.post(INFER, content=body if isinstance(body, bytes) else json.dumps(body).encode())
    assert answer.status_code == status, answer.text
    assert says in answer.json()["error"]


@pytest.mark.parametrize("length", ["0", "x", "-1", "99999", "٣", "9" * 40])
def test_a_wrong_length_of_the_json_is_refused(client: TestClient, length: str) -> None:
    headers = [(b"inference-header-content-length", length.encode())]
    assert client.post(INFER, content=b"{}", headers=headers).status_code == 400


def test_a_cut_element_is_refused(client: TestClient) -> None:
    tensor = {"name": "images", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}}
    text = json.dumps({"inputs": [tensor]}).encode()
    headers = {"inference-header-content-length": str(len(text))}
    answer = client.post(INFER, content=text + b"\x03\0\0\0ab", headers=headers)
    assert (answer.status_code, "cut short" in answer.json()["error"]) == (400, True)


def test_metadata_and_health(client: TestClient) -> None:
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for address in ("/v2/health/live", "/v2/health/ready", "/v2/models/photos/ready"):
        assert client.get(address).status_code == 200
    found = client.get("/v2/models/photos/versions/1").json()
    assert found["inputs"] == [{"name": "images", "datatype": "BYTES", "shape": [-1]}]
    assert found["outputs"][0]["shape"] == [-1, 3]
    for address in ("/v2/models/other", "/v2/models/photos/versions/2", "/v2/models/other/ready"):
        assert client.get(address).status_code == 404
        assert client.get(address).json()["error"]
