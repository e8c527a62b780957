"""Compares hubel's reader of Keras' files with Keras itself, and writes the small models that the tests read.

    KERAS_BACKEND=torch python -m scripts.keras_models fixtures tests/foreign/keras.zip
    KERAS_BACKEND=torch python -m scripts.keras_models applications [NAME ...]

It needs Keras, h5py and PyTorch. Weights are random, statistics of batch normalisation included, so that
every one counts. `applications` makes the networks of `keras.applications` at 224x224 with 1,000 classes,
each as `.keras`, `.h5` and as weights alone, imports these files, and prints the largest difference of the
logits as a share of the largest logit.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from keras import layers

import hubel
from hubel.model.file import Model

RNG = np.random.default_rng(7)

NAMES = {
    "ResNet50": ("resnet50", "resnet"),
    "VGG16": ("vgg16", "vgg16"),
    "VGG19": ("vgg19", "vgg19"),
    "MobileNet": ("mobilenet_v1", "mobilenet"),
    "MobileNetV2": ("mobilenet_v2", "mobilenet_v2"),
    "EfficientNetB0": ("efficientnet_b0", "efficientnet"),
    "DenseNet121": ("densenet121", "densenet"),
    "DenseNet169": ("densenet169", "densenet"),
    "DenseNet201": ("densenet201", "densenet"),
}
"""For Keras' function of each network, its name in the zoo and the module of its `preprocess_input`."""


def main() -> None:
    """Does what the command line says."""
    what, *given = sys.argv[1:]
    if what == "fixtures":
        with tempfile.TemporaryDirectory() as folder:
            for make in (layered, sequential, nested):
                keras.backend.clear_session()
                write(Path(folder), make())
            Path(folder, "applications.json").write_text(json.dumps(configurations()))
            with zipfile.ZipFile(given[0], "w", zipfile.ZIP_LZMA) as archive:
                for path in sorted(Path(folder).iterdir()):
                    archive.write(path, path.name)
    else:
        print(f"Keras {keras.__version__}, torch {torch.__version__}, 224x224, 1,000 classes")
        for name in given or NAMES:
            compare(name)


def randomise(model: Any) -> None:
    """Gives a model random weights that keep values of usual size."""
    found: list[Any] = []
    for variable in model.weights:
        shape, name = tuple(variable.shape), variable.path.rpartition("/")[2]
        if name in ("moving_variance", "variance", "gamma"):
            found.append(RNG.uniform(0.6, 1.4, shape))
        elif len(shape) > 1:
            seen = shape[:2] if shape[-1] < 3 else shape[:-1]  # of a depthwise kernel, one map
            found.append(RNG.normal(0, np.sqrt(2 / np.prod(seen)), shape))
        else:
            found.append(RNG.normal(0, 0.1, shape) if shape else np.zeros(shape))
    model.set_weights(found)


