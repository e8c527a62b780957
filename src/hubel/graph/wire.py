"""The fields of a protobuf message, without a schema and without copying.

Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator

NUMBER, EIGHT, BYTES, FOUR = 0, 1, 2, 5
"""How a field is stored: a number in pieces, 8 bytes, a length and so many bytes, 4 bytes."""


def fields(message: memoryview) -> Iterator[tuple[int, int, memoryview, memoryview]]:
    """Yields each field of a message: its number, how it is stored, its content, and all of its bytes.

    Raises ValueError, IndexError: it is no message, or is cut short.
    """
    at = 0
    while at < len(message):
        start = at
        tag, at = _number(message, at)
        kind = tag & 7
        first = at
        if kind == BYTES:
            length, first = _number(message, at)
            at = first + length
        elif kind == NUMBER:
            _, at = _number(message, at)
        elif kind in (EIGHT, FOUR):
            at += 8 if kind == EIGHT else 4
        else:
            raise ValueError("no such kind of field")
        if at > len(message) or not tag >> 3:
            raise ValueError("cut short")
        yield tag >> 3, kind, message[first:at], message[start:at]


def _number(message: memoryview, at: int) -> tuple[int, int]:
    """Returns a number in pieces of seven bits, the least first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
