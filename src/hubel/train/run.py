"""The folder of a run: what it keeps, when, and how a run goes on from it.

    config.toml        reruns the run
    metrics.jsonl      a line an epoch
    best.safetensors   the model of the best epoch
    last/              the state of the last epoch, and of the one before, from which the run resumes
    errors.csv         what the best model gets wrong, and report.html, both written at the end

A folder that holds something already is never written over.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from hubel.errors import TrainingError, UsageError
from hubel.files import write_whole
from hubel.ship.model import Model
from hubel.train.config import Config
from hubel.train.loop import EpochDone, Event, Trainer
from hubel.train.setting import Setting, fingerprint

BEST = "best.safetensors"
CONFIG = "config.toml"
METRICS = "metrics.jsonl"
STATE = Path("last", "state.safetensors")
PREVIOUS = Path("last", "previous.safetensors")


@dataclass(frozen=True, slots=True)
class Run:
    """A run's folder; `made` says whether the run made it, or was given it empty."""

    folder: Path
    made: bool = False

    @classmethod
    def create(cls, folder: Path | None, data: str, net: str) -> Run:
        """Makes the folder: `folder`, or the first free `runs/DATA-NET-N`.

        Raises UsageError: there is something in it already, or it cannot be made.
        """
        try:
            if folder is not None:
                made = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
                if any(folder.iterdir()):
                    raise UsageError(f"{folder} is not empty, and a run is never written over; name another")
                return cls(folder, made)
            for number in count(1):
                place = Path("runs", f"{_slug(data)}-{_slug(net)}-{number}")
                if not place.exists():
                    place.mkdir(parents=True)
                    return cls(place, made=True)
        except OSError as error:
            raise UsageError(f"no run can be kept in {folder or 'runs'}: {error.strerror}") from None
        raise AssertionError("count() never ends")

    @property
    def best(self) -> Path:
        """The file of the best model."""
        return self.folder / BEST

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of the finished epochs, first to last. Raises TrainingError: they are damaged."""
        path = self.folder / METRICS
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        try:
            return [json.loads(line) for line in lines]
        except ValueError as error:
            raise TrainingError(f"{path} is damaged ({error}); train anew with --config") from None

    def begin(self, config: Config) -> None:
        """Writes what reruns the run."""
        write_whole(self.folder / CONFIG, config.to_toml())

    def follow(self, setting: Setting, trainer: Trainer) -> Iterator[Event]:
        """Trains to the end and passes every event on; an epoch is kept before it is passed on."""
        for event in trainer.run(setting.train, setting.val):
            if isinstance(event, EpochDone):
                self._keep(event, trainer, setting)
            yield event

    def _keep(self, event: EpochDone, trainer: Trainer, setting: Setting) -> None:
        """Keeps an epoch: the model if it is the best so far, its line, the state to resume from."""
        line = epoch_line(event)
        if event.best:
            config = trainer.config
            summary = {
                "data": config.data,
                "val": config.val,
                "seed": config.seed,
                "trained_on": fingerprint(setting.train.decoded.names),
                **line,
            }
            model = Model(setting.network, setting.data.classes, setting.preprocessing, summary)
            model.save(self.best)
        lines = [json.dumps(line) for line in (*self.metrics()[: event.epoch - 1], line)]
        write_whole(self.folder / METRICS, "\n".join(lines) + "\n")
        self._save_state(trainer)

    def discard_unfinished(self) -> None:
        """Takes back what a run wrote that has no finished epoch; a folder that was there before stays."""
        if (self.folder / METRICS).exists():
            return
        for name in (CONFIG, BEST, STATE, PREVIOUS):
            (self.folder / name).unlink(missing_ok=True)
        if (self.folder / STATE).parent.is_dir():
            (self.folder / STATE).parent.rmdir()
        if self.made:
            self.folder.rmdir()

    def config(self) -> Config:
        """The run's config. Raises UsageError: the folder is no run's."""
        if not (self.folder / CONFIG).is_file():
            raise UsageError(f"{self.folder} is no run: it has no {CONFIG}")
        return Config.from_toml(self.folder / CONFIG)

    def restore(self, trainer: Trainer) -> None:
        """Brings a trainer to the last state that was kept whole.

        Raises TrainingError: there is none, or it is of another network.
        """
        for path in (self.folder / STATE, self.folder / PREVIOUS):
            if (found := _read_state(path)) is not None:
                tensors, progress = found
                break
        else:
            raise TrainingError(f"{self.folder} has no state to go on from; train anew with --config")
        weights = {name.removeprefix("network."): t for name, t in tensors.items() if name[:8] == "network."}
        for name, value in trainer.network.state_dict().items():
            if name not in weights or weights[name].shape != value.shape:
                raise TrainingError(f"{self.folder}: its {CONFIG} names another network: {name} does not fit")
        trainer.network.load_state_dict(weights)
        for name, parameter in trainer.network.named_parameters():
            if f"momentum.{name}" in tensors:  # in the parameter's own layout, which the optimizer relies on
                momentum = torch.empty_like(parameter).copy_(tensors[f"momentum.{name}"])
                trainer.optimizer.state[parameter]["momentum_buffer"] = momentum
        trainer.epoch, trainer.seconds, trainer.best = (
            progress[name] for name in ("epoch", "seconds", "best")
        )

    def _save_state(self, trainer: Trainer) -> None:
        """Writes all that changes in training; the state before stays as `previous`."""
        tensors = {f"network.{name}": value for name, value in trainer.network.state_dict().items()}
        for name, parameter in trainer.network.named_parameters():
            momentum = trainer.optimizer.state.get(parameter, {}).get("momentum_buffer")
            if momentum is not None:
                tensors[f"momentum.{name}"] = momentum
        tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
        progress = {"epoch": trainer.epoch, "seconds": trainer.seconds, "best": trainer.best}
        metadata = {"progress": json.dumps(progress)}
        metadata["sha256"] = _digest(tensors, metadata["progress"])
        state = self.folder / STATE
        state.parent.mkdir(exist_ok=True)
        if _read_state(state) is not None:
            state.replace(self.folder / PREVIOUS)
        write_whole(state, safetensors.torch.save(tensors, metadata))


def epoch_line(event: EpochDone) -> dict[str, Any]:
    """What `metrics.jsonl` keeps of an epoch."""
    return {
        "epoch": event.epoch,
        "lr": event.lr,
        "train_loss": event.train_loss,
        "train_top1": event.train_top1,
        "val_loss": event.val.loss,
        "val_top1": event.val.top1,
        "seconds": round(event.seconds, 3),
        "best": event.best,
    }


def _read_state(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The tensors and the progress of a state's file, None where it is missing or damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        whole = metadata["sha256"] == _digest(tensors, metadata["progress"])
        return (tensors, json.loads(metadata["progress"])) if whole else None
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None


def _digest(tensors: dict[str, Tensor], progress: str) -> str:
    """The checksum of named tensors and the text of the progress."""
    digest = hashlib.sha256(progress.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def _slug(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.").lower() or "net"
