"""The model's file: one file, everything in it, nothing taken on trust."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from hubel import build, parse
from hubel.data.image.preprocess import Preprocessing
from hubel.data.marks import marks, written
from hubel.errors import ModelError
from hubel.model.file import Model, load
from hubel.model.header import read_header
from hubel.model.prediction import predictions
from hubel.module.views import scores

NOTATION = (
    'named("c1", conv(4, 3)) >> batchnorm >> relu >> side("aux", fc(3), weight=0.3) >> fc(3) >> softmax'
)
CLASSES = ("고양이", "dog <b>", "b,i,r,d")


@pytest.fixture
def model() -> Model:
    network = build(parse(NOTATION), "8x8x3", seed=3, scores=True)
    preprocessing = Preprocessing(8, 8, 3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), fit="pad")
    return Model(network, CLASSES, preprocessing, {"data": "/photos", "val_top1": 0.5})


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    model.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def image(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 10, 3)).astype(np.uint8))


def test_the_file_gives_the_model_back(model: Model, path: Path) -> None:
    again = load(path)
    assert again.network.net == model.network.net
    assert again.classes == CLASSES
    assert again.preprocessing == model.preprocessing
    assert again.summary == model.summary
    images = [image(1), image(2)]
    assert torch.equal(again.probabilities(images), model.probabilities(images))
    assert not list(path.parent.glob(".*")), "no temporary file is left"


def test_marks_of_the_training_images_have_a_key_of_their_own(model: Model, tmp_path: Path) -> None:
    seen = frozenset(marks(np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)))
    path = tmp_path / "model.safetensors"
    replace(model, seen=seen).save(path)
    assert load(path).seen == seen
    assert load(path).summary == model.summary
    assert read_header(path).to_metadata()["seen"] == written(seen)
    replace(model, seen=frozenset()).save(path)
    assert load(path).seen == frozenset()
    model.save(path)
    assert load(path).seen is None
    assert "seen" not in read_header(path).to_metadata()


def test_an_older_file_keeps_the_marks_in_its_summary(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    replace(model, summary={"data": "/photos", "seen": written([b"a mark"])}).save(path)
    assert load(path).seen == frozenset([b"a mark"])
    assert load(path).summary == {"data": "/photos"}


@pytest.mark.parametrize("seen", [5, "?", "AAAA"])
def test_damaged_marks_are_refused(model: Model, tmp_path: Path, seen: object) -> None:
    path = tmp_path / "model.safetensors"
    replace(model, summary={"seen": seen}).save(path)
    with pytest.raises(ModelError, match="marks of its training images cannot be read"):
        load(path)
    model.save(path)
    rewritten(path, seen=f"{seen}?")
    with pytest.raises(ModelError, match="marks of its training images cannot be read"):
        load(path)


def test_a_model_prints_on_one_screen(model: Model) -> None:
    many = frozenset(number.to_bytes(6) for number in range(50_000))
    net = parse("named('start', conv(4, 3)) >> " + " >> ".join(["relu"] * 500) + " >> fc(1000)")
    names = tuple(f"class {number}" for number in range(1000))
    network = build(net, "8x8x3", scores=True)
    large = Model(network, names, model.preprocessing, {"data": "x" * 5000, "epoch": 12}, seen=many)
    lines = repr(large).splitlines()
    assert lines[0] == "Model of 1,000 classes"
    assert len(lines) <= 12
    assert max(map(len, lines)) <= 102
    lines = repr(replace(model, temperature=1.25, views="mirror")).splitlines()
    for line in (
        "  classes     고양이, dog <b>, b,i,r,d",
        "  input       8x8x3, fit pad",
        "  parameters  990",
        "  trained on  /photos",
        "  accuracy    50.00 % of the validation images",
        "  views       mirror",
        "  temperature 1.25",
    ):
        assert line in lines


def test_places_may_be_texts(model: Model, tmp_path: Path) -> None:
    model.save(str(tmp_path / "text.safetensors"))
    assert load(str(tmp_path / "text.safetensors")).classes == CLASSES


def test_probabilities_are_the_softmax_of_the_scores_once(model: Model) -> None:
    """The notation ends in a softmax; the whole network in eval mode is the reference."""
    whole = build(parse(NOTATION), "8x8x3").eval()
    whole.load_state_dict(model.network.state_dict())
    pixels = torch.from_numpy(model.preprocessing.pixels(image(1)))[None]
    expected = whole(model.preprocessing.normalise(pixels))
    torch.testing.assert_close(model.probabilities([image(1)]), expected)
    assert model.probabilities([image(1)]).sum().item() == pytest.approx(1)


def test_files_are_named_by_text_or_path_and_a_loaded_model_is_no_longer_the_files(
    model: Model, path: Path, tmp_path: Path
) -> None:
    image(1).save(tmp_path / "one.png")
    again = load(path)
    expected = again.probabilities([image(1)])
    path.write_bytes(b"\0" * path.stat().st_size)  # in place
    for named in (tmp_path / "one.png", str(tmp_path / "one.png")):
        torch.testing.assert_close(again.probabilities([named]), expected)


@pytest.mark.parametrize("views", ["one", "mirror", "mirror-shift"])
def test_temperature_and_views_are_kept_and_used(model: Model, tmp_path: Path, views: str) -> None:
    path = tmp_path / "model.safetensors"
    replace(model, temperature=1 / 3, views=views).save(path)
    again = load(path)
    assert (again.temperature, again.views) == (1 / 3, views)
    assert (read_header(path).temperature, read_header(path).views) == (1 / 3, views)
    seen = model.preprocessing.normalise(torch.from_numpy(model.preprocessing.pixels(image(1)))[None])
    expected = (3 * scores(model.network.eval(), seen, views)).softmax(1)
    torch.testing.assert_close(again.probabilities([image(1)]), expected.detach())


def test_an_older_file_has_neither(model: Model, path: Path) -> None:
    rewritten(path, temperature="", views="")
    assert (load(path).temperature, load(path).views) == (1.0, "one")
    assert torch.equal(load(path).probabilities([image(1)]), model.probabilities([image(1)]))


def test_the_header_needs_no_weights(path: Path) -> None:
    header = read_header(path)
    assert header.notation == NOTATION
    assert str(header.volume) == "8x8x3"
    assert header.classes == CLASSES
    assert header.versions.keys() == {"hubel", "torch", "python"}


def test_any_reader_of_safetensors_finds_the_weights_by_their_paths(path: Path) -> None:
    assert {"c1.weight", "c1.bias", "batchnorm1.running_mean", "aux.fc1.weight", "fc1.weight"} <= set(
        safetensors.torch.load_file(path)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cut short"), (b"\x80\x04pickle", "not a safetensors file"), (None, "does not exist")],
)
def test_files_that_are_no_model(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        load(path)


def test_a_file_that_is_cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match="cut short"):
        load(path)


def rewritten(path: Path, **changes: str) -> None:
    """Writes the model's file again with other texts in its metadata."""
    tensors = safetensors.torch.load_file(path)
    metadata = read_header(path).to_metadata() | changes
    path.write_bytes(safetensors.torch.save(tensors, {k: v for k, v in metadata.items() if v}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other/1"}, "is not a model of hubel"),
        ({"format": ""}, "is not a model of hubel"),
        ({"classes": "not json"}, "metadata are damaged"),
        ({"input": "8x8"}, "metadata are damaged"),
        ({"notation": "conv(4, 3) >> fc(3)"}, r"for conv1.weight its network has .*, the file nothing"),
        ({"notation": NOTATION.replace("fc(3) >> softmax", "fc(4)")}, "3 classes for 4 scores"),
        ({"notation": NOTATION.replace("conv(4, 3)", "conv(4, 1)")}, "for c1.weight .*float32 4x3x1x1"),
        ({"notation": "__import__('os')"}, "there is no layer __import__"),
        ({"input": "9x9x3"}, "preprocessing makes 8x8x3, its network takes 9x9x3"),
        ({"summary": "[]"}, "metadata are damaged"),
        ({"temperature": "warm"}, "metadata are damaged"),
        ({"temperature": "0"}, "metadata are damaged.*temperature is 0"),
        ({"temperature": "nan"}, "metadata are damaged.*temperature is nan"),
        ({"views": "many"}, "its views are 'many'; known are one, mirror"),
        ({"preprocessing": "{}"}, "preprocessing lacks 'height'"),
        ({"classes": json.dumps(["a", "b"])}, "2 classes for 3 scores"),
    ],
)
def test_metadata_that_do_not_fit(path: Path, changes: dict[str, str], message: str) -> None:
    rewritten(path, **changes)
    with pytest.raises(ModelError, match=message):
        load(path)


