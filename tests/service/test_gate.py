"""The gate: token, ids, limits of bytes and time, clients that go away, pages of other origins."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from hubel.errors import UsageError
from hubel.service.app import app
from hubel.service.gate import HELD, Gate
from hubel.service.log import Lines
from hubel.service.metrics import Metrics
from hubel.service.settings import Settings
from tests.service.conftest import encoded

TOKEN = {b"authorization": "Bearer secret-ü".encode()}


@pytest.fixture(scope="module")
def guarded(saved: Path) -> Iterator[TestClient]:
    with TestClient(app(saved, Settings(token="secret-ü", origin=("https://a.example",)))) as found:
        yield found


def test_the_token_is_needed_but_for_health_and_documentation(guarded: TestClient) -> None:
    for address in ("/healthz", "/readyz", "/v2/health/live", "/docs", "/openapi.json"):
        assert guarded.get(address).status_code == 200
    for address in ("/healthz", "/readyz"):  # some who distribute requests ask so
        assert guarded.head(address).status_code == 200
    wrong: list[dict[str, Any]] = [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer other"},
        {"authorization": b"Basic secret-\xc3\xbc"},
        {"authorization": b"secret-\xc3\xbc"},
    ]
    for headers in wrong:
        for address in ("/v1/models", "/metrics", "/v2/models/photos", "/v1/nothing"):
            answer = guarded.get(address, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/v1/models", headers=TOKEN).status_code == 200
    assert guarded.post("/v1/predict", headers=TOKEN, content=encoded()).status_code == 200


def test_other_origins_may_ask_only_where_they_are_named(guarded: TestClient, client: TestClient) -> None:
    def allowed(at: TestClient, origin: str) -> str | None:
        asks = {"origin": origin, "access-control-request-method": "POST"}
        found: str | None = at.options("/v1/predict", headers=asks).headers.get("access-control-allow-origin")
        return found

    assert allowed(guarded, "https://a.example") == "https://a.example"
    assert allowed(guarded, "https://b.example") is None
    assert allowed(client, "https://a.example") is None


def test_a_request_keeps_the_id_that_it_has_if_it_is_a_plain_one(client: TestClient) -> None:
    given = {"x-request-id": "abc-1.2_3"}
    assert client.get("/healthz", headers=given).headers["x-request-id"] == "abc-1.2_3"
    made = {
        client.get("/healthz", headers={"x-request-id": odd}).headers["x-request-id"]
        for odd in ("", "a b", "x" * 65, 'a"b')
    }
    assert len(made) == 4
    assert all(re.fullmatch(r"[0-9a-f]{12}-\d+", each) for each in made)


def test_a_request_is_one_line_of_json(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hubel.service")
    client.post("/v1/predict%0A{}", content=b"abc", headers={"x-request-id": "me"})
    (record,) = [each for each in caplog.records if each.name == "hubel.service"]
    line = Lines().format(record)
    assert "\n" not in line
    found = json.loads(line)
    wanted = {"event": "request", "request": "me", "method": "POST", "status": 404, "bytes": 3}
    assert wanted.items() <= found.items()
    assert found["path"] == "/v1/predict\n{}"


def test_the_figures_count_requests_and_images(client: TestClient) -> None:
    def value(name: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(name)), 0.0)

    names = [
        'hubel_requests_total{route="/v1/predict",status="200"}',
        'hubel_images_total{model="photos",status="200"}',
        'hubel_images_total{model="photos",status="422"}',
        'hubel_requests_total{route="other",status="404"}',
    ]
    before = [value(name) for name in names]
    client.post("/v1/predict", files=[("a", ("a", encoded())), ("b", ("b", encoded())), ("c", ("c", b"x"))])
    client.get("/nowhere/1")
    client.get("/nowhere/2")
    assert [now - then for now, then in zip([value(name) for name in names], before, strict=True)] == [
        1,
        2,
        1,
        2,
    ]
    assert value('hubel_images_accepted{model="photos"}') == 0


class Exchange:
    """A request by hand: the messages that arrive, and those that are answered."""

    def __init__(self, *arriving: Message, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.scope: Scope = {"type": "http", "path": "/x", "method": "POST", "headers": headers or []}
        self.scope |= {"query_string": b"", "client": None}
        self.arriving = list(arriving)
        self.sent: list[Message] = []
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        if self.arriving:
            return self.arriving.pop(0)
        await asyncio.Event().wait()  # nothing more comes
        raise AssertionError

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"]) if self.sent else 0


def part(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def length(count: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(count).encode())]


def gate(work: Callable[[], Awaitable[None]], **settings: Any) -> Gate:
    """A gate before an application that reads its request, works, and answers 200."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await work()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return Gate(application, Settings(**settings), Metrics())


