"""Manifests, correct and wrong, by line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from hubel.data.dataset import DataSet, FileImages, Images
from hubel.data.feed.cache import decode_once
from hubel.data.feed.decoded import decode
from hubel.data.formats.manifest import read_manifest
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data
from hubel.errors import DataError


def plant(root: Path, text: str, *, encoding: str = "utf-8") -> Path:
    """A manifest in a folder of the images a.png to f.png and sub/g.png."""
    (root / "sub").mkdir()
    for name in ("a", "b", "c", "d", "e", "f", "sub/g"):
        Image.new("RGB", (4, 3), "red").save(root / f"{name}.png")
    file = root / "pets.csv"
    file.write_bytes(text.encode(encoding))
    return file


def listed(dataset: DataSet, images: Images | None) -> list[tuple[str, str]]:
    assert isinstance(images, FileImages)
    return [
        (path.name, dataset.classes[label]) for path, label in zip(images.paths, images.labels, strict=True)
    ]


def test_without_splits_all_images_are_training(tmp_path: Path) -> None:
    file = plant(tmp_path, "path,label\na.png,dog\nsub/g.png,cat\n\nb.png, dog \n")
    dataset = open_data(file, val=0)
    assert (dataset.name, dataset.classes, dataset.val, dataset.test) == ("pets", ("cat", "dog"), None, None)
    assert listed(dataset, dataset.train) == [("a.png", "dog"), ("g.png", "cat"), ("b.png", "dog")]
    assert dataset.train.size(1) == (3, 4)
    assert dataset.train.name(0) == str(tmp_path / "a.png")


def test_columns_may_be_in_any_order_and_paths_absolute(tmp_path: Path) -> None:
    file = plant(
        tmp_path,
        f"\ufeffSplit,label,path\r\nTrain,10,a.png\r\ntest,9,{tmp_path}/b.png\r\ntrain,9,c.png\r\n"
        "validation,10,d.png\r\n",
    )
    dataset = open_data(str(file))
    assert dataset.classes == ("9", "10")
    assert listed(dataset, dataset.train) == [("a.png", "10"), ("c.png", "9")]
    assert listed(dataset, dataset.val) == [("d.png", "10")]
    assert listed(dataset, dataset.test) == [("b.png", "9")]


def test_a_label_may_hold_a_comma_and_a_name_of_any_script(tmp_path: Path) -> None:
    file = plant(tmp_path, 'path,label\na.png,"cat, black"\nb.png,猫\n')
    assert read_manifest(file).classes == ("cat, black", "猫")


def test_groups_are_not_split(tmp_path: Path) -> None:
    rows = ["a.png,x,1", "b.png,y,1", "c.png,x,2", "d.png,y,2", "e.png,x,", "f.png,y,"]
    file = plant(tmp_path, "\n".join(["path,label,group", *rows]))
    for seed in range(10):
        dataset = open_data(file, val=0.34, seed=seed)
        held = {name[0] for name, _ in listed(dataset, dataset.val)}
        assert held in ({"a", "b"}, {"c", "d"}, {"e", "f"})


def test_without_groups_images_are_not_grouped(tmp_path: Path) -> None:
    train = read_manifest(plant(tmp_path, "path,label,group\na.png,x,\nb.png,y,\n")).train
    assert isinstance(train, FileImages)
    assert train.groups is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column path"),
        ("path\na.png\n", "has no column label; the header is path,label[,split][,group]"),
        ("path;label\na.png;x\n", "its columns are separated by ';'; use commas"),
        ("path,lable\na.png,x\n", "unknown column 'lable'; did you mean label?"),
        ("path,label,label\n", "two columns are called label"),
        ("path,label\n", "lists no images"),
        ("path,label\na.png\n", "line 2 has 1 values, but the header names 2"),
        ("path,label\na.png,x\nb.png,cat, black\n", "line 3 has 3 values"),
        ("path,label\na.png,\n", "line 2 has no label"),
        ("path,label\n,x\n", "line 2 has no path"),
        (
            "path,label,split\na.png,x,trian\n",
            "line 2 has split 'trian', which is none of train, val, valid, validation, test; did",
        ),
        ("path,label,split\na.png,x,\n", "line 2 has split ''"),
        ("path,label,split\na.png,x,test\nb.png,y,val\n", "no line has the split train"),
        ("path,label\na.png,x\nb.png,y\na.png,y\n", "is on lines 2 and 4"),
        ("path,label\na.png,x\nb.png,x\n", "one class, 'x'"),
        (
            "path,label,split,group\na.png,x,train,7\nb.png,y,train,8\nc.png,x,test,7\n",
            "group '7' is in train (line 2) and in test (line 4)",
        ),
        (
            "path,label,split\na.png,x,train\nb.png,y,test\nc.png,z,train\n",
            "class 'y' has no training image",
        ),
        ('path,label\na.png,"x\n', "is not CSV"),
    ],
)
def test_a_mistake_is_refused_by_line(tmp_path: Path, text: str, reason: str) -> None:
    file = plant(tmp_path, text)
    with pytest.raises(DataError) as caught:
        open_data(file)
    assert reason in str(caught.value)
    assert "pets" in str(caught.value)


def test_a_path_that_no_file_can_have_is_one_that_cannot_be_read(tmp_path: Path) -> None:
    """A name of 100,000 characters, of which the system takes 255, and one with a null byte."""
    long, odd = f"{'x' * 100_000}.png", "a\0.png"
    file = plant(tmp_path, f"path,label\na.png,x\n{long},y\nb.png,y\n{odd},x\n")
    train, seen = open_data(file, val=0).train, Preprocessing.of("3x4x3")
    assert [Path(name).name for name in decode(train, seen, on_bad="skip").names] == ["a.png", "b.png"]


def test_a_missing_image_cannot_be_read(tmp_path: Path) -> None:
    file = plant(tmp_path, "path,label\na.png,x\nz.png,y\nb.png,y\n")
    train, seen = open_data(file, val=0).train, Preprocessing.of("3x4x3")
    with pytest.raises(DataError, match=r"z\.png: no file is there, but line 3 of .*pets\.csv names it"):
        decode(train, seen)
    assert [Path(name).name for name in decode(train, seen, on_bad="skip").names] == ["a.png", "b.png"]


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    file = plant(tmp_path, "path,label\na.png,Bär\nb.png,x\n", encoding="latin-1")
    with pytest.raises(DataError, match=r"pets\.csv: not UTF-8 .* save it as CSV in UTF-8"):
        open_data(file)


@pytest.mark.parametrize("special", ["/dev/zero", "pipe.png"])
def test_a_device_or_a_pipe_is_one_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, special: str
) -> None:
    """Read as a file, the first would fill the memory, and the second wait for ever."""
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "cache"))
    os.mkfifo(tmp_path / "pipe.png")
    train = open_data(plant(tmp_path, f"path,label\na.png,x\n{special},y\nb.png,y\n"), val=0).train
    found = decode_once(train, Preprocessing.of("3x4x3"), on_bad="skip")
    assert (len(found), len(found.skipped)) == (2, 1)
    assert special in found.skipped[0].name


def test_a_list_that_is_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="not a regular file"):
        open_data(tmp_path / "list.csv")
