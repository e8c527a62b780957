"""The network of a text such as `resnet34(shortcut="A")`."""

from __future__ import annotations

import ast
import inspect
import warnings
from typing import TypeAlias

from hubel.errors import NotationError, nearest
from hubel.net.algebra import Net
from hubel.net.volume import Volume, VolumeLike
from hubel.zoo.input import check_input
from hubel.zoo.registry import ZOO

Literal: TypeAlias = int | str | bool


def known(text: str) -> bool:
    """Whether a text begins with the name of a network of the zoo."""
    return text.partition("(")[0].strip() in ZOO


def find(text: str, classes: int | None = None, volume: Volume | None = None) -> tuple[Net, Volume]:
    """Returns a network of the zoo and the input it was published for.

    `text` is a name, such as `vgg16`, or a call with literal arguments, such as `resnet18(classes=10)`.
    Nothing is evaluated. `classes` is the number of classes if the text does not give one. Networks that
    depend on their input take its depth and shorter side from `volume`.

    Raises NotationError: there is no such network, or it does not take these arguments.
    """
    name, values, words = _call(text)
    if name not in ZOO:
        raise NotationError(f"the zoo has no {name}{nearest(name, ZOO) or '; `hubel zoo` lists what it has'}")
    entry = ZOO[name]
    parameters = inspect.signature(entry.make).parameters
    given = dict(zip(parameters, values, strict=False)) | words
    if len(values) > len(parameters) or len(given) < len(values) + len(words):
        raise NotationError(f"{name} takes each of its arguments once: {', '.join(parameters)}")
    for word, value in given.items():
        if word not in parameters:
            hint = nearest(word, parameters)
            raise NotationError(f"{name} takes {', '.join(parameters)}, no {word}{hint}")
        usual = parameters[word].default
        if type(value) is not type(usual):
            raise NotationError(f"{name}: {word} is written like {usual!r}, not {value!r}")
    if classes is not None:
        given.setdefault("classes", classes)
    if volume is not None:
        for word, value in (("depth", volume.depth), ("side", min(volume.plane))):
            if word in parameters:
                given.setdefault(word, value)
    return entry.make(**given), entry.input


def at(text: str, volume: VolumeLike | None = None) -> tuple[Net, Volume]:
    """Returns a network of the zoo and its input: `volume`, or the one it was published for.

    Raises NotationError: as `find`. Raises UnfitError: `volume` does not fit; where it is too small, the
    error names the smallest square input that fits.
    """
    wanted = None if volume is None else Volume.of(volume)
    net, published = find(text, volume=wanted)
    return net, published if wanted is None else check_input(net, wanted)


def _call(text: str) -> tuple[str, list[Literal], dict[str, Literal]]:
    """Returns the name, the positional arguments and the keyword arguments of a text.

    Raises NotationError: the text is neither a name nor a call with literals.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text.strip(), mode="eval").body
        match tree:
            case ast.Name(id=name):
                return name, [], {}
            case ast.Call(func=ast.Name(id=name), args=values, keywords=words):
                named = {word.arg: ast.literal_eval(word.value) for word in words if word.arg}
                if len(named) == len(words):
                    return name, [ast.literal_eval(value) for value in values], named
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        pass
    raise NotationError(
        f'a network of the zoo is written vgg16, or resnet34(classes=10, shortcut="A"), and stands alone; '
        f"not {text!r}"
    )
