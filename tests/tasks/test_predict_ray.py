"""Predictions by a Ray cluster of two machines: as by this process, also where one machine is lost."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from PIL import Image

from hubel.data.image.preprocess import Preprocessing
from hubel.errors import DataError, UsageError
from hubel.model.file import Model, load
from hubel.module.network import build
from hubel.net.names import fc
from hubel.tasks import predict_ray
from hubel.tasks.predict import predict
from hubel.tasks.predict_file import Progress

if TYPE_CHECKING:
    from hubel.model.inputs import Input
    from hubel.model.prediction import Prediction
    from hubel.tasks.predict_ray import Job

ray = pytest.importorskip("ray", reason="ray is not installed: make test-ray")
Cluster: Any = pytest.importorskip("ray.cluster_utils").Cluster
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of two machines, each a group of processes here with one processor."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    options = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=options)
    made.add_node(num_cpus=1, object_store_memory=100_000_000)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    network = build(fc(3), "8x8x3", scores=True)
    Model(network, ("a", "b", "c"), Preprocessing.of("8x8x3")).save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    (tmp_path / "photos").mkdir()
    draw = np.random.default_rng(0)
    names = [tmp_path / "photos" / f"{number:03}.png" for number in range(300)]
    for name in names:
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(name)
    names[100].write_bytes(b"no image")
    return names


def test_a_cluster_answers_as_this_process_does(
    cluster: Cluster, path: Path, photos: list[Path], tmp_path: Path
) -> None:
    predict(path, photos, out=tmp_path / "here.csv", engine="onnxruntime")
    found = predict(path, photos, out=tmp_path / "there.csv", engine="onnxruntime", ray=cluster.address)
    assert (found.images, found.errors) == (300, 1)
    assert (tmp_path / "there.csv").read_text() == (tmp_path / "here.csv").read_text()


@pytest.mark.parametrize("what", ["process", "machine"])
def test_what_is_lost_is_done_again(
    what: str,
    cluster: Cluster,
    path: Path,
    photos: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process, or the machine, that has done the first batch is killed with what it does now."""
    monkeypatch.setattr(predict_ray, "BATCH", 16)
    killed: list[int] = []
    original = predict_ray._predict

    def with_pid(job: Job, images: list[tuple[str, Input]], first: int) -> tuple[int, list[Prediction]]:
        return os.getpid(), original(job, images, first)

    def result(ray: Any, task: Any) -> list[Prediction]:
        pid, found = ray.get(task)
        if not killed:
            killed.append(pid)
            if what == "process":
                os.kill(pid, signal.SIGKILL)
            else:
                cluster.remove_node(next(iter(cluster.worker_nodes)))
        return cast("list[Prediction]", found)

    monkeypatch.setattr(predict_ray, "_predict", with_pid)
    monkeypatch.setattr(predict_ray, "_result", result)
    predict(path, photos, out=tmp_path / "here.jsonl", engine="onnxruntime")
    predict(path, photos, out=tmp_path / "there.jsonl", engine="onnxruntime", ray=cluster.address)
    assert killed
    assert (tmp_path / "there.jsonl").read_text() == (tmp_path / "here.jsonl").read_text()


def test_it_is_resumed(cluster: Cluster, path: Path, photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    predict(path, photos[:200], out=out)
    told: list[Progress] = []
    found = predict(path, photos, out=out, resume=True, ray=cluster.address, progress=told.append)
    assert (found.done, found.images) == (200, 100)


def test_what_a_machine_refuses_is_the_same_error(cluster: Cluster, path: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        predict(path, [np.zeros((8, 8, 7), np.uint8)], out=tmp_path / "a.csv", ray=cluster.address)


def test_what_cannot_be_asked(path: Path, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name it as out"):
        predict(path, photos, ray="local")  # type: ignore[call-overload]
    with pytest.raises(UsageError, match="save it"):
        predict(load(path), photos, out=tmp_path / "a.csv", ray="local")
    with pytest.raises(UsageError, match=r"no Ray cluster at '127\.0\.0\.1:1'"):
        predict(path, photos, out=tmp_path / "a.csv", ray="127.0.0.1:1")
