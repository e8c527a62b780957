"""The zoo: the lecture's networks as their papers publish them, and hubel's own.

Every network of the registry `ZOO` is a function here, such as `hubel.zoo.resnet18(classes=5)`; its page is
imported when it is first used. `find` returns the network of a text such as `"resnet18(classes=5)"`.
"""

# ruff: noqa: F403 - type checkers take names and signatures from the pages

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hubel.errors import nearest
from hubel.net.algebra import Net
from hubel.zoo.entry import Entry as Entry
from hubel.zoo.input import check_input as check_input
from hubel.zoo.input import smallest_input as smallest_input
from hubel.zoo.lookup import at as at
from hubel.zoo.lookup import find as find
from hubel.zoo.lookup import known as known
from hubel.zoo.registry import ZOO as ZOO

if TYPE_CHECKING:
    from hubel.zoo.pages.alexnet import *
    from hubel.zoo.pages.allcnn import *
    from hubel.zoo.pages.convnext import *
    from hubel.zoo.pages.densenet import *
    from hubel.zoo.pages.efficientnet import *
    from hubel.zoo.pages.fast import *
    from hubel.zoo.pages.googlenet import *
    from hubel.zoo.pages.inception import *
    from hubel.zoo.pages.lecture import *
    from hubel.zoo.pages.lenet import *
    from hubel.zoo.pages.mobilenet import *
    from hubel.zoo.pages.nin import *
    from hubel.zoo.pages.regnet import *
    from hubel.zoo.pages.resnet import *
    from hubel.zoo.pages.resnext import *
    from hubel.zoo.pages.senet import *
    from hubel.zoo.pages.shufflenet import *
    from hubel.zoo.pages.squeezenet import *
    from hubel.zoo.pages.vgg import *
    from hubel.zoo.pages.zfnet import *
else:
    __all__ = ["ZOO", "Entry", "at", "check_input", "find", "known", "smallest_input"]
    __all__.extend(ZOO)

    def __getattr__(name: str) -> Callable[..., Net]:
        if name in ZOO:
            return ZOO[name].make
        raise AttributeError(f"module 'hubel.zoo' has no attribute {name!r}{nearest(name, ZOO)}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *ZOO})