async def nothing() -> None:
    pass


def test_a_request_that_declares_too_much_is_refused() -> None:
    """One that waits for leave to send gets none; what others send nevertheless is taken, and not kept."""
    for declared in (1001, 10**30):
        waits = Exchange(part(b"x"), headers=[*length(declared), (b"expect", b"100-continue")])
        sends = Exchange(part(b"x", more=True), part(b"x"), headers=length(declared))
        for exchange, asked in ((waits, 0), (sends, 2)):
            asyncio.run(gate(nothing, max_mb=0.001)(exchange.scope, exchange.receive, exchange.send))
            assert (exchange.status, exchange.asked) == (413, asked)


def test_a_request_of_parts_ends_at_the_limit() -> None:
    waits = [(b"transfer-encoding", b"chunked"), (b"expect", b"100-continue")]
    exchange = Exchange(*[part(bytes(400), more=True)] * 9, headers=waits)
    asyncio.run(gate(nothing, max_mb=0.001)(exchange.scope, exchange.receive, exchange.send))
    assert (exchange.status, exchange.asked) == (413, 3)


def test_a_slow_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.service.gate.DRAINED_WITHIN", 0.01)
    exchange = Exchange(part(b"x", more=True), headers=length(2))
    asyncio.run(gate(nothing, timeout=0.01)(exchange.scope, exchange.receive, exchange.send))
    assert exchange.status == 408


def test_a_slow_answer_is_given_up_and_its_work_cancelled() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    exchange = Exchange(part(b""))
    asyncio.run(gate(slow, timeout=0.01)(exchange.scope, exchange.receive, exchange.send))
    assert (exchange.status, ended) == (503, [True])
    assert (b"retry-after", b"1") in exchange.sent[0]["headers"]


def test_the_work_of_a_client_that_goes_away_is_cancelled() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    exchange = Exchange(part(b""), {"type": "http.disconnect"})
    asyncio.run(gate(slow)(exchange.scope, exchange.receive, exchange.send))
    assert (exchange.sent, ended) == ([], [True])
    early = Exchange(part(b"x", more=True), {"type": "http.disconnect"}, headers=length(5))
    asyncio.run(gate(slow)(early.scope, early.receive, early.send))
    assert early.sent == []


def test_what_is_left_to_do_after_an_answer_is_done() -> None:
    done = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})
        await asyncio.sleep(0.01)
        done.append(True)

    exchange = Exchange(part(b""), {"type": "http.disconnect"})  # as uvicorn says after an answer
    made = Gate(application, Settings(), Metrics())
    asyncio.run(made(exchange.scope, exchange.receive, exchange.send))
    assert done == [True]


def test_an_answer_that_has_begun_may_take_longer() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"late"})

    exchange = Exchange(part(b""))
    made = Gate(application, Settings(timeout=0.01), Metrics())
    asyncio.run(made(exchange.scope, exchange.receive, exchange.send))
    assert exchange.sent[-1]["body"] == b"late"


def test_an_error_of_the_application_is_answered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise RuntimeError("odd")

    exchange = Exchange(part(b""))
    asyncio.run(gate(broken)(exchange.scope, exchange.receive, exchange.send))
    assert exchange.status == 500
    assert b"odd" not in exchange.sent[1]["body"]
    assert "odd" in caplog.text


def test_large_requests_at_once_are_bounded_and_what_they_held_is_given_back() -> None:
    async def run() -> list[int]:
        begun = asyncio.Event()

        async def wait() -> None:
            await begun.wait()

        made = gate(wait, max_mb=0.001)
        exchanges = [Exchange(part(bytes(1000)), headers=length(1000)) for _ in range(HELD + 1)]
        tasks = [asyncio.create_task(made(each.scope, each.receive, each.send)) for each in exchanges]
        await asyncio.sleep(0)
        small = Exchange(part(b""), headers=[])
        tasks.append(asyncio.create_task(made(small.scope, small.receive, small.send)))
        await asyncio.sleep(0.01)
        begun.set()
        await asyncio.gather(*tasks)
        again = Exchange(part(bytes(1000)), headers=length(1000))
        await made(again.scope, again.receive, again.send)
        return [each.status for each in (*exchanges, small, again)]

    assert asyncio.run(run()) == [200] * HELD + [503, 200, 200]


def test_without_pytorch_the_page_has_to_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubel.service.settings.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="--no-explore"):
        Settings()
    assert not Settings(explore=False).explore


@pytest.mark.parametrize(
    ("name", "value"), [("batch", 0), ("max_mb", 0), ("timeout", float("nan")), ("token", " "), ("queue", -1)]
)
def test_settings_out_of_range_are_refused(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        Settings(**{name: value})
