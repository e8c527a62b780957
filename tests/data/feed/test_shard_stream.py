"""Streams of remote shards: every image once per epoch, whatever process reads it."""

from __future__ import annotations

from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hubel.data.feed import shard_stream as streaming
from hubel.data.feed.bad import OnBad
from hubel.data.feed.decoded import DecodedBatches, decode
from hubel.data.feed.open import decoded_or_streamed
from hubel.data.feed.shard_stream import ShardBatches, StreamedShards
from hubel.data.feed.stream import StreamedBatches
from hubel.data.formats.shards import ShardImages
from hubel.data.sources import open_data
from hubel.data.split import with_val
from hubel.errors import DataError
from hubel.world import World
from tests.shards import EACH, SEEN, SHARDS, image, remote, sample, shard, write

pytest.importorskip("webdataset")

pytestmark = [
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning"),
]


def test_whole_remote_shards_are_held_out(root: Path, address: str) -> None:
    dataset = open_data(f"{address}/pets/part-{{0..3}}.tar", val=0.25, seed=1)
    assert dataset.val is not None
    assert len(dataset.val) == EACH
    shards = [
        {Path(of.name(place)).parent.name for place in range(len(of))} for of in (dataset.train, dataset.val)
    ]
    assert [len(of) for of in shards] == [3, 1]
    assert not shards[0] & shards[1]
    alone = open_data(f"{address}/pets/part-0.tar", val=0)
    with pytest.raises(DataError, match="every class is in one shard, so none can be held out"):
        with_val(alone, 0.2, 0)


def streamed(images: ShardImages, on_bad: OnBad = "stop") -> StreamedShards:
    """A stream of the images, as when memory is short."""
    found = decoded_or_streamed(images, SEEN, on_bad=on_bad, memory_limit=0)
    assert isinstance(found, StreamedShards)
    return found


def arrived(stream: StreamedBatches, number: int) -> list[int]:
    """The images of an epoch by number; asserts their pixels and labels."""
    expected = {seen(each): each for each in range(SHARDS * EACH)}
    found = []
    for images, labels in stream.epoch(number):
        for shown, label in zip(images, labels.tolist(), strict=True):
            found.append(expected[(shown * 255).round().byte().permute(1, 2, 0).numpy().tobytes()])
            assert label == found[-1] % 3
    return found


def seen(number: int) -> bytes:
    return np.asarray(Image.open(BytesIO(image(number)))).tobytes()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_an_epoch_of_a_stream_has_every_image_once(
    root: Path, address: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_CHUNK", 5)
    decoded = streamed(remote(address))
    assert isinstance(decoded.batches(SEEN, 7), ShardBatches)
    stream = ShardBatches(decoded, SEEN, 7, shuffle=True, seed=3, workers=workers)
    assert (len(stream), [len(labels) for _, labels in stream.epoch(0)]) == (5, [7, 7, 7, 7, 8])
    first, again, other = arrived(stream, 0), arrived(stream, 0), arrived(stream, 1)
    assert Counter(first) == Counter(range(SHARDS * EACH)) == Counter(other)
    assert first == again
    assert first != other
    assert first != sorted(first)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_of_some_images_has_each_of_them_once(root: Path, address: str, workers: int) -> None:
    stream = ShardBatches(StreamedShards.of(remote(address), SEEN), SEEN, 4, shuffle=True, workers=workers)
    some = torch.tensor([0, 3, 4, 11, 17, 18, 19, 30, 35])
    assert stream.batches(some) == 2
    epoch, places, labels = stream.epoch(0, among=some), [], []
    for _, of in epoch:
        places.append(epoch.places)
        labels += of.tolist()
    assert [len(batch) for batch in places] == [4, 5]
    assert sorted(torch.cat(places).tolist()) == some.tolist()
    assert labels == [place % 3 for place in torch.cat(places).tolist()]


@pytest.mark.parametrize("workers", [0, 2])
def test_without_shuffling_images_are_in_order(root: Path, address: str, workers: int) -> None:
    images = remote(address)
    stream = ShardBatches(StreamedShards.of(images, SEEN), SEEN, 8, workers=workers)
    whole = DecodedBatches(decode(open_data(root, val=0).train, SEEN), SEEN, 8)
    for (pixels, labels), (wanted, targets) in zip(stream.epoch(0), whole.epoch(0), strict=True):
        assert torch.equal(pixels, wanted)
        assert torch.equal(labels, targets)
    assert stream.names[9] == f"{address}/pets/part-1.tar/009.png"


def test_processes_cannot_share_a_shuffled_stream(root: Path, address: str) -> None:
    stream = StreamedShards.of(remote(address), SEEN)
    with pytest.raises(DataError, match="2 processes cannot share; download them"):
        ShardBatches(stream, SEEN, 6, shuffle=True, world=World(0, 2))
    halves = [ShardBatches(stream, SEEN, 6, workers=0, world=World(rank, 2)) for rank in range(2)]
    labels = [torch.cat([truth for _, truth in half.epoch(0)]) for half in halves]
    assert sum(map(len, labels)) == SHARDS * EACH


def test_balanced_batches_cannot_be_drawn_from_a_stream(root: Path, address: str) -> None:
    with pytest.raises(DataError, match="balance the loss instead"):
        ShardBatches(StreamedShards.of(remote(address), SEEN), SEEN, 6, shuffle=True, balanced=True)
    with pytest.raises(DataError, match="no image comes several times"):
        ShardBatches(StreamedShards.of(remote(address), SEEN), SEEN, 6, shuffle=True, repeat=4)


def test_only_what_is_selected_is_streamed_and_measured(
    root: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = remote(address).select(np.array([20, 3, 2, 21]))
    decoded = StreamedShards.of(some, SEEN)
    assert sorted(arrived(ShardBatches(decoded, SEEN, 2, shuffle=True, workers=0), 0)) == [2, 3, 20, 21]
    assert sorted(decoded.sample().tolist()) == sorted(decode(some, SEEN).pixels.tolist())
    monkeypatch.setattr("hubel.data.feed.stream.SAMPLE", 10)
    assert len(StreamedShards.of(remote(address), SEEN).sample()) == 10


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stream_reports_what_is_wrong(root: Path, address: str, workers: int) -> None:
    write(root / "part-2.tar", *sample(18), ("019.png", b"broken"), ("019.cls", b"bee"), *sample(20))
    images = remote(address)
    decoded = streamed(images)
    with pytest.raises(DataError, match=r"^\S*part-2\.tar/019\.png: is not an image[^\n]*$"):
        list(ShardBatches(decoded, SEEN, 4, shuffle=True, workers=workers).epoch(0))
    skipping = streamed(images, "skip")
    assert [bad.name for bad in skipping.skipped] == [f"{address}/pets/part-2.tar/019.png"]
    found = arrived(ShardBatches(skipping, SEEN, 4, shuffle=True, workers=workers), 0)
    assert sorted(found) == [*range(19), 20, *range(27, 36)]
    shard(root / "part-2.tar", 18, 1)
    with pytest.raises(
        DataError, match=r"part-2\.tar: cannot be streamed to its end \(1 of its .*, delete /"
    ):
        list(ShardBatches(skipping, SEEN, 4, shuffle=True, workers=workers).epoch(0))
    (root / "part-2.tar").unlink()
    with pytest.raises(DataError, match=r"part-2\.tar: cannot be streamed to its end \("):
        list(ShardBatches(skipping, SEEN, 4, shuffle=True, workers=workers).epoch(0))