def test_a_bad_file_spoils_no_other(model: Model, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    image(1).save(good)
    bad.write_bytes(good.read_bytes()[:40])
    found = list(predictions(model, [good, bad, tmp_path / "none.png", good], top=2))
    assert [bool(each.error) for each in found] == [False, True, True, False]
    assert found[1].file == str(bad)
    expected = model.probabilities([image(1)])[0]
    best = expected.topk(2)
    assert [name for name, _ in found[0].classes] == [CLASSES[at] for at in best.indices.tolist()]
    assert [p for _, p in found[0].classes] == pytest.approx(best.values.tolist())


def test_weights_of_another_precision_are_refused(path: Path) -> None:
    tensors = {name: value.half() for name, value in safetensors.torch.load_file(path).items()}
    path.write_bytes(safetensors.torch.save(tensors, read_header(path).to_metadata()))
    with pytest.raises(ModelError, match=r"c1\.weight its network has float32 4x3x3x3, the file float16"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": "1e-320"}, "the temperature is 9.99989e-321, not from 1e-06 to 1e[+]06"),
        ({"temperature": "inf"}, "the temperature is inf"),
        ({"classes": '"abc"'}, 'a list is expected, not "abc"'),
        ({"classes": '["a", "b", "a"]'}, "two classes have the same name, 'a'"),
        ({"classes": '["a", "b", " "]'}, "a class has an empty name"),
        ({"classes": '["a", "b", ["c"]]'}, "a class is named by a text, not by .'c'."),
        ({"classes": '["a", "b", null]'}, "a class is named by a text, not by None"),
        ({"classes": "[" * 100_000}, "metadata are damaged"),
        ({"versions": "[]"}, "a dict is expected"),
        ({"summary": '{"val_top1": "good"}'}, "val_top1 is a number, not 'good'"),
        ({"summary": '{"val_top1": NaN}'}, "val_top1 is a number, not nan"),
        ({"summary": '{"val_top1": 3}'}, "val_top1 is from 0 to 1, not 3"),
        ({"summary": '{"val_images": 2.5}'}, "val_images is a whole number from 1, not 2.5"),
        ({"summary": '{"val_images": 0}'}, "val_images is a whole number from 1, not 0"),
        ({"summary": '{"epoch": [1]}'}, r"epoch is a number, not \[1\]"),
        ({"summary": '{"data": {}}'}, "data is a text, not {}"),
        ({"notation": "fc(3) >> " * 30_000}, "metadata"),
    ],
)
def test_values_that_no_model_has_are_refused(path: Path, changes: dict[str, str], message: str) -> None:
    rewritten(path, **changes)
    with pytest.raises(ModelError, match=message) as caught:
        load(path)
    assert len(str(caught.value)) < 300 + len(str(path))


