"""Checkpoints: everything that changes in training, in one file, from which a run resumes.

The previous file stays beside it: where the last was not written completely, the run resumes from that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hubel.errors import TrainingError
from hubel.files import bring_to_disk, parse_json, write_draft
from hubel.training.step.hardest import Hardest
from hubel.training.step.stepper import Stepper
from hubel.training.trainer import Trainer

STATE = Path("last", "state.safetensors")
PREVIOUS = Path("last", "previous.safetensors")
"""Their places in a run's folder."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A trainer's `tensors` by name, and in `progress` everything else that changes.

    `is_previous` says that it is the one before the last, which is damaged or missing.
    """

    tensors: dict[str, Tensor]
    progress: dict[str, Any]
    is_previous: bool = False

    @classmethod
    def of(cls, trainer: Trainer, images: str, pixels: str = "") -> Checkpoint:
        """Everything that changes in a trainer.

        `images` is the fingerprint of its training images, `pixels` the digest of all, empty if unknown.
        """
        stepper = trainer.stepper
        tensors = {f"network.{name}": value for name, value in trainer.network.state_dict().items()}
        if stepper.average:
            kept = stepper.average.network.state_dict()
            tensors |= {f"average.{name}": value for name, value in kept.items()}
        if trainer.hardest:
            tensors |= {"hardest.losses": trainer.hardest.losses, "hardest.picked": trainer.hardest.picked}
        for optimizer in stepper.optimizers:
            for parameter, name in _owned(optimizer, trainer.network):
                for key, value in optimizer.state.get(parameter, {}).items():
                    tensors[f"optimizer.{name}.{key}"] = torch.as_tensor(value)
        progress = {
            **trainer.counters(),
            "averaged": stepper.average.steps if stepper.average else 0,
            "images": images,
            "pixels": pixels,
        }
        return cls({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, progress)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint | None:
        """The last intact checkpoint of a run's folder, None where there is none."""
        last = _read(folder / STATE)
        if last is not None:
            return last
        previous = _read(folder / PREVIOUS)
        return None if previous is None else replace(previous, is_previous=True)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a run's folder has a checkpoint, intact or not."""
        return (folder / STATE).exists() or (folder / PREVIOUS).exists()

    def write(self, folder: Path) -> None:
        """Writes it into a run's folder; the previous one stays beside it.

        At every instant one of the two is there and intact: the new one is whole before the last one moves.
        """
        metadata = {"progress": json.dumps(self.progress)}
        metadata["sha256"] = _digest(self.tensors, metadata["progress"])
        state = folder / STATE
        state.parent.mkdir(exist_ok=True)
        draft = write_draft(state, safetensors.torch.save(self.tensors, metadata))
        try:
            if _read(state) is not None:
                state.replace(folder / PREVIOUS)
            draft.replace(state)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        bring_to_disk(state.parent)

    @property
    def images(self) -> str | None:
        """The fingerprint of the training images."""
        return self.progress.get("images")

    def of_other_images(self, images: str, pixels: str) -> bool:
        """Whether it is of images with another fingerprint, or with other pixels where both are known."""
        known = self.progress.get("pixels", "")  # not in checkpoints of earlier versions
        return self.images != images or bool(known and pixels and known != pixels)

    def unfit(self, network: nn.Module) -> str | None:
        """The name of the network's first weight that this has none for, None where all fit."""
        weights = _under("network.", self.tensors)
        for name, value in network.state_dict().items():
            if name not in weights or weights[name].shape != value.shape:
                return name
        return None

    def bring_back(self, trainer: Trainer) -> None:
        """Brings a trainer back to where this was taken.

        Raises TrainingError: the number of training images is another.
        """
        stepper = trainer.stepper
        trainer.network.load_state_dict(_under("network.", self.tensors))
        if stepper.average:
            stepper.average.network.load_state_dict(_under("average.", self.tensors))
            stepper.average.steps = self.progress["averaged"]
        _restore_optimizers(stepper, self.tensors)
        if trainer.hardest:
            _restore_hardest(trainer.hardest, self.tensors)
        trainer.set_counters(self.progress)


def _read(path: Path) -> Checkpoint | None:
    """A checkpoint's file, None where it is missing or damaged."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        whole = metadata["sha256"] == _digest(tensors, metadata["progress"])
        return Checkpoint(tensors, parse_json(metadata["progress"])) if whole else None
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return None


def _restore_hardest(hardest: Hardest, tensors: dict[str, Tensor]) -> None:
    """Brings back how hard images were. Raises TrainingError: the number of images is another."""
    found, wanted = len(tensors["hardest.losses"]), len(hardest.losses)
    if found != wanted:
        raise TrainingError(
            f"the run had {found:,} training images, and now there are {wanted:,}; train again with --config"
        )
    hardest.losses, hardest.picked = tensors["hardest.losses"], tensors["hardest.picked"]


def _restore_optimizers(stepper: Stepper, tensors: dict[str, Tensor]) -> None:
    """Brings back the state of every optimizer."""
    for optimizer in stepper.optimizers:
        for parameter, name in _owned(optimizer, stepper.network):
            for key, value in _under(f"optimizer.{name}.", tensors).items():
                # in the parameter's own layout, which fused optimizers rely on
                like = parameter if value.shape == parameter.shape else value
                optimizer.state[parameter][key] = torch.empty_like(like, device=parameter.device).copy_(value)


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with a prefix, under the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _owned(optimizer: Optimizer, network: nn.Module) -> Iterator[tuple[nn.Parameter, str]]:
    """Yields the parameters that an optimizer moves, with their names."""
    moved = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in network.named_parameters():
        if parameter in moved:
            yield parameter, name


def _digest(tensors: dict[str, Tensor], progress: str) -> str:
    """The checksum of named tensors and the text of the progress."""
    digest = hashlib.sha256(progress.encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
