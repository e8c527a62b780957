"""The process: no torch, a client of others, late clients, and an end that answers what it accepted."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest

from hubel.service.connection import Connection
from hubel.tasks.predict import predict
from tests.service.conftest import CLASSES, encoded

PROGRAM = """
import sys
sys.argv = ["hubel", "serve", *sys.argv[1:]]
from hubel.cli import main
try:
    main()
finally:
    print("torch loaded:", "torch" in sys.modules, flush=True)
"""

CHATTY = """
import logging, sys
class Chatty:
    def find_spec(self, name, path=None, target=None):
        if name == "openvino":
            logging.info("loaded")
sys.meta_path.insert(0, Chatty())
"""


class Running:
    """A service in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process, self.address = process, address
        self.port = int(address.rpartition(":")[2])

    def post(self, data: bytes, path: str = "/v1/predict") -> tuple[int, Any]:
        request = Request(self.address + path, data, {"content-type": "application/octet-stream"})
        try:
            with urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            return error.code, json.load(error)

    def end(self, sent: signal.Signals = signal.SIGTERM) -> str:
        """Lets it end, and returns what it printed."""
        self.process.send_signal(sent)
        out, _ = self.process.communicate(timeout=60)
        return out


@contextmanager
def running(model: Path, *words: str, program: str = PROGRAM) -> Iterator[Running]:
    run = [sys.executable, "-c", program, str(model), "--port", "0", *words]
    process = subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ}
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.match(r"hubel answers at (http://127\.0\.0\.1:\d+),", line)
        assert found, line
        yield Running(process, found[1])
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@pytest.fixture(scope="module")
def service(saved: Path) -> Iterator[Running]:
    with running(saved, "--max-mb", "1") as found:
        yield found


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_torch_is_not_loaded_and_the_end_is_in_order(saved: Path, engine: str) -> None:
    with running(saved, "--engine", engine) as service:
        status, found = service.post(encoded())
        assert (status, len(found["predictions"][0]["classes"])) == (200, 3)
        assert service.end() == "torch loaded: False\n"
        assert service.process.returncode == 0


def test_the_log_is_json_whatever_a_library_logs_while_it_is_loaded(saved: Path) -> None:
    run = [sys.executable, "-c", CHATTY + PROGRAM, str(saved), "--port", "0", "--engine", "openvino"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address = process.stdout.readline().split()[3].rstrip(",")
        urlopen(address + "/v1/models", timeout=30).close()
        process.send_signal(signal.SIGTERM)
        _, written = process.communicate(timeout=60)
    assert {json.loads(line)["event"] for line in written.splitlines()} >= {"request", "end"}


def test_what_was_accepted_is_answered_before_the_end(saved: Path, tmp_path: Path) -> None:
    """The request has begun to arrive when the end is asked for."""
    (wanted,) = predict(saved, [_file(tmp_path)])
    with running(saved) as service, socket.create_connection(("127.0.0.1", service.port)) as client:
        data = encoded()
        head = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
        client.sendall(head.encode() + data[:10])
        time.sleep(0.2)
        service.process.send_signal(signal.SIGTERM)
        while True:  # until nothing new is accepted
            with suppress(OSError):
                urlopen(service.address + "/healthz", timeout=5).close()
                time.sleep(0.01)
                continue
            break
        client.sendall(data[10:])
        with client.makefile("rb") as answer:
            head_, _, body = answer.read().partition(b"\r\n\r\n")
        assert head_.startswith(b"HTTP/1.1 200")
        classes = json.loads(body)["predictions"][0]["classes"]
        assert [each["probability"] for each in classes] == [share for _, share in wanted.classes]
        assert service.process.wait(60) == 0


STILL = """
import time
from hubel.service.server import _Server

async def wait(self):
    while not self.should_exit:
        time.sleep(0.01)

_Server.main_loop = wait
"""

ASK = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"


def test_connections_that_wait_to_be_accepted_at_the_end_are_answered(saved: Path) -> None:
    """The loop of the service stands still until the end is asked for, so that it accepts none before."""
    with running(saved, program=STILL + PROGRAM) as service:
        clients = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(40)]
        for client in clients:
            client.sendall(ASK)
        service.process.send_signal(signal.SIGTERM)
        for client in clients:
            with client, client.makefile("rb") as answer:
                head = answer.read().partition(b"\r\n\r\n")[0]
            assert head.startswith(b"HTTP/1.1 200")
        assert service.process.wait(60) == 0


def test_a_connection_that_is_open_at_the_end_gets_one_more_answer(saved: Path) -> None:
    """One that was used and one that was not; a request comes when nothing new is accepted any more."""
    patient = "import hubel.service.connection as c; c.LAST = 20\n" + PROGRAM
    with running(saved, program=patient) as service:
        clients = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(2)]
        clients[0].sendall(ASK)
        while b'"next_try": null}]}' not in clients[0].recv(1 << 16):
            pass
        service.process.send_signal(signal.SIGTERM)
        while True:
            with suppress(OSError):
                urlopen(service.address + "/healthz", timeout=5).close()
                time.sleep(0.01)
                continue
            break
        for client in clients:
            client.sendall(ASK)
            with client, client.makefile("rb") as answer:
                head = answer.read().partition(b"\r\n\r\n")[0]
            assert head.startswith(b"HTTP/1.1 200")
            assert b"\r\nconnection: close" in head.lower()


def test_the_end_has_a_bound(saved: Path) -> None:
    """A request that never arrives whole is given up after the grace."""
    with running(saved, "--grace", "1") as service:
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx")
            time.sleep(0.2)
            service.end()
            with client.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert json.loads(body)["status"] == 503
        assert service.process.returncode == 0


