"""What is written in one turn of the loop is sent at once, in order, and all of it before the end."""

from __future__ import annotations

import asyncio
from unittest.mock import MagicMock

from hubel.service.writing import Joined


def made(*, closing: bool = False) -> tuple[Joined, MagicMock]:
    transport = MagicMock()
    transport.is_closing.return_value = closing
    return Joined(transport, asyncio.get_running_loop()), transport


def sent(transport: MagicMock) -> list[bytes]:
    return [call.args[0] for call in transport.write.call_args_list]


def test_what_is_written_in_one_turn_is_sent_at_once() -> None:
    async def run() -> list[bytes]:
        joined, transport = made()
        joined.write(b"head ")
        joined.write(b"body")
        await asyncio.sleep(0)
        joined.write(b"next")
        await asyncio.sleep(0)
        return sent(transport)

    assert asyncio.run(run()) == [b"head body", b"next"]


def test_what_was_written_is_sent_before_it_is_closed() -> None:
    async def run() -> list[str]:
        joined, transport = made()
        joined.write(b"all")
        joined.close()
        await asyncio.sleep(0)
        assert sent(transport) == [b"all"]
        return [name for name, *_ in transport.method_calls if name != "is_closing"]

    assert asyncio.run(run()) == ["write", "close"]


def test_a_client_that_has_gone_gets_nothing() -> None:
    async def run() -> list[bytes]:
        joined, transport = made(closing=True)
        joined.write(b"late")
        await asyncio.sleep(0)
        assert joined.is_closing()
        return sent(transport)

    assert asyncio.run(run()) == []


def test_two_answers_over_sockets_are_whole() -> None:
    """An independent route: a server of asyncio, whose client reads until the end."""

    async def run() -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            joined = Joined(writer.transport, asyncio.get_running_loop())  # type: ignore[arg-type]
            for part in (b"a" * 300_000, b"b", b"c" * 300_000):
                joined.write(part)
                await asyncio.sleep(0)
            joined.write(b"d")
            joined.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        found = await reader.read()
        writer.close()
        server.close()
        return found

    assert asyncio.run(run()) == b"a" * 300_000 + b"b" + b"c" * 300_000 + b"d"
