"""Checking data sets: every planted fault is found, all in one pass."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from hubel.data.check import Check, Finding, Spread, check
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set without faults: two classes, each with six different training images and two test images."""
    for split, count in (("train", 6), ("test", 2)):
        for label in ("cat", "dog"):
            folder = tmp_path / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                image(f"{split}{label}{number}", 8 + number).save(folder / f"{number}.png")
    return tmp_path


def image(seed: str, height: int = 8) -> Image.Image:
    generator = np.random.default_rng(list(seed.encode()))
    return Image.fromarray(generator.integers(0, 256, (height, 10, 3), dtype=np.uint8))


def kinds(found: Check) -> list[tuple[str, str]]:
    return [(finding.level, finding.kind) for finding in found.findings]


def only(found: Check) -> Finding:
    (finding,) = found.findings
    return finding


def test_a_sound_set_has_no_findings(root: Path) -> None:
    seen: list[int] = []
    found = check(root, seen.append)
    assert found.findings == ()
    assert found.counts == {"train": {"cat": 6, "dog": 6}, "test": {"cat": 2, "dog": 2}}
    assert found.images == 16
    assert seen[-1] == 16
    assert found.heights == Spread(8, 9.5, 13)  # 8 to 13 twice, and 8 and 9 twice
    assert found.widths == Spread(10, 10.0, 10)


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [(b"", "empty", "0 bytes"), (b"nothing", "damaged", "not an image"), (None, "damaged", "damaged")],
)
def test_a_damaged_file_is_reported(root: Path, content: bytes | None, kind: str, reason: str) -> None:
    path = root / "train" / "cat" / "3.png"
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    finding = only(check(root))
    assert (finding.level, finding.kind, finding.names) == ("error", kind, (str(path),))
    assert reason in finding.message
    assert str(path) not in finding.message


def test_an_ambiguous_image(root: Path) -> None:
    Image.fromarray(np.full((4, 4), np.nan, np.float32)).save(root / "train" / "cat" / "x.tif")
    finding = only(check(root))
    assert finding.kind == "damaged"
    assert "no number" in finding.message


def thermal(root: Path, images: int = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    """Different 16-bit images in a band of 159 values, in place of one class's."""
    values = np.random.default_rng(0).integers(29961, 30120, (images, 6, 7)).astype(np.uint16)
    for number, each in enumerate(values):
        Image.fromarray(each).save(root / "train" / "cat" / f"deep{number}.png")
    return values


def test_deep_images_are_compared_by_all_their_bits(root: Path) -> None:
    """At 8 bits all of them are one flat grey, 117 of 255."""
    values = thermal(root)
    finding = only(check(root))
    assert (finding.level, finding.kind, len(finding.names)) == ("notice", "deep", 8)
    assert f"values from {values.min()} to {values.max()} become black to white" in finding.message
    assert "1 of 256 greys" in finding.message  # 29961 / 257 = 116.6, 30119 / 257 = 117.2
    Image.fromarray(values[3]).save(root / "train" / "cat" / "again.png")
    assert ("warning", "duplicate") in kinds(check(root))


def test_colours_of_sixteen_bits_are_mentioned(root: Path) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (4, 5, 3)).astype(">u2")
    (root / "train" / "cat" / "deep.ppm").write_bytes(b"P6 5 4 65535\n" + deep.tobytes())
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 5, 4, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    (root / "train" / "cat" / "deep.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks
        )
    )
    finding = next(finding for finding in check(root).findings if finding.kind == "deep")
    assert "16 bits per colour" in finding.message
    assert finding.names == tuple(str(root / "train" / "cat" / f"deep.{ending}") for ending in ("png", "ppm"))


