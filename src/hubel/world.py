"""The processes that work together on one thing: which of them this is, and what they tell each other."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from hubel.errors import TrainingError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

LEAST = 2
"""The fewest images of a part: batch normalisation needs two."""

MEET = timedelta(minutes=5)
"""How long processes wait for each other at the start."""

ANSWER = timedelta(minutes=30)
"""How long a process waits for one that does not answer. One that has ended is noticed at once."""

NEEDED = ("RANK", "MASTER_ADDR", "MASTER_PORT")
"""The variables that a launcher sets besides WORLD_SIZE, where that is above 1."""


class LostError(TrainingError):
    """Another of the processes has ended, or does not answer."""


@dataclass(frozen=True, slots=True)
class World:
    """`size` processes of which this is number `rank`; one process alone is `World()`, which needs no torch.

    Every process runs the same program. What is said to be done together is called by all of them, in the
    same order. Only the first process, which `leads`, prints and writes files.
    """

    rank: int = 0
    size: int = 1
    _store: ClassVar[Any] = None

    @classmethod
    def join(cls, environment: Mapping[str, str] = os.environ) -> World:
        """The processes that a launcher such as torchrun has started; this one alone if there are no others.

        They learn of each other by the variables RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT.
        Each takes the GPU of its LOCAL_RANK, if there are GPUs.

        Raises UsageError: a variable is missing or is no number, or there are more processes than GPUs.
        """
        size = _number(environment, "WORLD_SIZE", 1)
        if size == 1:
            return ALONE
        import torch
        import torch.distributed as dist
        from torch.distributed.rendezvous import rendezvous

        if not dist.is_initialized():
            if missing := [name for name in NEEDED if name not in environment]:
                raise UsageError(
                    f"WORLD_SIZE is {size}, but {', '.join(missing)} is not set: start the processes with "
                    "torchrun, or set the variables as it does; for one process unset WORLD_SIZE"
                )
            World._store, rank, size = next(rendezvous("env://", timeout=MEET))
            atexit.register(_leave)  # else the process may end by an abort
            on_gpus = torch.cuda.is_available()
            if on_gpus:
                _take_gpu(_number(environment, "LOCAL_RANK", 0), torch.cuda.device_count())
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
                store=World._store,
                rank=rank,
                world_size=size,
                timeout=ANSWER,
            )
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def part(self, places: Tensor) -> Tensor:
        """This process's part of the images at `places`, one after the other in the order of the processes.

        Fewer than two images for each process all go to every process.
        """
        if self.size == 1 or len(places) < LEAST * self.size:
            return places
        return places.tensor_split(self.size)[self.rank]

    def whole(self, values: Tensor, count: int) -> Tensor:
        """The values of `count` images, from those of each process's `part`; together."""
        if len(values) == count:
            return values
        import torch

        most = -(-count // self.size)
        padded = values.new_zeros((most, *values.shape[1:]), dtype=_sent(values))
        padded[: len(values)] = values
        found = self.gathered(padded)
        lengths = [len(each) for each in torch.empty(count, device="meta").tensor_split(self.size)]
        parts = [found[rank, :length] for rank, length in enumerate(lengths)]
        return torch.cat(parts).to(values.dtype)

    def gathered(self, values: Tensor) -> Tensor:
        """The values of every process, which have one shape: size x that; together."""
        import torch
        import torch.distributed as dist

        found = torch.empty((self.size, *values.shape), dtype=values.dtype, device=values.device)
        dist.all_gather(list(found), values.contiguous())
        return found

    def total(self, values: Tensor) -> Tensor:
        """The sum of the values of all processes, added up in place; together."""
        if self.size > 1:
            import torch.distributed as dist

            dist.all_reduce(values)
        return values

    def added(self, number: float) -> float:
        """The sum of a number of each process; together."""
        if self.size == 1:
            return number
        import torch

        return self.total(torch.tensor(number, dtype=torch.float64)).item()

    def first(self, value: T) -> T:
        """What the first process has: something that can be pickled; together."""
        if self.size == 1:
            return value
        import torch.distributed as dist

        box = [value if self.leads else None]
        dist.broadcast_object_list(box, 0)
        return box[0]  # type: ignore[return-value]  # the first one's is no None unless its value is

    def copy_first(self, values: Iterable[Tensor]) -> None:
        """Gives tensors the values that they have in the first process; together."""
        if self.size > 1:
            import torch.distributed as dist

            for each in values:
                dist.broadcast(each, 0)

    def listed(self, value: T) -> list[T]:
        """What each process has, in their order; together."""
        if self.size == 1:
            return [value]
        import torch.distributed as dist

        box: list[Any] = [None] * self.size
        dist.all_gather_object(box, value)
        return box

    @contextmanager
    def one_first(self, environment: Mapping[str, str] = os.environ) -> Iterator[None]:
        """On every machine one process is in the block before the others, as to fill a cache; together."""
        if self.size == 1:
            yield
            return
        import torch.distributed as dist

        others = _number(environment, "LOCAL_RANK", 0) > 0
        if others:
            dist.barrier()
        yield
        if not others:
            dist.barrier()

    @contextmanager
    def unbroken(self) -> Iterator[None]:
        """Raises LostError where torch's error says that another process cannot be reached."""
        try:
            yield
        except RuntimeError as error:
            if self.size == 1 or not _says_lost(error):
                raise
            raise LostError(
                f"process {self.rank} of {self.size} cannot reach another one, which has ended or does not "
                "answer; the launcher may say why. `hubel resume RUN` continues a run from its last "
                "checkpoint, in any number of processes"
            ) from error

    def fails_first(self) -> bool:
        """Whether this process is the first to fail, and so the one to say why; the others follow from it.

        Before they have joined, it is the first process that speaks for all.
        """
        if self.size == 1 or World._store is None:
            return self.leads
        try:
            return int(World._store.add("hubel/failed", 1)) == 1
        except RuntimeError:  # the process that keeps the count is gone
            return True


ALONE = World()
"""One process, which works with no others."""


def started(environment: Mapping[str, str] = os.environ) -> World:
    """Which process this is by its variables alone, before it has joined the others."""
    try:
        return World(int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1")))
    except ValueError:
        return ALONE


def _number(environment: Mapping[str, str], name: str, usual: int) -> int:
    """The number that a variable states. Raises UsageError: it states none."""
    text = environment.get(name, str(usual))
    if not text.isdecimal():
        raise UsageError(f"the variable {name} is a whole number, not {text!r}")
    return int(text)


def end_among_others() -> None:
    """Ends a process that has worked with others, with status 0; one that was alone goes on.

    It ends before the interpreter takes torch's threads apart, which now and then aborts it.
    """
    if World._store is not None:  # noqa: SLF001 - its own module
        atexit._run_exitfuncs()  # noqa: SLF001 - the process parts from the others; there is no public name
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _leave() -> None:
    """Parts from the other processes."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()


def _take_gpu(number: int, count: int) -> None:
    """Takes a GPU of this machine. Raises UsageError: there are fewer."""
    import torch

    if number >= count:
        raise UsageError(
            f"process {number} of this machine has no GPU of its own: there are {count}. Start as many "
            "processes, or set CUDA_VISIBLE_DEVICES= to use none"
        )
    torch.cuda.set_device(number)


def _sent(values: Tensor) -> Any:
    """The type as which values are sent: gloo knows no bool."""
    import torch

    return torch.uint8 if values.dtype == torch.bool else values.dtype


def _says_lost(error: RuntimeError) -> bool:
    """Whether an error is of the connection between processes; gloo's have no class of their own."""
    import torch.distributed as dist

    text = str(error).lower()
    return isinstance(error, dist.DistError) or "gloo" in text or "connection" in text or "nccl" in text
