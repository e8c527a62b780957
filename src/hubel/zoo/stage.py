"""A stage: a chain of blocks, of which the first may differ from the others."""

from __future__ import annotations

from hubel.net.algebra import Net, named


def stage(name: str, first: Net, others: Net, blocks: int) -> Net:
    """Returns the chain of `first` and `blocks - 1` copies of `others`.

    Their paths are `name.block1`, `name.block2` and so on.
    """
    if blocks == 1 or first == others:
        return named(name, blocks * named("block", first))
    return named(name, 1 * named("block", first) >> (blocks - 1) * named("block", others))
