"""A model of a user's own module: opened again only where its code is handed over or allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import ModelError
from hubel.model.file import Model, load
from hubel.model.header import Header, read_header
from hubel.model.open import open_model
from hubel.module.own import OwnNetwork
from hubel.net.volume import Volume

CODE = """\
from torch import nn
from pathlib import Path

Path(__file__).with_name("executed").touch()

def make_model():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
"""


class Tied(nn.Module):
    """Two layers that share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(192, 192)
        self.second = nn.Linear(192, 192)
        self.second.weight = self.first.weight
        self.head = nn.Linear(192, 2)

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.head(self.second(torch.relu(self.first(images.flatten(1)))))
        return scores


def made(module: nn.Module, maker: str) -> Model:
    return Model(OwnNetwork(module, (8, 8, 3), maker), ("cat", "dog"), Preprocessing.of("8x8x3"))


@pytest.fixture
def model(tmp_path: Path) -> Model:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
    (tmp_path / "model.py").write_text(CODE)
    return made(nn.Sequential(*layers), "model.py:make_model")


PIXELS = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)


def test_the_file_has_the_maker_in_place_of_a_notation(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "own.safetensors")
    header = read_header(tmp_path / "own.safetensors")
    assert (header.maker, header.notation) == ("model.py:make_model", None)
    assert header.volume == Volume(8, 8, 3)
    assert "notation" not in header.to_metadata()
    with pytest.raises(ModelError, match=r"no notation: the code of model.py:make_model makes it"):
        print(header.net)
    assert "network     model.py:make_model" in repr(model)
    assert model.ledger.totals.params == 4 * 27 + 4 + 8 + 144 * 2 + 2


def test_no_code_is_executed_without_being_asked(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    model.save(path)
    with pytest.raises(ModelError, match=r"by the code of model.py:make_model.*=True.*--allow-code"):
        open_model(path)
    assert not (tmp_path / "executed").exists()
    allowed = open_model(path, allow_code=True)
    assert (tmp_path / "executed").exists()
    assert torch.equal(allowed.probabilities(PIXELS), model.probabilities(PIXELS))


def test_the_module_may_be_handed_over(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    model.save(path)
    (tmp_path / "model.py").unlink()

    def fresh() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)
        )

    for module in (fresh, fresh()):
        assert torch.equal(load(path, module).probabilities(PIXELS), model.probabilities(PIXELS))
    with pytest.raises(ModelError, match=r"for 1.weight its network has float32 2x192, the file float32 4$"):
        load(path, nn.Sequential(nn.Flatten(), nn.Linear(192, 2)))
    with pytest.raises(ModelError, match="not a list"):
        load(path, list)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ModelError, match=r"model.py does not exist"):
        load(path, allow_code=True)


def test_a_module_that_does_not_run_on_the_input_is_named_as_the_reason(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "own.safetensors")
    with pytest.raises(ModelError, match=r"the module does not fit .* model\.py:make_model: .*fails on"):
        load(tmp_path / "own.safetensors", module=nn.Linear(7, 2))


def test_weights_that_are_shared_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    model = made(Tied(), f"{__name__}:Tied")
    model.save(path)
    again = load(path, Tied)
    assert torch.equal(again.probabilities(PIXELS), model.probabilities(PIXELS))


def test_a_class_of_an_installed_package_is_imported(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    made(network, "torch.nn:Identity").save(path)
    with pytest.raises(ModelError, match="names 2 classes for 192 scores"):
        load(path, allow_code=True)


def test_a_notation_needs_no_module(tmp_path: Path) -> None:
    from hubel import build, parse

    path = tmp_path / "model.safetensors"
    Model(build(parse("fc(2)"), "8x8x3", scores=True), ("cat", "dog"), Preprocessing.of("8x8x3")).save(path)
    with pytest.raises(ModelError, match="holds its network as a notation; load it without a module"):
        load(path, nn.Identity())


def test_a_header_has_one_of_notation_and_maker() -> None:
    for notation, maker in (("fc(2)", "model.py:make_model"), (None, None)):
        with pytest.raises(ModelError, match="either a notation or a maker"):
            Header(notation, Volume(8, 8, 3), (), "", {}, {}, maker=maker)