@pytest.mark.parametrize("limit", [13 * 10 - 1, 13 * 10 // 2 - 1])
def test_a_huge_image(root: Path, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow warns beyond its limit and refuses beyond twice that; here both are an error."""
    for path in root.rglob("*.png"):
        image(str(path), 4).save(path)
    image("large", 13).save(root / "train" / "cat" / "0.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    finding = only(check(root))
    assert (finding.level, finding.kind) == ("error", "huge")
    assert finding.names == (str(root / "train" / "cat" / "0.png"),)
    assert "pixels" in finding.message


def test_a_file_without_an_ending_is_no_error(root: Path) -> None:
    (root / "train" / "cat" / "0.png").rename(root / "train" / "cat" / "0")
    found = check(str(root))
    assert kinds(found) == [("notice", "ending")]
    assert found.findings[0].message == "PNG without an ending; hubel reads them"


def test_a_file_of_another_format_than_its_name_says(root: Path) -> None:
    image("png").save(root / "train" / "cat" / "x.jpg", "PNG")
    image("jpeg").save(root / "train" / "dog" / "x.JPEG", "JPEG")
    image("ppm").save(root / "train" / "dog" / "x.pgm", "PPM")
    image("bmp").save(root / "train" / "dog" / "x.dib", "BMP")
    image("dib").save(root / "train" / "dog" / "y.dib", "DIB")
    finding = only(check(root))
    assert (finding.level, finding.kind) == ("error", "format")
    assert finding.names == (str(root / "train" / "cat" / "x.jpg"),)
    assert "PNG" in finding.message
    assert ".jpg" in finding.message


def test_turned_images_are_reported_together(root: Path) -> None:
    exif = Image.Exif()
    for orientation in (1, 6, 8):
        exif[0x0112] = orientation
        image(str(orientation)).save(root / "train" / "cat" / f"turned{orientation}.jpg", exif=exif)
    found = check(root)
    finding = only(found)
    assert (finding.level, finding.kind) == ("notice", "turned")
    assert finding.names == tuple(str(root / "train" / "cat" / f"turned{number}.jpg") for number in (6, 8))
    assert found.widths == Spread(8, 10.0, 10)


def test_the_same_image_in_another_format_in_two_splits(root: Path) -> None:
    with Image.open(root / "train" / "cat" / "2.png") as image:
        image.save(root / "test" / "cat" / "same.bmp")
    finding = only(check(root))
    assert (finding.level, finding.kind) == ("error", "leak")
    assert finding.names == (str(root / "train" / "cat" / "2.png"), str(root / "test" / "cat" / "same.bmp"))


def test_duplicates_in_two_classes_and_within_one(root: Path) -> None:
    grey = Image.new("L", (5, 4), 7)
    grey.save(root / "train" / "cat" / "grey.png")
    grey.convert("RGB").save(root / "train" / "dog" / "colours.png")
    image("twice").save(root / "train" / "dog" / "a.png")
    image("twice").save(root / "train" / "dog" / "b.png")
    Image.new("L", (4, 5), 7).save(root / "train" / "dog" / "other-shape.png")
    found = check(root)
    assert kinds(found) == [("error", "conflict"), ("warning", "duplicate")]
    assert [len(finding.names) for finding in found.findings] == [2, 2]
    assert "cat and dog" in found.findings[0].message


def test_an_imbalance_is_reported_above_a_ratio_of_ten(root: Path) -> None:
    for number in range(6, 60):
        image(f"more{number}").save(root / "train" / "cat" / f"{number}.png")
    assert only(check(root)).level == "notice"
    image("one more").save(root / "train" / "cat" / "60.png")
    finding = only(check(root))
    assert (finding.level, finding.kind) == ("warning", "imbalance")
    assert "cat has 61" in finding.message


def test_an_imbalance_is_mentioned_from_a_ratio_of_three_with_its_remedy(root: Path) -> None:
    for number in range(6, 17):
        image(f"more{number}").save(root / "train" / "cat" / f"{number}.png")
    assert check(root).findings == ()
    image("one more").save(root / "train" / "cat" / "17.png")
    finding = only(check(root))
    assert (finding.level, finding.kind) == ("notice", "imbalance")
    assert "cat has 18 images and dog 6, 3 times fewer" in finding.message
    assert "--balance loss" in finding.message


def test_everything_that_read_folder_would_refuse_is_reported(root: Path) -> None:
    (root / "train" / "cat" / "notes.txt").write_text("")
    by_ending = only(check(root))
    assert (by_ending.level, by_ending.names) == ("error", (str(root / "train" / "cat" / "notes.txt"),))
    assert "no image by its ending" in by_ending.message
    image("loose").save(root / "train" / "loose.png")
    (root / "train" / "cat" / "inner").mkdir()
    (root / "train" / "cow").mkdir()
    (root / "Val" / "hen").mkdir(parents=True)
    image("hen").save(root / "Val" / "hen" / "a.png")
    (root / "valid").mkdir()
    (root / "spare").mkdir()
    (root / "train" / "cat" / "0.png").write_bytes(b"")
    found = check(root)
    layout = {finding.names[0] for finding in found.findings if finding.kind == "layout"}
    assert layout == {
        str(root / name)
        for name in ("train/loose.png", "train/cat/inner", "train/cow", "Val/hen", "valid", "spare")
    }
    assert by_ending in found.findings
    missing = {finding.message for finding in found.findings if finding.kind == "missing"}
    assert missing == {
        "train has no image of class cow",
        "train has no image of class hen",
        "test has no image of class cow",
        "test has no image of class hen",
        *(f"val has no image of class {label}" for label in ("cat", "cow", "dog")),
    }
    assert {finding.kind for finding in found.findings} == {"layout", "missing", "empty", "damaged"}
    assert found.counts["val"] == {"cat": 0, "cow": 0, "dog": 0, "hen": 1}


def test_a_missing_train_split_and_a_single_class_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test" / "cat").mkdir(parents=True)
    (tmp_path / "val" / "cat").mkdir(parents=True)
    image("cat").save(tmp_path / "test" / "cat" / "a.png")
    image("other").save(tmp_path / "val" / "cat" / "a.png")
    messages = [finding.message for finding in check(tmp_path).findings]
    assert len(messages) == 2
    assert messages[0].startswith("has test and val but no train")
    assert messages[1].startswith("1 class;")


def test_a_flat_folder_is_all_training(root: Path) -> None:
    found = check(root / "train")
    assert found.counts == {"train": {"cat": 6, "dog": 6}}
    assert found.findings == ()


def test_a_set_in_memory(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    pixels[3] = pixels[0]
    for part, kind, array in (
        ("images-idx3", 3, pixels),
        ("labels-idx1", 1, np.array([0, 1, 0, 1], np.uint8)),
    ):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        (tmp_path / f"train-{part}-ubyte").write_bytes(bytes([0, 0, 8, kind]) + sizes + array.tobytes())
    found = check(tmp_path)
    assert ("error", "conflict") in kinds(found)
    assert found.heights == Spread(28, 28.0, 28)


def test_anything_but_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        check(tmp_path / "gone")
    with pytest.raises(DataError, match="no class folders"):
        check(tmp_path)