def flipped(content: bytes, place: int) -> bytes:
    """The content with one bit changed."""
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_any_flipped_bit_of_a_weight_is_found(path: Path) -> None:
    content = path.read_bytes()
    data = 8 + int.from_bytes(content[:8], "little")
    for place in range(data, len(content), 7):
        path.write_bytes(flipped(content, place))
        with pytest.raises(ModelError, match=r"is damaged: its content does not have the SHA-256"):
            load(path)
    path.write_bytes(content)
    load(path)


def test_changed_metadata_are_found(path: Path) -> None:
    content = path.read_bytes()
    for before, after in ((b"dog <b>", b"dag <b>"), (b"0.33", b"0.31"), (b'"0.4', b'"0.5')):
        if before in content:
            path.write_bytes(content.replace(before, after))
            with pytest.raises(ModelError, match="does not have the SHA-256"):
                load(path)


def test_a_file_without_a_checksum_loads(model: Model, path: Path) -> None:
    """Those of before have none."""
    rewritten(path)
    assert b"sha256" not in path.read_bytes()
    assert torch.equal(load(path).probabilities([image(1)]), model.probabilities([image(1)]))


def test_the_checksum_is_that_of_names_types_and_bytes_in_order(path: Path) -> None:
    """Computed again from the file's own bytes, without torch."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + length])
    metadata = entries.pop("__metadata__")
    wanted = metadata.pop("sha256")
    parts = [part for name in sorted(metadata) for part in (name.encode(), metadata[name].encode())]
    for name in sorted(entries):
        kind = {"F32": "torch.float32", "I64": "torch.int64"}[entries[name]["dtype"]]
        begin, end = entries[name]["data_offsets"]
        parts += [f"{name} {kind} {tuple(entries[name]['shape'])}".encode(), content[8 + length :][begin:end]]
    digest = hashlib.sha256(b"".join(len(part).to_bytes(8, "little") + part for part in parts))
    assert digest.hexdigest() == wanted


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite_are_refused(model: Model, path: Path, value: float) -> None:
    with torch.no_grad():
        model.network.get_parameter("c1.weight")[0, 0, 0, 0] = value
    model.save(path)
    with pytest.raises(ModelError, match=r"c1\.weight has values that are not finite"):
        load(path)


def test_scores_that_are_not_finite_are_no_prediction(model: Model) -> None:
    with torch.no_grad():
        model.network.get_parameter("c1.weight").fill_(1e38)
        model.network.get_parameter("fc1.weight").fill_(1e38)
    with pytest.raises(ModelError, match="scores are not finite"):
        model.predict(image(1))


def test_a_model_that_could_not_be_loaded_is_not_saved(model: Model, tmp_path: Path) -> None:
    for wrong in (replace(model, classes=("a", "b", "a")), replace(model, temperature=1e-320)):
        with pytest.raises(ModelError):
            wrong.save(tmp_path / "wrong.safetensors")
    assert not (tmp_path / "wrong.safetensors").exists()


@pytest.mark.parametrize(("total", "way"), [(8, "force=True"), (1, "no setting makes it fit")])
def test_an_input_that_needs_more_memory_than_is_free_is_refused(
    model: Model, path: Path, monkeypatch: pytest.MonkeyPatch, total: int, way: str
) -> None:
    """32 maps of 8000x8000 in float32 are 8 GB; only then is a byte of it allocated."""
    monkeypatch.setattr("hubel.ram.free_memory", lambda: 1 << 29)
    monkeypatch.setattr("hubel.ram.total_memory", lambda: total << 32)
    preprocessing = replace(model.preprocessing, height=8000, width=8000).to_json()
    rewritten(
        path,
        notation="conv(32, 3) >> globalavgpool >> fc(3)",
        input="8000x8000x3",
        preprocessing=preprocessing,
    )
    with pytest.raises(ModelError, match=f"GB for its parameters and the activations.*{way}"):
        load(path)
    with pytest.raises(ModelError, match="for conv1.weight" if total > 1 else "no setting makes it fit"):
        load(path, force=True)


def test_a_network_without_weights_is_a_model_too(tmp_path: Path) -> None:
    made = Model(build(parse("relu"), "1x1x3", scores=True), CLASSES, Preprocessing.of("1x1x3"))
    made.save(tmp_path / "m.safetensors")
    (found,) = load(tmp_path / "m.safetensors").probabilities_of(np.full((1, 1, 1, 3), 255, np.uint8))
    assert found.tolist() == pytest.approx([1 / 3] * 3)


def test_views_that_do_not_fit_the_input_are_refused(tmp_path: Path) -> None:
    network = build(parse("fc(3)"), "1x5x3", scores=True)
    Model(network, CLASSES, Preprocessing.of("1x5x3"), views="mirror-shift").save(tmp_path / "m.safetensors")
    with pytest.raises(ModelError, match="mirror-shift need 2 pixels"):
        load(tmp_path / "m.safetensors")


def test_a_class_name_that_no_file_can_hold_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        replace(model, classes=("a", "\ud800", "b")).save(tmp_path / "m.safetensors")
    replace(model, classes=("a", "\udcff", "b")).save(tmp_path / "m.safetensors")  # a folder's, not Unicode


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime", "torch-fused"])
def test_an_engine_is_made_anew_however_weights_are_changed(model: Model, engine: str) -> None:
    seen = image(1)
    weight = next(iter(model.network.parameters()))
    for change in (
        lambda: weight.data.mul_(-3),
        lambda: weight.detach().numpy().fill(0.1),
        weight.data[2].zero_,
    ):
        model.predict(seen, engine=engine)
        change()
        wanted = dict(model.predict(seen, engine="torch").classes)
        assert dict(model.predict(seen, engine=engine).classes) == pytest.approx(wanted, abs=1e-5)