def layered() -> Any:
    """A model with nearly every layer that is read."""
    images = keras.Input((19, 16, 3), name="images")
    x = layers.Rescaling(1 / 64, offset=-1.5)(images)
    x = layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[0.5, 1.0, 1.5])(x)
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(x)
    x = layers.Conv2D(8, 3, strides=2, name="stem")(x)
    x = layers.BatchNormalization(epsilon=1.001e-5)(x)
    x = layers.ReLU(6.0)(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=1)(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, use_bias=False)(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.LeakyReLU(0.1)(x)
    says = layers.GlobalAveragePooling2D(keepdims=True)(x)
    says = layers.Conv2D(4, 1, activation="silu")(says)
    x = layers.Multiply()([x, layers.Conv2D(16, 1, activation="sigmoid")(says)])
    x = layers.Add()([x, layers.SeparableConv2D(16, 5, padding="same", activation="elu")(x)])
    x = layers.PReLU(shared_axes=[1, 2])(x)
    aside = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    x = layers.Conv2D(8, 3, padding="same", dilation_rate=2, groups=2, activation="tanh")(x)
    x = layers.Concatenate()([x, layers.SpatialDropout2D(0.2)(aside)])
    x = layers.AveragePooling2D(2, strides=1)(x)
    x = layers.Activation("swish")(x)
    x = layers.ELU(0.5)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Reshape((1, 1, 24))(x)
    x = layers.Conv2D(6, 1)(x)
    x = layers.Flatten()(layers.Dropout(0.1)(x))
    return keras.Model(images, layers.Dense(5)(x), name="layered")


def sequential() -> Any:
    """The usual small network, of grey images that are higher than wide: the order of flat values counts."""
    return keras.Sequential(
        [
            keras.Input((12, 9, 1)),
            layers.Conv2D(4, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(6, (3, 2), activation="leaky_relu"),
            layers.Flatten(),
            layers.Dense(7, activation="relu6"),
            layers.Dense(4),
        ],
        name="sequential",
    )


def nested() -> Any:
    """A frozen model within another, after what `preprocess_input` does."""
    inner_input = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inner_input)
    x = layers.GroupNormalization(4)(x)
    x = layers.Activation("gelu")(x)
    x = layers.UpSampling2D(2)(x)
    x = layers.LayerNormalization()(layers.Dense(8, activation="hard_sigmoid")(x))
    inner = keras.Model(inner_input, layers.Concatenate()([x, x]), name="inner")
    inner.trainable = False
    images = keras.Input((8, 8, 3))
    y = keras.Sequential([layers.Conv2D(4, 1), layers.BatchNormalization(center=False)], name="mix")(
        inner(images / 127.5 - 1.0)
    )
    y = layers.GlobalMaxPooling2D()(layers.Softmax()(y))
    return keras.Model(images, layers.Dense(3)(y), name="nested")


def write(folder: Path, model: Any) -> None:
    """Writes a model in each of Keras' forms, and its scores of random images."""
    randomise(model)
    images = RNG.integers(0, 256, (3, *model.input_shape[1:]), np.uint8)
    path = folder / model.name
    model.save(path.with_suffix(".keras"))
    model.save(path.with_suffix(".h5"))
    model.save_weights(path.with_suffix(".weights.h5"))
    path.with_suffix(".json").write_text(model.to_json())
    scores = model.predict(images.astype(np.float32), verbose=0)
    np.savez(path.with_suffix(".npz"), images=images, scores=scores)


def configurations() -> dict[str, Any]:
    """For each network: its configuration, its number of trained parameters, and its arrays in order."""
    found: dict[str, Any] = {}
    for name, (ours, _) in NAMES.items():
        keras.backend.clear_session()
        model = getattr(keras.applications, name)(weights=None)
        arrays = [
            (layer.name, variable.name, list(variable.shape))
            for layer in model.layers
            for variable in (*layer.trainable_weights, *layer.non_trainable_weights)
        ]
        trained = sum(int(np.prod(each.shape)) for each in model.trainable_weights)
        found[ours] = {"config": json.loads(model.to_json()), "trained": trained, "arrays": arrays}
    return found


def compare(name: str) -> None:
    """Compares a network of `keras.applications` in each form of its files, and prints the differences."""
    keras.backend.clear_session()
    ours, module = NAMES[name]
    model = getattr(keras.applications, name)(weights=None, classifier_activation=None)
    randomise(model)
    images = RNG.integers(0, 256, (2, 224, 224, 3), np.uint8)
    prepared = getattr(keras.applications, module).preprocess_input(images.astype(np.float32))
    theirs = model.predict(prepared, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        for end in (".keras", ".h5", ".weights.h5"):
            file, out = Path(folder, f"model{end}"), Path(folder, f"{end[1:]}.safetensors")
            alone = end == ".weights.h5"
            model.save_weights(file) if alone else model.save(file)
            found = hubel.import_model(file, net=ours if alone else None, out=out).model
            difference = np.abs(scores(found, images) - theirs).max() / np.abs(theirs).max()
            print(f"{name:15}{end:12} {difference:.1e}", flush=True)
            file.unlink()
            out.unlink()


def scores(model: Model, images: Any) -> Any:
    """Returns hubel's logits of images of the input's size."""
    with torch.inference_mode():
        return model.network(model.preprocessing.normalise(torch.from_numpy(images))).numpy()


if __name__ == "__main__":
    main()
