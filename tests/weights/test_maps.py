"""Every map against the names its library prints: each tensor used once, in the library's own order."""

from __future__ import annotations

import pytest

from hubel import load_weights
from hubel.errors import ModelError
from hubel.module.state_dict_maps import LAYOUTS
from tests.weights.fixtures import NETWORKS, flat, network, shapes
from tests.weights.test_modern import PEERS

ORDERED = [
    fixture for fixture in NETWORKS if "googlenet" not in fixture and not fixture.startswith("package")
]
AUX = {"torchvision googlenet without aux": ("aux1", "aux2")}


def test_every_network_with_a_map_is_tested() -> None:
    modern = {facts["network"] for facts in PEERS.values()}
    assert set(NETWORKS.values()) | modern == set(LAYOUTS)


@pytest.mark.parametrize("fixture", NETWORKS)
def test_every_tensor_finds_its_place(fixture: str) -> None:
    state = flat(fixture)
    loaded = load_weights(network(NETWORKS[fixture]).to("meta"), state)
    assert loaded.maker.partition(" ")[0] == {"package": "efficientnet_lite_pytorch"}.get(
        fixture.partition(" ")[0], fixture.partition(" ")[0]
    )
    assert loaded.matched == len(state)
    assert (loaded.head, loaded.left, loaded.summed) == (None, (), "")
    assert loaded.untrained == AUX.get(fixture, ())


@pytest.mark.parametrize("fixture", ORDERED)
def test_the_order_is_the_librarys(fixture: str) -> None:
    """Both list the layers in the order they run, so a map that crosses two of a shape would show."""
    theirs = list(dict.fromkeys(name.rpartition(".")[0] for name in shapes(fixture)))
    module = network(NETWORKS[fixture]).to("meta")
    ours = list(dict.fromkeys(name.rpartition(".")[0] for name in module.state_dict()))
    maker = fixture.partition(" ")[0]
    [layout] = [each for each in LAYOUTS[NETWORKS[fixture]] if maker in each.maker.split(" or ")]
    paths = layout.paths()
    assert [paths[path] for path in ours] == theirs


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_map_has_every_layer_once(name: str) -> None:
    learning = {each.rpartition(".")[0] for each in network(name).to("meta").state_dict()}
    for layout in LAYOUTS[name]:
        paths = layout.paths()
        assert set(paths) == learning
        assert len(set(paths.values())) == len(paths)


@pytest.mark.parametrize("fixture", NETWORKS)
def test_the_weights_fit_no_other_network_with_a_map(fixture: str) -> None:
    state = flat(fixture)
    for name in ("alexnet_owt", "vgg11", "vgg11_bn", "googlenet_bn", "resnet18", "resnet50_v1_5"):
        if name != NETWORKS[fixture]:
            with pytest.raises(ModelError):
                load_weights(network(name).to("meta"), state)


@pytest.mark.parametrize("name", ["resnet50", "resnet101", "resnet152"])
def test_the_papers_resnets_refuse_weights_of_v1_5(name: str) -> None:
    """All names and shapes would fit; the stride is elsewhere, and the scores would be wrong."""
    with pytest.raises(ModelError, match=rf"This network takes none but its own weights.*{name}_v1_5"):
        load_weights(network(name).to("meta"), flat(f"torchvision {name}"))
