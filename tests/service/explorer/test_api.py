"""The explorer's API over HTTP: what it answers, and how it refuses."""

from __future__ import annotations

import io
import json
from email.message import Message
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import numpy as np
import pytest
import safetensors.numpy
import torch
from PIL import Image

import hubel
from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.model.file import Model
from hubel.service.explorer.exhibit import Exhibit, digits
from hubel.service.explorer.page import assets
from hubel.service.explorer.seen import Seen

DIGITS = "v1/explore/models/digits"


def ask(address: str, path: str, body: bytes | None = None) -> tuple[int, bytes, dict[str, str]]:
    """The status, the body and the headers of an answer."""
    request = Request(f"{address}/{path}", body, {"Content-Type": "application/json"})
    try:
        with urlopen(request) as answer:
            return answer.status, answer.read(), _lower(answer.headers)
    except HTTPError as error:
        return error.code, error.read(), _lower(error.headers)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def told(address: str, path: str, body: bytes | None = None) -> Any:
    status, content, _ = ask(address, path, body)
    assert status == 200, content
    return json.loads(content)


def png(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def image() -> bytes:
    return png(np.random.default_rng(0).integers(0, 256, (40, 30), np.uint8))


def test_the_models_and_their_ledger(address: str) -> None:
    assert told(address, "v1/explore") == {"models": ["digits", "branches", "large"], "training": False}
    found = told(address, DIGITS)
    totals = hubel.ledger(hubel.zoo.lenet5(), "32x32x1").totals
    assert found["network"]["totals"]["params"] == totals.params == 61_706
    assert [step["path"] for step in found["network"]["steps"]][:3] == ["C1", "relu1", "S2"]
    assert (found["browser"], found["trained"], found["images"]) == (True, True, 359)


def test_maps_are_those_of_the_instrument(address: str, image: bytes) -> None:
    key = told(address, f"{DIGITS}/images", image)["id"]
    _, content, _ = ask(address, f"{DIGITS}/images/{key}/maps?layer=C3&most=5&layer=OUTPUT")
    found = safetensors.numpy.load(content)
    model = digits().opened
    with Image.open(io.BytesIO(image)) as opened:
        looked = hubel.look(hubel.load("src/hubel/service/explorer/digits/lenet5.safetensors")).maps(
            opened, layers="C3"
        )
    arrays = looked.arrays
    np.testing.assert_array_equal(found["C3"], arrays["C3"][found["C3:maps"]])
    energy = (arrays["C3"].astype(np.float64) ** 2).sum((1, 2))
    assert set(found["C3:maps"]) == set(np.argsort(-energy)[:5])
    np.testing.assert_allclose(found["scores"], arrays["scores"], rtol=1e-6)
    heated = np.exp(arrays["scores"] / model.temperature)
    np.testing.assert_allclose(found["probabilities"], heated / heated.sum(), rtol=1e-5)


def test_a_unit_is_that_of_the_instrument(address: str, image: bytes) -> None:
    key = told(address, f"{DIGITS}/images", image)["id"]
    found = told(address, f"{DIGITS}/images/{key}/neuron?unit={quote('C3[4,2,5]')}")
    eye = hubel.look(hubel.load("src/hubel/service/explorer/digits/lenet5.safetensors"))
    with Image.open(io.BytesIO(image)) as opened:
        expected = json.loads(eye.neuron("C3[4,2,5]", opened).json())
        maps = eye.maps(opened, layers="C3").arrays["C3"]
    here = found.pop("here")
    assert found == expected
    np.testing.assert_allclose(here, maps[:, 2, 5], rtol=1e-6)


def test_small_values_keep_their_digits() -> None:
    """Of a network with weights of 1e-9, `here` has what `value` has."""
    network = build(parse("conv(2, 1, bias=False)"), "4x4x1")
    with torch.no_grad():
        network.get_parameter("conv1.weight").copy_(torch.tensor([1.1049e-7, -3e-9]).reshape(2, 1, 1, 1))
    seen = Seen(Exhibit.of("small", Model(network, ("a", "b"), Preprocessing.of("4x4x1"))))
    key = seen.add(np.full((4, 4, 1), 255, np.uint8))["id"]
    found = seen.neuron(key, "conv1[0,1,1]")
    assert found["here"] == pytest.approx([1.1049e-7, -3e-9], rel=1e-6, abs=0)
    assert found["value"] == pytest.approx(1.1049e-7, rel=1e-6, abs=0)


def test_weights_by_layer_and_all(address: str) -> None:
    every = safetensors.numpy.load(ask(address, f"{DIGITS}/weights")[1])
    one = safetensors.numpy.load(ask(address, f"{DIGITS}/weights?layer=C3")[1])
    assert sum(each.size for each in every.values()) == 61_706
    assert sorted(one) == ["C3.bias", "C3.weight"]
    np.testing.assert_array_equal(one["C3.weight"], every["C3.weight"])


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("v1/explore/models/digit", None, 404, "did you mean digits?"),
        (f"{DIGITS}/images", b"no image", 422, "image"),
        (f"{DIGITS}/images", b"", 422, "image"),
        (f"{DIGITS}/images/0/maps", None, 404, "send it again"),
        (f"{DIGITS}/weights?layer=C33", None, 404, "did you mean C3?"),
        ("v1/explore/models/branches/looks/relu1", None, 400, "not looked at yet"),
        ("v1/explore/models/branches/looks", b"", 400, "--data"),
        ("v1/explore/training", None, 404, "--live"),
        ("v1/explore/zoo/lenet6", None, 404, "did you mean lenet5?"),
        ("v1/explore/design", b'{"notation": 1, "volume": "7x7x1"}', 422, "body.notation"),
        ("v1/explore/design", b"{", 400, "the body is not JSON: "),
        ("v1/explore/zoo?size=3", None, 400, "no argument 'size'; it has none"),
        ("assets/../app.py", None, 404, "no file"),
        ("assets/nothing.js", None, 404, "no file"),
        ("v1/explore/nothing", None, 404, "there is nothing at /v1/explore/nothing"),
        ("v1/explore/zoo", b"", 405, "use GET"),
    ],
)
def test_what_is_refused_says_why(
    address: str, path: str, body: bytes | None, status: int, words: str
) -> None:
    found, content, _ = ask(address, path, body)
    assert found == status
    refused = json.loads(content)
    assert refused.keys() == {"error", "status", "request"}
    assert words in refused["error"]