def test_a_port_that_is_taken_is_an_error_without_a_traceback(saved: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = [sys.executable, "-m", "hubel", "serve", str(saved), "--port", port]
        done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: port {port} of 127.0.0.1 cannot be used: ")


def test_clients_that_are_late_are_closed(saved: Path) -> None:
    brief = "import hubel.service.connection as c; c.HEADERS_WITHIN = 0.2\n" + PROGRAM
    with running(saved, program=brief) as service:
        clients = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(2)]
        clients[1].sendall(b"POST /v1/predict HTT")
        for client in clients:
            client.settimeout(30)
            with suppress(ConnectionResetError):
                assert client.recv(1) == b""
            client.close()
        assert service.post(encoded())[0] == 200


def test_one_of_too_many_connections_is_refused_and_not_cut(saved: Path) -> None:
    few = "import hubel.service.connection as c; c.MOST = 1\n" + PROGRAM
    with running(saved, program=few) as service:
        with socket.create_connection(("127.0.0.1", service.port)) as one:
            one.sendall(b"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx")
            answer = b""
            while not answer.startswith(b"HTTP/1.1 503"):  # until the first connection is there
                with socket.create_connection(("127.0.0.1", service.port)) as other:
                    other.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
                    answer = other.recv(1 << 16)
                    while answer.startswith(b"HTTP/1.1 503") and (more := other.recv(1 << 16)):
                        answer += more  # until it is closed
            assert b"retry-after: 1\r\n" in answer.lower()
            assert b"too many connections" in answer
        assert service.post(encoded())[0] in {200, 503}  # 503 until the first one is known to have gone


@pytest.mark.parametrize("sent", [b"", b"POST"])
def test_an_idle_connection_is_not_closed_while_bytes_wait(sent: bytes) -> None:
    """Where a busy service is late to read them, its client would lose a request."""
    here, there = socket.socketpair()
    with here, there:
        transport, loop = MagicMock(), MagicMock()
        transport.get_extra_info.return_value = here
        transport.is_closing.return_value = False
        connection = Connection.__new__(Connection)
        connection.transport, connection.loop = transport, loop
        there.sendall(sent)
        connection.timeout_keep_alive_handler()
        assert transport.close.called == (not sent)
        assert loop.call_later.called == bool(sent)


def test_a_large_body_is_refused_though_it_is_sent_at_once(service: Running) -> None:
    assert service.post(bytes(30_000_000))[0] == 413
    assert service.post(encoded())[0] == 200


def test_clients_that_go_away_leave_nothing_behind(service: Running) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            data = encoded()
            head = f"POST /v1/predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n\r\n"
            client.sendall(head.encode() + data)
    end = time.monotonic() + 60
    while True:
        with urlopen(service.address + "/metrics") as answer:
            if 'hubel_images_accepted{model="photos"} 0.0' in answer.read().decode():
                break
        assert time.monotonic() < end
    assert service.post(encoded())[0] == 200


def test_many_clients_at_once_get_their_own_answers(service: Running, saved: Path, tmp_path: Path) -> None:
    images = [encoded(seed=seed) for seed in range(12)]
    wanted = [predict(saved, [_file(tmp_path, data)])[0] for data in images]
    found: dict[int, Any] = {}

    def ask(at: int) -> None:
        found[at] = [service.post(images[at]) for _ in range(5)]

    threads = [threading.Thread(target=ask, args=(at,)) for at in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for at, one in enumerate(wanted):
        shares = [share for _, share in one.classes]
        for status, answer in found[at]:
            assert status == 200
            assert [each["probability"] for each in answer["predictions"][0]["classes"]] == shares


def test_a_client_of_triton_works(service: Running, saved: Path, tmp_path: Path) -> None:
    http = pytest.importorskip("tritonclient.http")
    images = [encoded(), encoded("JPEG", (30, 40))]
    wanted = [predict(saved, [_file(tmp_path, data)])[0] for data in images]
    with http.InferenceServerClient(f"127.0.0.1:{service.port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("photos")
        assert client.is_model_ready("photos", "1")
        assert client.get_server_metadata()["name"] == "hubel"
        assert client.get_model_metadata("photos")["inputs"][0]["datatype"] == "BYTES"
        for binary in (True, False):
            given = http.InferInput("images", [2], "BYTES")
            given.set_data_from_numpy(np.array(images, object))
            names = ("probabilities", "labels")
            outputs = [http.InferRequestedOutput(name, binary_data=binary) for name in names]
            found = client.infer("photos", [given], outputs=outputs, request_id="7")
            rows = found.as_numpy("probabilities")
            assert rows.shape == (2, 3)
            for row, one in zip(rows, wanted, strict=True):
                assert dict(zip(CLASSES, map(float, row), strict=True)) == dict(one.classes)
            assert found.get_response()["id"] == "7"
        pixels = np.random.default_rng(0).integers(0, 256, (3, 12, 12, 3), np.uint8)
        for values, kind in ((pixels, "UINT8"), ((pixels / 255).astype(np.float32), "FP32")):
            for binary in (True, False):
                given = http.InferInput("images", values.shape, kind)
                given.set_data_from_numpy(values, binary_data=binary)
                rows = client.infer("photos", [given]).as_numpy("probabilities")
                assert rows.shape == (3, 3)
        with pytest.raises(Exception, match="there is no model 'other'"):
            client.infer("other", [given])


def _file(folder: Path, data: bytes | None = None) -> Path:
    path = folder / "image"
    path.write_bytes(encoded() if data is None else data)
    return path
