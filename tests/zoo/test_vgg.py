"""VGG: its variants compared, and its memory by each accounting."""

from __future__ import annotations

import pytest

from hubel import zoo
from hubel.net.ledger import ledger
from hubel.net.norms import BatchNorm
from hubel.net.volume import Volume
from tests.zoo.papers import measured


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16_1x1", "vgg16", "vgg19"])
def test_batch_normalisation_is_all_that_it_adds(name: str) -> None:
    rows = measured(f"{name}_bn").rows
    kept = [row for row in rows if not isinstance(row.layer, BatchNorm)]
    assert [(row.path, row.layer, row.output) for row in kept] == [
        (row.path, row.layer, row.output) for row in measured(name).rows
    ]
    convs = [row.path for row in rows if row.path.startswith("conv")]
    norms = [row.path for row in rows if isinstance(row.layer, BatchNorm)]
    assert norms == [path.replace("conv", "batchnorm") for path in convs]


def test_dense_evaluation_has_the_same_weights_and_averages_a_map_of_scores() -> None:
    def weights(name: str) -> list[tuple[str, int]]:
        return [(row.path, row.params) for row in measured(name).rows if row.params]

    assert weights("vgg16_dense") == weights("vgg16")
    rows = {row.path: row for row in ledger(zoo.vgg16_dense(), "256x384x3").rows}
    assert rows["fc8"].output == Volume(2, 6, 1000)
    assert rows["globalavgpool1"].output == Volume(1, 1, 1000)


def test_the_adaptive_pooling_is_the_identity_at_224() -> None:
    (row,) = (row for row in measured("vgg16").rows if row.path == "adaptiveavgpool1")
    assert row.input == row.output
    assert row.values == 0


def test_fully_connected_layers_hold_89_percent_of_the_parameters() -> None:
    """Stanford CS231n, on VGG-16: "most params are in late FC"; 123,642,856 of 138,357,544."""
    assert sum(row.params for row in measured("vgg16").rows if row.path.startswith("fc")) == 123_642_856