def test_maps_and_units_that_do_not_exist(address: str, image: bytes) -> None:
    key = told(address, f"{DIGITS}/images", image)["id"]
    missing = (
        "maps?layer=C9",
        "maps?layer=C1&channel=6",
        "maps?layer=C1&channel=-1",
        "neuron?unit=C1[9,0,0]",
    )
    for query in missing:
        assert ask(address, f"{DIGITS}/images/{key}/{query}")[0] == 404
    assert ask(address, f"{DIGITS}/images/{key}/neuron?unit=C1")[0] == 400
    status, content, _ = ask(address, f"{DIGITS}/images/{key}/neuron?unit=input[0,0,0]")
    assert status == 404
    assert "the input is no layer" in json.loads(content)["error"]


def test_the_page_is_locked_up_and_complete(address: str) -> None:
    status, content, headers = ask(address, "")
    assert status == 200
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    text = content.decode()
    for path in assets():
        if path.endswith(".js"):
            assert f'href="assets/{path}"' in text
        _, served, sent = ask(address, f"assets/{path}")
        assert served == assets()[path]
        assert sent["x-content-type-options"] == "nosniff"


def test_nothing_in_the_page_is_fetched_from_elsewhere() -> None:
    for path, content in assets().items():
        words = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in words, path
        assert "https://" not in words, path
        assert "innerHTML" not in words, path
