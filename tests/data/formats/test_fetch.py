"""Fetching from a local server that breaks off, sends other contents or does not answer."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import struct
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hubel.data.formats.fetch import FETCHABLE, Fetchable, Remote, fetch, fetched, unpack
from hubel.data.formats.idx import DEBIAN_FASHION_MNIST
from hubel.errors import DataError, UsageError

CONTENT = bytes(range(256)) * 3000
NAME = "mnist"  # any name: the tests put their own files under it


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` by path; breaks off after `cut` bytes of an answer; supports Range if `ranges`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.ranges = True
        self.tell_length = True
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Answer(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path, wanted = urlsplit(self.path).path[1:], self.headers["Range"]
        self.server.asked.append((path, wanted))
        if path not in self.server.files:
            self.send_error(404)
            return
        content, begin = self.server.files[path], 0
        if wanted and self.server.ranges:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if self.server.tell_length:
            self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : None if self.server.cut is None else begin + self.server.cut])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def one_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> Remote:
    """A set of one plain file, at two addresses."""
    server.files = {"a/file.gz": CONTENT, "b/file.gz": CONTENT}
    remote = Remote((server.url("a/file.gz"), server.url("b/file.gz")), sha256(CONTENT), len(CONTENT))
    monkeypatch.setitem(FETCHABLE, NAME, Fetchable((remote,)))
    return remote


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"set/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def part(root: Path) -> Path:
    return root / f"{NAME}.part" / "file.gz.part"


def test_an_archive_is_unpacked_and_nothing_else_remains(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(one=b"1", two=b"22")
    server.files["set.tgz"] = archive
    remote = Remote((server.url("set.tgz"),), sha256(archive), len(archive))
    monkeypatch.setitem(FETCHABLE, NAME, Fetchable((remote,), "set"))
    seen: list[tuple[str, int, int]] = []
    folder = fetch(NAME, tmp_path / "new", lambda *said: seen.append(said))
    assert folder == tmp_path / "new" / NAME
    assert {path.name: path.read_bytes() for path in (folder / "set").iterdir()} == {
        "one": b"1",
        "two": b"22",
    }
    assert [path.name for path in folder.parent.iterdir()] == [NAME]
    assert seen[-1] == ("set.tgz", len(archive), len(archive))
    fetch(NAME, tmp_path / "new")
    assert len(server.asked) == 1


def test_an_interrupted_download_is_resumed(tmp_path: Path, server: Server, one_file: Remote) -> None:
    server.cut = 1000
    with pytest.raises(DataError) as caught:
        fetch(NAME, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    for word in (*one_file.urls, "broke off", str(tmp_path / f"{NAME}.part"), "yourself"):
        assert word in message
    assert part(tmp_path).read_bytes() == CONTENT[:2000]  # a thousand from each address
    assert not (tmp_path / NAME).exists()
    server.cut = None
    assert (fetch(NAME, tmp_path) / "file.gz").read_bytes() == CONTENT
    assert server.asked == [
        ("a/file.gz", None),
        ("b/file.gz", "bytes=1000-"),
        ("a/file.gz", "bytes=2000-"),
    ]


def test_an_interrupted_fetch_can_be_continued(tmp_path: Path, server: Server, one_file: Remote) -> None:
    def interrupt(name: str, done: int, size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(NAME, tmp_path, interrupt)
    got = part(tmp_path).stat().st_size
    assert 0 < got < len(CONTENT)
    fetch(NAME, tmp_path)
    assert server.asked[-1] == ("a/file.gz", f"bytes={got}-")


def test_a_server_that_cannot_resume_starts_again(tmp_path: Path, server: Server, one_file: Remote) -> None:
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(CONTENT[:500])
    server.ranges = False
    assert (fetch(NAME, tmp_path) / "file.gz").read_bytes() == CONTENT


def test_a_file_missing_at_one_address_comes_from_the_next(
    tmp_path: Path, server: Server, one_file: Remote
) -> None:
    del server.files["a/file.gz"]
    assert (fetch(NAME, tmp_path) / "file.gz").read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["a/file.gz", "b/file.gz"]


@pytest.mark.parametrize("tell_length", [True, False])
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (CONTENT[:-1] + b"x", "sent a file with SHA-256"),
        (CONTENT[:-1], "767999"),
        (CONTENT + b"x", "more than 768000 bytes|offers 768001 bytes"),
        (b"<html>moved</html>", "offers 18 bytes|broke off after 18"),
    ],
)
def test_another_file_is_refused_and_not_kept(
    tmp_path: Path, server: Server, one_file: Remote, wrong: bytes, reason: str, tell_length: bool
) -> None:
    server.files = dict.fromkeys(server.files, wrong)
    server.tell_length = tell_length
    with pytest.raises(DataError, match=reason):
        fetch(NAME, tmp_path)
    assert not (tmp_path / NAME).exists()
    server.files = dict.fromkeys(server.files, CONTENT)  # the rest of the wrong one does no harm
    assert (fetch(NAME, tmp_path) / "file.gz").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"something else", CONTENT[:-1] + b"x", CONTENT + b"more", CONTENT])
def test_the_part_of_an_earlier_call_is_not_trusted(
    tmp_path: Path, server: Server, one_file: Remote, left: bytes
) -> None:
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(left)
    assert (fetch(NAME, tmp_path) / "file.gz").read_bytes() == CONTENT
    assert bool(server.asked) == (left != CONTENT)


def test_without_a_network_a_file_put_there_by_the_user_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as taken:  # a port at which no server listens
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/file.gz"
        remote = Remote((url,), sha256(CONTENT), len(CONTENT))
        monkeypatch.setitem(FETCHABLE, NAME, Fetchable((remote,)))
        with pytest.raises(DataError) as caught:
            fetch(NAME, tmp_path)
        message = str(caught.value)
        assert url in message
        assert "refused" in message
        folder = tmp_path / f"{NAME}.part"
        assert f"put file.gz into {folder} yourself" in message
        (folder / "file.gz").write_bytes(CONTENT)
        assert (fetch(NAME, tmp_path) / "file.gz").read_bytes() == CONTENT


def test_an_unknown_set_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"did you mean cifar10\?; choose mnist, fashion-mnist, cifar10,"):
        fetch("cifar-10")


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    "member",
    [
        _member("../evil"),
        _member("set/../../evil"),
        _member("link", tarfile.SYMTYPE, "../evil"),
        _member("link", tarfile.LNKTYPE, "../evil"),
        _member("device", tarfile.CHRTYPE),
    ],
)
def test_an_archive_cannot_write_outside_its_folder(tmp_path: Path, member: tarfile.TarInfo) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(member)
    with pytest.raises(DataError, match=r"a\.tar: cannot be unpacked"):
        unpack(tmp_path / "a.tar", folder)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "inside"]
    assert list(folder.iterdir()) == []


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(packed(one=b"1" * 5000)[:60])
    with pytest.raises(DataError, match=r"a\.tgz: cannot be unpacked"):
        unpack(tmp_path / "a.tgz", tmp_path / "inside")


@pytest.mark.skipif(sys.platform != "linux", reason="where other systems keep caches is their own")
def test_the_cache_folder_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUBEL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert fetched("mnist") == tmp_path / "xdg" / "hubel" / "data" / "mnist"
    monkeypatch.setenv("HUBEL_CACHE", str(tmp_path / "own"))
    assert fetched("mnist") == tmp_path / "own" / "data" / "mnist"
    assert fetched("mnist", Path("elsewhere")) == Path("elsewhere/mnist")


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs Debian's dataset-fashion-mnist")
def test_the_checksums_of_fashion_mnist_are_of_its_authors_files() -> None:
    """Debian's files lack the name and time in the gzip header (RFC 1952); these are restored."""
    times = {"train": 1504176606, "t10k": 1504176627}  # 31 August 2017
    for remote in FETCHABLE["fashion-mnist"].files:
        debian = (DEBIAN_FASHION_MNIST / remote.name).read_bytes()
        time = struct.pack("<I", times[remote.name.partition("-")[0]])
        header = b"\x1f\x8b\x08\x08" + time + debian[8:10] + remote.name.removesuffix(".gz").encode() + b"\0"
        authors = header + debian[10:]
        assert (len(authors), sha256(authors)) == (remote.size, remote.sha256)
