"""Predictions of any number of images into a file: in order, resumed, and of whatever names images."""

from __future__ import annotations

import csv
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.model.file import Model
from hubel.module.network import build
from hubel.net.names import fc
from hubel.tasks.predict import predict
from hubel.tasks.predict_file import Progress

CLASSES = ("a", 'b, "quoted"', "c")


@pytest.fixture
def model() -> Model:
    network = build(fc(3), "8x8x3", scores=True)
    return Model(network, CLASSES, Preprocessing.of("8x8x3"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 70 images, some of whose names need quotation marks, and one that cannot be read."""
    folder = tmp_path / "photos"
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(70):
        name = f'{number:03}, "{number}"\n.png' if number % 9 == 0 else f"{number:03}.png"
        Image.fromarray(draw.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / name)
    (folder / "031.png").write_bytes(b"no image")
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [*csv.reader(file)]


@pytest.mark.parametrize("top", [None, 2])
def test_a_table_has_every_image_in_order(
    model: Model, photos: Path, tmp_path: Path, top: int | None
) -> None:
    found = predict(model, photos, out=tmp_path / "a.csv", top=top)
    assert (found.images, found.errors, found.done) == (70, 1, 0)
    head, *table = rows(tmp_path / "a.csv")
    assert head == ["file", "class", "probability", "error"]
    wanted = [
        [each.file, name, f"{probability:.6f}", ""]
        for each in predict(model, sorted(photos.iterdir()), top=top or 1)
        for name, probability in each.classes or [("", 0)]
    ]
    assert [row[:2] for row in table] == [row[:2] for row in wanted]
    assert sum(bool(row[3]) for row in table) == 1


@pytest.mark.parametrize("top", [1, 2])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_wherever_it_was_cut_it_is_continued_to_the_same_file(
    model: Model, photos: Path, tmp_path: Path, suffix: str, top: int
) -> None:
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    predict(model, photos, out=whole, top=top, engine="torch")
    content = whole.read_bytes()
    for at in [*range(0, len(content), 397), len(content) - 1, len(content)]:
        cut.write_bytes(content[:at])
        found = predict(model, photos, out=cut, top=top, resume=True, engine="torch")
        assert found.images + found.done == 70
        assert names_in(cut) == names_in(whole)


def names_in(path: Path) -> list[object]:
    """The names and the classes of a file, in order, without the probabilities, which batches round anew."""
    if path.suffix == ".csv":
        return [(row[0], row[1], bool(row[3])) for row in rows(path)]
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [(each["file"], [one["name"] for one in each.get("classes", ())]) for each in found]


def test_a_killed_command_is_continued(model: Model, photos: Path, tmp_path: Path) -> None:
    model.save(tmp_path / "m.safetensors")
    out = tmp_path / "out.jsonl"
    names = "\n".join(str(path) for path in sorted(photos.iterdir()) if "\n" not in path.name)
    (tmp_path / "list.txt").write_text("\n".join([names] * 60))
    command = [sys.executable, "-m", "hubel", "predict", str(tmp_path / "m.safetensors")]
    command += [f"@{tmp_path / 'list.txt'}", "--out", str(out), "--resume"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if out.exists() and out.stat().st_size:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1  # an image cannot be read
    files = [json.loads(line)["file"] for line in out.read_text().splitlines()]
    assert files == (tmp_path / "list.txt").read_text().splitlines()


def test_a_file_of_other_images_is_not_continued(model: Model, photos: Path, tmp_path: Path) -> None:
    predict(model, photos, out=tmp_path / "a.csv")
    before = (tmp_path / "a.csv").read_bytes()
    with pytest.raises(UsageError, match="is of other images"):
        predict(model, [photos / "001.png"], out=tmp_path / "a.csv", resume=True)
    with pytest.raises(UsageError, match="exists; continue it with --resume"):
        predict(model, photos, out=tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes() == before
    with pytest.raises(UsageError, match=r"has to end in \.csv or \.jsonl"):
        predict(model, photos, out=tmp_path / "a.txt")
    with pytest.raises(UsageError, match="resume and ray are for a file of predictions"):
        predict(model, photos, resume=True)  # type: ignore[call-overload]


def test_progress_knows_the_total_of_what_can_be_listed(
    model: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubel.tasks import predict_file

    monkeypatch.setattr(predict_file, "EVERY", 0.0)
    told: list[Progress] = []
    predict(model, str(photos / "*.png"), out=tmp_path / "a.jsonl", progress=told.append)
    assert [each.done for each in told] == [*range(1, 71)]
    assert {each.total for each in told} == {70}
    assert told[-1].left == 0
    told.clear()
    predict(model, iter(sorted(photos.iterdir())), out=tmp_path / "b.jsonl", progress=told.append)
    assert {each.total for each in told} == {None}


def shard(path: Path, photos: Path) -> None:
    with tarfile.open(path, "w") as made:
        for name in ("001.png", "002.png", "031.png"):
            made.add(photos / name, f"in/{name}")
        text = tarfile.TarInfo("in/notes.txt")
        text.size = 5
        made.addfile(text, io.BytesIO(b"notes"))
        link = tarfile.TarInfo("in/link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)


def test_a_shard_a_pattern_a_list_and_standard_input_name_images(
    model: Model, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard(tmp_path / "some.tar", photos)
    wanted = [each.classes for each in predict(model, [photos / "001.png", photos / "002.png"])]
    found = predict(model, [tmp_path / "some.tar"])
    assert [each.file for each in found] == [f"{tmp_path}/some.tar/in/{n}.png" for n in ("001", "002", "031")]
    assert [each.classes for each in found[:2]] == wanted
    assert found[2].error
    (tmp_path / "list.txt").write_text(f"{photos}/001.png\n\n{photos}/002.png\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos}/001.png\n{photos}/002.png\n"))
    for given in (f"{photos}/00[12].png", f"@{tmp_path}/list.txt", "-"):
        assert [each.classes for each in predict(model, [given])] == wanted
    for given, why in (("*.nothing", "no file matches"), ("@none.txt", "the list cannot be read")):
        with pytest.raises(DataError, match=why):
            predict(model, f"{tmp_path}/{given}" if given[0] == "*" else given)
    (tmp_path / "bad.tar").write_bytes(b"x" * 2000)
    with pytest.raises(DataError, match="the shard cannot be read"):
        predict(model, tmp_path / "bad.tar")


def test_a_shard_at_an_address(model: Model, photos: Path, tmp_path: Path) -> None:
    shard(tmp_path / "some.tar", photos)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert [bool(each.error) for each in predict(model, [f"{address}/some.tar"])] == [False, False, True]
        with pytest.raises(DataError, match="cannot be fetched: File not found"):
            predict(model, f"{address}/none.tar")
    finally:
        server.shutdown()
        server.server_close()


def test_memory_stays_bounded_however_many_images_there_are(model: Model, photos: Path) -> None:
    """Images are asked for only a few batches ahead of the predictions."""
    from hubel.model.prediction import AHEAD, BATCH, predictions

    asked = 0

    def endless() -> object:
        nonlocal asked
        while True:
            asked += 1
            yield photos / "001.png"

    found = predictions(model, endless())  # type: ignore[arg-type]
    for _ in range(10 * BATCH):
        next(found)
    assert asked <= 11 * BATCH + AHEAD + 1


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize(
    "text", ["my,own,table\n1,2,3\n", "notes", "\n", '{"mine": 1}\n', '{"file": "x.png"}\n', "[]\n"]
)
def test_a_file_of_something_else_is_never_cut(
    model: Model, photos: Path, tmp_path: Path, suffix: str, text: str
) -> None:
    out = tmp_path / f"mine{suffix}"
    out.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is no file of predictions"):
        predict(model, photos, out=out, resume=True)
    assert out.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("tops", [(1, 2), (2, 1), (3, 1), (3, 2), (2, 3)])
def test_it_is_continued_with_the_same_number_of_classes(
    model: Model, photos: Path, tmp_path: Path, suffix: str, tops: tuple[int, int]
) -> None:
    out = tmp_path / f"a{suffix}"
    images = sorted(photos.iterdir())
    predict(model, [images[1], *images[1:5]], out=out, top=tops[0])
    before = out.read_bytes()
    with pytest.raises(UsageError, match="the same --top"):
        predict(model, [images[1], *images[1:]], out=out, top=tops[1], resume=True)
    assert out.read_bytes() == before


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_it_is_continued_by_a_model_of_the_same_classes(
    model: Model, photos: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"a{suffix}"
    predict(model, photos, out=out)
    other = Model(model.network, ("x", "y", "z"), model.preprocessing)
    with pytest.raises(UsageError, match="is of another model"):
        predict(other, photos, out=out, resume=True)


def test_a_list_without_paths_leaves_no_file(model: Model, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("\n\n")
    with pytest.raises(DataError, match="a list without paths"):
        predict(model, f"@{tmp_path / 'list'}", out=tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_it_is_not_continued_by_a_model_that_says_otherwise(
    model: Model, photos: Path, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"a{suffix}"
    images = sorted(photos.iterdir())
    predict(model, images[:20], out=out)
    before = out.read_bytes()
    other = Model(build(fc(3), "8x8x3", seed=9, scores=True), CLASSES, model.preprocessing)
    with pytest.raises(UsageError, match="is of another model or engine"):
        predict(other, images, out=out, resume=True)
    assert out.read_bytes() == before


def test_errors_of_before_count_as_errors(model: Model, photos: Path, tmp_path: Path) -> None:
    predict(model, photos, out=tmp_path / "a.csv")
    assert predict(model, photos, out=tmp_path / "a.csv", resume=True).errors == 1


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_continued_file_keeps_its_line_ends(
    suffix: str, model: Model, photos: Path, tmp_path: Path
) -> None:
    """A spreadsheet has written the rows anew; those that follow end alike."""
    images = [path for path in sorted(photos.iterdir()) if "\n" not in path.name]
    whole, other = tmp_path / f"whole{suffix}", tmp_path / f"other{suffix}"
    predict(model, images, out=whole, top=2)
    lines = whole.read_bytes().splitlines()
    other.write_bytes(b"".join(line + b"\r\n" for line in lines[:21]))
    found = predict(model, images, out=other, top=2, resume=True)
    assert found.done == (10 if suffix == ".csv" else 21)
    assert other.read_bytes() == b"".join(line + b"\r\n" for line in lines)


def test_images_in_memory_keep_their_numbers(model: Model, tmp_path: Path) -> None:
    images = [np.full((8, 8, 3), shade, np.uint8) for shade in range(5)]
    predict(model, images[:3], out=tmp_path / "a.csv")
    predict(model, images, out=tmp_path / "a.csv", resume=True)
    assert [row[0] for row in rows(tmp_path / "a.csv")[1:]] == [f"image {number}" for number in range(5)]


@pytest.mark.parametrize("name", ["a\nb.png", "a\rb.png", "a\r\nb.png", " a .png", "a'b\tc.png"])
def test_a_name_of_any_characters_is_one_cell(model: Model, tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / name
    Image.new("RGB", (8, 8)).save(path)
    out = tmp_path / "a.csv"
    predict(model, [path, path], out=out)
    assert [row[0] for row in rows(out)] == ["file", str(path), str(path)]
    assert predict(model, [path, path, path], out=out, resume=True).done == 2


def test_a_list_that_is_a_pipe_is_read_once(model: Model, photos: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "list"
    os.mkfifo(fifo)
    text = "".join(f"{path}\n" for path in sorted(photos.iterdir())[1:5])
    writer = threading.Thread(target=fifo.write_text, args=(text,))
    writer.start()
    found = predict(model, f"@{fifo}", out=tmp_path / "a.csv", progress=lambda _: None)
    writer.join()
    assert found.images == 4


def a_shard() -> bytes:
    """A shard of three images, whose members take 1024 bytes each."""
    image, shard = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (8, 8)).save(image, "PNG")
    with tarfile.open(fileobj=shard, mode="w") as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(image.getvalue())
            assert member.size <= tarfile.BLOCKSIZE
            tar.addfile(member, io.BytesIO(image.getvalue()))
    return shard.getvalue()


def test_a_shard_that_was_cut_or_damaged_between_its_images_is_refused(model: Model, tmp_path: Path) -> None:
    whole = a_shard()
    path = tmp_path / "a.tar"
    path.write_bytes(whole)
    assert len(predict(model, [path])) == 3
    for damaged in (whole[:2048], whole[:2048] + b"?" + whole[2049:], whole[:3072]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cut short"):
            predict(model, [path])


class _Rude(http.server.BaseHTTPRequestHandler):
    """Answers as no server should: the path says how."""

    def do_GET(self) -> None:
        rubbish, chunked, length = b"rubbish\r\n\r\n", b"Transfer-Encoding: chunked", b"Content-Length: 20000"
        begin = b"HTTP/1.1 200 OK\r\n"
        answers = {
            "/rubbish.tar": rubbish,
            "/nothing.tar": b"",
            "/chunk.tar": begin + chunked + b"\r\n\r\n800\r\n" + a_shard()[:2048],
            "/size.tar": begin + chunked + b"\r\n\r\nzz\r\n" + a_shard(),
            "/half.tar": begin + length + b"\r\n\r\n" + a_shard()[:2048],
        }
        self.wfile.write(answers[self.path])

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.mark.parametrize("name", ["rubbish", "nothing", "chunk", "size", "half", "a name", "한"])
def test_a_server_that_answers_wrongly_gives_a_message(model: Model, name: str) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Rude)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(DataError, match=r"cannot be (read|fetched)"):
            predict(model, f"http://127.0.0.1:{server.server_port}/{name}.tar")
    finally:
        server.shutdown()
        server.server_close()
