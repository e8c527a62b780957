"""What a service is asked for: its engine, its limits, who may ask."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from importlib.util import find_spec

from hubel.cores import allowed_cores
from hubel.engines.engine import AUTO, check_engine
from hubel.errors import UsageError

LEAST = {"batch": 1, "queue": 1, "max_images": 1, "max_mb": 0, "max_megapixels": 0, "decodes": 1}
LEAST |= {"timeout": 0, "grace": 0}
"""What each number must not be below; a size and a time must be above 0."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a service; `hubel serve` has an option of the same name for each.

    `engine` runs every model, as for `hubel.predict`. A batch has at most `batch` images; at most `queue`
    images of a model wait. A request has at most `max_images` images in at most `max_mb` MB (10^6 bytes), an
    image at most `max_megapixels` million pixels; `decodes` images are decoded at once, by default one per
    core. A request is given up after `timeout` seconds; when the service is told to end, it waits at most
    `grace` seconds for the requests that it accepted. With a `token`, whoever asks must bring it. Pages of
    the addresses in `origin` may ask from a browser (CORS); no others. With `explore` the page that explores
    the models is at `/`; it computes by PyTorch. `allow_code` and `force` are as for `hubel.load`.

    Raises UsageError: a number out of range, an engine that is not installed, an empty token, or a page that
    explores without PyTorch.
    """

    engine: str = AUTO
    batch: int = 8
    queue: int = 128
    max_images: int = 64
    max_mb: float = 32.0
    max_megapixels: float = 50.0
    decodes: int | None = None
    timeout: float = 30.0
    grace: float = 30.0
    token: str | None = field(default=None, repr=False)
    origin: tuple[str, ...] = ()
    explore: bool = True
    allow_code: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        check_engine(self.engine)
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is None:
                continue
            if not (math.isfinite(value) and value >= least and value > 0):
                wanted = f"at least {least}" if least else "a number above 0"
                raise UsageError(f"{name} is {wanted}, not {value}")
        if self.explore and find_spec("torch") is None:
            raise UsageError(
                "the page that explores the models computes by PyTorch, which is not installed: leave the "
                "page out with --no-explore, explore=False in Python"
            )
        if self.token is not None and not self.token.strip():
            raise UsageError("the token is empty; give one of some length, or none")

    @property
    def max_bytes(self) -> int:
        """The most bytes of a request."""
        return round(self.max_mb * 1e6)

    @property
    def max_pixels(self) -> int:
        """The most pixels of an image."""
        return round(self.max_megapixels * 1e6)

    @property
    def decoders(self) -> int:
        """How many images are decoded at once."""
        return self.decodes or allowed_cores()
