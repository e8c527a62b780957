"""A Caffe network as steps: the text alone, or with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hubel.errors import NetworkError, UsageError
from hubel.foreign.builder import Builder, NoLayerError
from hubel.foreign.caffe.file import CaffeLayer, read_caffemodel, read_prototxt
from hubel.foreign.caffe.layers import READERS, CaffeReading
from hubel.foreign.found import Entry, Found
from hubel.foreign.value import Value
from hubel.net.trace import INPUT, UnreadError
from hubel.net.volume import Volume

SOURCES = ("Input", "Data", "ImageData", "HDF5Data", "WindowData", "MemoryData", "DummyData")
"""Types of layers that give images."""

WITHOUT = ("Accuracy", "Silence", "ArgMax", "HDF5Output")
"""Types of layers that a network's scores do not need."""

MEANS = (122.6789, 116.6687, 104.0069)
"""The means of ImageNet's pixels, red, green and blue, that Caffe's own networks subtract.

Source: Caffe, python/caffe/imagenet/ilsvrc_2012_mean.npy, over all places.
"""

WHITE = 255.0


def read_caffe(path: Path, weights: Path | None = None, volume: Volume | None = None) -> Found:
    """Reads the network of a .prototxt, with the weights of a .caffemodel if one is given.

    Colours are in the order blue, green, red. Raises UnreadError: a layer is none of hubel's; its `steps` are
    those before. Raises UsageError: the text leaves the input's size open and no volume is given. Raises
    ModelError: a file cannot be read.
    """
    net, layers = read_prototxt(path)
    arrays = None if weights is None else read_caffemodel(weights)
    names, seen, transform = _input(path, net, layers, volume)
    reading = CaffeReading(Builder(seen), arrays)
    start = Value.of(INPUT, seen)
    entry = _entry(seen, transform)
    reading.builder.entry = entry
    for name in names:
        reading.values[name] = Value(start.path, start.volume, start.axes, entry=entry)
    end = ""
    for layer in layers:
        if layer.type in SOURCES or layer.type in WITHOUT:
            continue
        try:
            if layer.type not in READERS:
                raise NoLayerError(f"there is no layer for {layer.type}")
            value = READERS[layer.type](reading, layer)
        except (NoLayerError, NetworkError) as error:
            steps = tuple(reading.builder.steps.values())
            raise UnreadError(f"{path}: layer {layer} is no layer of hubel: {error}", steps) from None
        reading.values |= dict.fromkeys(layer.tops or (layer.name,), value)
        end = (layer.tops or (layer.name,))[0]
    reading.builder.entry = reading.builder.entry or entry
    return reading.builder.found(reading.values[end])


def _entry(volume: Volume, transform: Any) -> Entry:
    """What is done to pixels: means are subtracted from bytes, blue first; then they are scaled."""
    depth = volume.depth
    colour = depth == 3
    means = MEANS if colour else (float(np.mean(MEANS)),) * depth
    usual = tuple(value / WHITE for value in means), 1 / WHITE
    if transform is None or not (transform.mean_value or transform.HasField("scale")):
        return Entry(np.ones(depth), np.zeros(depth), bgr=colour, usual=usual)
    scale = transform.scale if transform.HasField("scale") else 1.0
    mean = np.broadcast_to(np.array(transform.mean_value or [0.0], np.float64), depth)
    return Entry(scale * np.ones(depth), -scale * mean, bgr=colour, known=True)


def _input(
    path: Path, net: Any, layers: list[CaffeLayer], volume: Volume | None
) -> tuple[tuple[str, ...], Volume, Any]:
    """The names of the images, their volume, and what a layer that reads them does to them.

    Raises UsageError: the text leaves their size open and no volume is given, or states another.
    """
    source = next((layer for layer in layers if layer.type in SOURCES), None)
    shape: list[int] = []
    transform = None
    names = tuple(net.input[:1])
    if source is not None:
        names = source.tops[:1]
        transform = source.message.transform_param
        if source.type == "Input":
            shape = list(source.of("input").shape[0].dim) if source.of("input").shape else []
        elif transform.crop_size:
            shape = [1, 3, transform.crop_size, transform.crop_size]
    elif net.input_shape:
        shape = list(net.input_shape[0].dim)
    elif net.input_dim:
        shape = list(net.input_dim[:4])
    said = Volume(shape[2], shape[3], shape[1]) if len(shape) == 4 else None
    if said is None and volume is None:
        raise UsageError(f"{path} does not state the size of its images; give it, --input 224x224x3")
    found = volume or said
    assert found is not None
    return names, found, transform
