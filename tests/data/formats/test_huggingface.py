"""Tables: Parquet and Arrow files written by the library `datasets`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from hubel.data.formats.huggingface import TableImages, read_hub
from hubel.data.image.preprocess import Preprocessing
from hubel.data.sources import open_data
from hubel.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from hubel.data.arrays import Bytes

datasets = pytest.importorskip("datasets")

LABELS = [2, 0, 1, 0, 2, 1]
NAMES = ["ant", "bee", "cow"]


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Moves the library's cache to the test's folder and turns its progress bars off."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "library")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


def pixels(seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)


def table(seed: int = 0, label: str = "label", **columns: tuple[Any, list[Any]]) -> Any:
    """Six images in a column `image`, class labels in `label`, and other columns by type and values."""
    kinds = {"image": datasets.Image(), label: datasets.ClassLabel(names=NAMES)}
    values: dict[str, list[Any]] = {"image": [Image.fromarray(each) for each in pixels(seed)], label: LABELS}
    for name, (kind, of) in columns.items():
        kinds[name], values[name] = kind, of
    return datasets.Dataset.from_dict(values, features=datasets.Features(kinds))


TEXT = datasets.Value("string")


@pytest.mark.parametrize("form", ["parquet", "data", "arrow", "saved"])
def test_a_folder_with_splits(tmp_path: Path, form: str) -> None:
    root = tmp_path / "set"
    splits = {"train": table(1, text=(TEXT, list("abcdef"))), "test": table(2, text=(TEXT, list("abcdef")))}
    if form == "saved":
        datasets.DatasetDict(splits).save_to_disk(root)
    else:
        inside = root / "data" if form == "data" else root
        inside.mkdir(parents=True)
        for name, rows in splits.items():
            if form == "arrow":
                rows.save_to_disk(tmp_path / name)
                (tmp_path / name / "data-00000-of-00001.arrow").replace(inside / f"{name}.arrow")
            else:
                rows.to_parquet(inside / f"{name}-00000-of-00001.parquet")
    dataset = open_data(root, val=0)
    assert (dataset.name, dataset.classes, dataset.val) == ("set", tuple(NAMES), None)
    assert isinstance(dataset.train, TableImages)
    assert dataset.test is not None
    for images, seed in ((dataset.train, 1), (dataset.test, 2)):
        assert images.labels.tolist() == LABELS
        for index in (0, 5):
            assert np.array_equal(np.asarray(images.image(index)), pixels(seed)[index])
    assert (dataset.depth, dataset.size, dataset.mirror) == (3, (4, 5), True)
    assert dataset.train.name(3) == "set/train/3"


def test_validation_is_held_out_and_images_are_read_when_needed(tmp_path: Path) -> None:
    table().to_parquet(tmp_path / "pets.parquet")
    dataset = open_data(str(tmp_path / "pets.parquet"), val=0.5)
    assert dataset.name == "pets"
    assert dataset.val is not None
    assert sorted(dataset.val.labels) == [0, 1, 2]
    seen = {}
    for images in (dataset.train, dataset.val):
        for index in range(len(images)):
            row = int(images.name(index).rpartition("/")[2])
            assert images.labels[index] == LABELS[row]
            seen[row] = images.fitted(index, Preprocessing.of("4x5x3"))
    assert np.array_equal(np.stack([seen[row] for row in range(6)]), pixels())


def test_a_rotated_image_has_its_upright_size(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 2)).save(tmp_path / "lying.jpg", exif=exif)
    values = {"image": [str(tmp_path / "lying.jpg")] * 2, "label": [0, 1]}
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    datasets.Dataset.from_dict(values, features=kinds).to_parquet(tmp_path / "a.parquet")
    assert open_data(tmp_path / "a.parquet", val=0).train.size(0) == (8, 2)


@pytest.mark.parametrize(
    ("kind", "values", "classes"),
    [("int64", [10, 9, 9, 10, 9, 10], ("9", "10")), ("string", list("abbaba"), ("a", "b"))],
)
def test_labels_may_be_numbers_or_texts(
    tmp_path: Path, kind: str, values: list[Any], classes: tuple[str, ...]
) -> None:
    rows = table(digit=(datasets.Value(kind), values)).remove_columns(["label"])
    rows.to_parquet(tmp_path / "a.parquet")
    dataset = open_data(tmp_path / "a.parquet", val=0)
    assert dataset.classes == classes
    assert [dataset.classes[label] for label in dataset.train.labels] == [str(value) for value in values]


def test_of_several_columns_of_labels_the_one_called_label_is_taken(tmp_path: Path) -> None:
    coarse = (datasets.ClassLabel(names=["x", "y"]), [0, 1] * 3)
    table(coarse=coarse).to_parquet(tmp_path / "a.parquet")
    assert open_data(tmp_path / "a.parquet", val=0).classes == tuple(NAMES)
    table(label="fine", coarse=coarse).to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"columns are image \(Image\), fine \(ClassLabel\), coarse"):
        open_data(tmp_path / "b.parquet")


def test_columns_of_bytes_and_path_are_images(tmp_path: Path) -> None:
    rows = table().cast_column("image", datasets.Image(decode=False))
    plain = [{"bytes": row["image"]["bytes"], "path": None} for row in rows]
    kind = {"bytes": datasets.Value("binary"), "path": TEXT}
    other = datasets.Dataset.from_dict(
        {"image": plain, "label": LABELS},
        features=datasets.Features({"image": kind, "label": datasets.Value("int64")}),
    )
    other.to_parquet(tmp_path / "a.parquet")
    dataset = open_data(tmp_path / "a.parquet", val=0)
    assert dataset.classes == ("0", "1", "2")
    assert np.array_equal(np.asarray(dataset.train.image(4)), pixels()[4])


@pytest.mark.parametrize("missing", ["image", "label"])
def test_without_images_or_labels_the_columns_are_listed(tmp_path: Path, missing: str) -> None:
    rows = table(weight=(datasets.Value("float32"), [0.5] * 6)).remove_columns([missing])
    rows.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a: needs one column of images .* weight \(float32\)"):
        open_data(tmp_path / "a.parquet")


def test_a_damaged_or_missing_image_is_named(tmp_path: Path) -> None:
    rows = table().cast_column("image", datasets.Image(decode=False))
    values = [row["image"] for row in rows]
    values[2], values[3] = {"bytes": b"no image", "path": None}, None
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=NAMES)})
    datasets.Dataset.from_dict({"image": values, "label": LABELS}, features=kinds).to_parquet(
        tmp_path / "a.parquet"
    )
    train = open_data(tmp_path / "a.parquet", val=0).train
    for index, reason in ((2, "is a damaged image"), (3, "has no image")):
        with pytest.raises(DataError, match=f"^a/train/{index}: {reason}"):
            train.fitted(index, Preprocessing.of("4x5x3"))


def test_a_missing_label_is_named_and_a_test_split_without_labels_left_out(tmp_path: Path) -> None:
    rows = table().to_dict() | {"label": [2, 0, None, 0, 2, 1]}
    kinds = table().features
    datasets.Dataset.from_dict(rows, features=kinds).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="a/train/2: has no label"):
        open_data(tmp_path / "a.parquet")
    (tmp_path / "set").mkdir()
    table().to_parquet(tmp_path / "set" / "train.parquet")
    rows["label"] = [-1] * 6
    datasets.Dataset.from_dict(rows, features=kinds).to_parquet(tmp_path / "set" / "test.parquet")
    assert open_data(tmp_path / "set").test is None


def test_what_the_library_cannot_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read \("):
        open_data(tmp_path / "a.parquet")


def test_the_hub_gets_a_name_and_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(*what: str | None) -> Any:
        asked.append(what)
        if what[0] == "gone":
            raise ConnectionError("cannot reach\nthe hub")
        return datasets.DatasetDict({"train": table(1), "validation": table(2)})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    dataset = open_data("hf:owner/pets@small")
    assert (dataset.name, len(dataset.train)) == ("owner/pets", 6)
    assert dataset.val is not None
    assert np.array_equal(np.asarray(dataset.val.image(1)), pixels(2)[1])
    with pytest.raises(DataError, match=r"^hf:gone: cannot be read \(cannot reach\)$"):
        read_hub("hf:gone")
    assert asked == [("owner/pets", "small"), ("gone", None)]
    for text in ("hf:", "hf:a/b/c", "hf:a b", "hf:../a", "hf:a@"):
        with pytest.raises(DataError, match="write hf:"):
            read_hub(text)


def test_without_the_library_the_error_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "a.parquet").write_bytes(b"")
    for where in ("hf:ylecun/mnist", tmp_path / "a.parquet", tmp_path):
        with pytest.raises(DataError, match=r'pip install "hubel\[hf\]"'):
            open_data(where)
