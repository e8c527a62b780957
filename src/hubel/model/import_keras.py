"""A network of Keras becomes a model: how `keras.applications` takes images, told by its networks' names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hubel.errors import UsageError
from hubel.model.import_network import ImportedNetwork, Statistics, import_network
from hubel.model.import_weights import CAFFE, PREPROCESSINGS, fitted, preprocessing_named

if TYPE_CHECKING:
    from hubel.foreign.found import Found

TAKES = {
    r"resnet(50|101|152)|vgg(16|19)": CAFFE,
    r"mobilenet(v2)?_\d\.\d+_\w+|resnet(50|101|152)v2|xception|inception_v3|inception_resnet_v2": "keras_tf",
    r"densenet(121|169|201)|efficientnetb\d": "keras_torch",
}
"""Names of networks, and how their weights take images. Source: Keras 3.15, `preprocess_input` of each."""


def keras_network(
    found: Found,
    *,
    preprocessing: str | None = None,
    statistics: Statistics | None = None,
    classes: Sequence[str] | None = None,
    source: str = "",
) -> ImportedNetwork:
    """Makes a model of a network of Keras that was read; see `import_network`.

    Where neither the file nor an argument says how images are prepared, the name of the network, or of one
    within it, does.
    """
    remarks: tuple[str, ...] = ()
    if preprocessing is None and statistics is None and not found.entry.known:
        preprocessing, name = _told(found.names)
        if preprocessing is not None:
            remarks = (
                f"it has keras.applications' {name}, whose weights take images as --preprocessing "
                f"{preprocessing}: assumed, unless that, or --mean and --std, give another way",
            )
    elif found.entry.known and preprocessing is not None:
        raise UsageError("the file itself says how images are prepared; leave --preprocessing out")
    prepared = fitted(preprocessing_named(preprocessing), found.volume) if preprocessing else None
    if preprocessing == CAFFE and found.volume.depth == len(PREPROCESSINGS[CAFFE].mean):
        found = replace(found, entry=replace(found.entry, bgr=True))
        remarks += ("its first filters are turned from blue, green, red to red, green, blue",)
    imported = import_network(
        found, preprocessing=prepared, statistics=statistics, classes=classes, source=source
    )
    return replace(imported, remarks=(*imported.remarks, *remarks))


def _told(names: Sequence[str]) -> tuple[str | None, str]:
    """How the weights of a network take images, and its name; None where no name is known."""
    for name in names:
        for pattern, known in TAKES.items():
            if re.fullmatch(pattern, name):
                return known, name
    return None, ""
