"""The figures of a service in the form of Prometheus; `/metrics` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

if TYPE_CHECKING:
    from hubel.service.exchange import Exchange

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""The bounds of the sizes of batches."""


class Metrics:
    """The figures of one application; each has its own, so that a process may have several."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "hubel_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "hubel_request_seconds", "Time to answer a request.", ["route"], registry=self.registry
        )
        self._images = Counter(
            "hubel_images",
            "Images answered, by model and status.",
            ["model", "status"],
            registry=self.registry,
        )
        self._batches = Histogram(
            "hubel_batch_images", "Images in a batch.", ["model"], buckets=SIZES, registry=self.registry
        )
        self._computed = Histogram(
            "hubel_batch_seconds", "Time to compute a batch.", ["model"], registry=self.registry
        )
        self._waiting = Gauge(
            "hubel_images_accepted",
            "Images accepted and not yet answered.",
            ["model"],
            registry=self.registry,
        )
        self._reloads = Counter(
            "hubel_reloads",
            "Changed files of models, by outcome.",
            ["model", "outcome"],
            registry=self.registry,
        )

        self._tries = Gauge(
            "hubel_reload_tries",
            "Failed tries to open the file of a model as it is now; 0 where it is open.",
            ["model"],
            registry=self.registry,
        )

    def answered(self, exchange: Exchange) -> None:
        """Counts a request. Addresses that do not exist count as one, or anyone could make up new ones."""
        route = getattr(exchange.scope.get("route"), "path", exchange.route)
        self._requests.labels(route, str(exchange.status)).inc()
        self._seconds.labels(route).observe(exchange.seconds)

    def batch(self, model: str, images: int, seconds: float) -> None:
        """Counts a batch."""
        self._batches.labels(model).observe(images)
        self._computed.labels(model).observe(seconds)

    def image(self, model: str, status: int) -> None:
        """Counts an image."""
        self._images.labels(model, str(status)).inc()

    def accepted(self, model: str, images: int) -> None:
        """Sets how many images of a model are accepted and not yet answered."""
        self._waiting.labels(model).set(images)

    def reloaded(self, model: str, tries: int, *, failed: bool) -> None:
        """Counts a changed file that was opened, or a failed try; `tries` are those of this file so far."""
        self._reloads.labels(model, "failed" if failed else "loaded").inc()
        self._tries.labels(model).set(tries)

    def text(self) -> bytes:
        """All figures, in the text format of Prometheus."""
        return generate_latest(self.registry)
