"""`POST /v1/predict`: every way to send images gives what `hubel predict` gives, or says what is wrong."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from hubel.report.prediction import as_object
from hubel.tasks.predict import predict
from tests.fuzz.test_files import whole_images
from tests.service.conftest import SHOWN, encoded

FORM_OF_ONE = b'--b\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\nx\r\n--b--\r\n'
PREDICT, FORM = "/v1/predict", "multipart/form-data"


def asked(client: TestClient, status: int = 200, address: str = PREDICT, **body: Any) -> dict[str, Any]:
    answer = client.post(address, **body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = json.loads(answer.content)
    if status >= 400:
        assert found.keys() == {"error", "status", "request"}
        assert found["status"] == status
        assert found["request"] == answer.headers["x-request-id"]
    return found


def by_command(saved: Path, images: list[bytes], folder: Path) -> list[dict[str, Any]]:
    """What `hubel predict --json` prints of each image alone."""
    found = []
    for number, data in enumerate(images):
        path = folder / f"{number}"
        path.write_bytes(data)
        (one,) = predict(saved, [path])
        text = json.dumps(as_object(one) | {"file": str(number)}).replace("\\udcff", "?")
        found.append(json.loads(text))
    return found


def test_all_images_together_have_the_answers_of_the_command_alone(
    client: TestClient, saved: Path, tmp_path: Path
) -> None:
    images = [*whole_images(), b"no image", b"", encoded()[:200], encoded("JPEG", (97, 411))]
    wanted = by_command(saved, images, tmp_path)
    found = []
    for start in range(0, len(images), 8):
        files = [(f"a{at}", (str(at), images[at])) for at in range(start, min(len(images), start + 8))]
        found += asked(client, files=files)["predictions"]
    for one in found:
        assert one.pop("status", 422) == 422
        if "error" in one:  # of a file the command says where it is
            one["error"] = one["error"].replace(str(tmp_path), "")
    assert found == wanted
    assert sum("error" in one for one in found) >= 3


def test_one_image_is_the_body_as_it_is(client: TestClient, saved: Path, tmp_path: Path) -> None:
    (wanted,) = by_command(saved, [encoded()], tmp_path)
    for kind in ("image/png", "image/jpeg", "application/octet-stream"):
        found = asked(client, content=encoded(), headers={"content-type": kind})
        assert found["model"] == "photos"
        assert found["predictions"] == [wanted | {"file": "image 0"}]


def test_base64(client: TestClient, saved: Path, tmp_path: Path) -> None:
    (wanted,) = by_command(saved, [encoded()], tmp_path)
    text = base64.b64encode(encoded()).decode()
    given = [text, {"data": text, "file": "x.png"}, "%", {"data": "aGE="}, "data:image/png;base64," + text]
    found = asked(client, json={"images": given})["predictions"]
    assert found[:2] == [wanted | {"file": "image 0"}, wanted | {"file": "x.png"}]
    assert [one["status"] for one in found[2:]] == [422] * 3
    assert "not base64" in found[2]["error"]
    assert "not an image" in found[3]["error"]


def test_top(client: TestClient) -> None:
    assert len(asked(client, address=f"{PREDICT}?top=2", content=encoded())["predictions"][0]["classes"]) == 2
    classes = asked(client, address=f"{PREDICT}?top=100", content=encoded())["predictions"][0]["classes"]
    assert {each["name"] for each in classes} == set(SHOWN)
    assert sum(each["probability"] for each in classes) == pytest.approx(1, abs=1e-6)
    for top in ("0", "-1", "x", ""):
        assert "top" in asked(client, 422, f"{PREDICT}?top={top}", content=encoded())["error"]


@pytest.mark.parametrize(
    ("status", "says", "body"),
    [
        (400, "empty", {"content": b""}),
        (400, "no file", {"content": b"--b--\r\n", "headers": {"content-type": f"{FORM}; boundary=b"}}),
        (400, "cut short", {"content": FORM_OF_ONE[:-4], "headers": {"content-type": f"{FORM}; boundary=b"}}),
        (400, "boundary", {"content": b"x", "headers": {"content-type": FORM}}),
        (400, "files alone", {"data": {"a": "b"}, "files": [("i", ("a", b"x"))]}),
        (400, "JSON", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (422, "images", {"json": {"images": []}}),
        (422, "images", {"json": {"pictures": ["a"]}}),
        (422, "images", {"json": {"images": [{"file": "a"}]}}),
        (415, "text/plain", {"content": b"x", "headers": {"content-type": "text/plain"}}),
        (
            415,
            "-H 'Content-Type: image/jpeg'",
            {"content": encoded(), "headers": {"content-type": "application/x-www-form-urlencoded"}},
        ),
        (400, "a field of text; send files alone", {"files": {"image": (None, "cat.jpg")}}),
        (413, "more than 9 images", {"files": [("image", ("a", b"x"))] * 12}),
        (415, "gzip", {"content": b"x", "headers": {"content-encoding": "gzip"}}),
        (422, "image 0: is not an image", {"content": b"x"}),
        (422, "damaged", {"content": encoded("JPEG")[:300]}),
        (413, "0.5 MB", {"content": bytes(500_001)}),
        (413, "0.1 million", {"content": encoded("PNG", (20, 5_001))}),
        (413, "at most 9", {"files": [("i", ("a", b"x"))] * 10}),
        (413, "scans", {"content": encoded("JPEG") + b"\xff\xda" * 64}),
    ],
)
def test_what_is_refused_says_why(client: TestClient, status: int, says: str, body: dict[str, Any]) -> None:
    assert says in asked(client, status, **body)["error"]


def test_a_large_image_is_refused_by_its_header_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("hubel.service.images.as_seen", decoded)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP"):
        content = encoded(kind, (320, 320))[:90_000]  # its header is at the beginning, but of TIFF
        asked(client, 413, content=content if kind != "TIFF" else encoded(kind, (320, 320)))


def test_several_models_need_a_name(saved: Path) -> None:
    from hubel.service.app import app

    with TestClient(app([f"one={saved}", f"two={saved}"])) as both:
        assert "?model=one" in asked(both, 400, content=encoded())["error"]
        assert "did you mean two" in asked(both, 404, f"{PREDICT}?model=twoo", content=encoded())["error"]
        assert asked(both, address=f"{PREDICT}?model=two", content=encoded())["model"] == "two"


def test_a_model_in_memory_is_served(saved: Path) -> None:
    from hubel.model.file import load
    from hubel.service.app import app
    from hubel.service.settings import Settings

    with TestClient(app({"mine": load(saved)}, Settings(engine="torch"))) as client:
        assert asked(client, content=encoded())["model"] == "mine"
        assert client.get("/v1/models").json()["models"][0]["engine"] == "torch"
