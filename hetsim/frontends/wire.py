"""Protocol buffers' wire format: the fields of a message, without a schema and without copying.

Reading an ONNX file this way takes milliseconds, and leaves its weights untouched until they are asked for
[Protocol Buffers documentation, "Encoding"].
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

Value = int | memoryview
Fields = dict[int, list[Value]]

_FIXED = {1: 8, 5: 4}  # bytes of the wire types with a fixed size


def fields(data: memoryview) -> Fields:
    """The values of a message by field number, in order: varints as int, all else as bytes.

    Raises ValueError for bytes that are no message, or are cut short.
    """
    found: Fields = {}
    for number, value in _walk(data):
        found.setdefault(number, []).append(value)
    return found


def _walk(data: memoryview) -> Iterator[tuple[int, Value]]:
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(data, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError("not a message")
        if number == 0 or at + size > end:
            raise ValueError("cut short")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """An integer of up to 64 bits, seven a byte, lowest first; and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("cut short")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def signed(value: int) -> int:
    """A varint as a signed 64-bit integer."""
    return value - (1 << 64) if value >= 1 << 63 else value


def integers(values: list[Value]) -> list[int]:
    """A repeated field of signed integers, packed or not."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(signed(value))
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            found.append(signed(number))
    return found


def floats(values: list[Value]) -> list[float]:
    """A repeated field of 32-bit floats, packed or not."""
    if any(isinstance(value, int) or len(value) % 4 for value in values):
        raise ValueError("not floats")
    packed = b"".join(value for value in values if not isinstance(value, int))
    return [number for (number,) in struct.iter_unpack("<f", packed)]


def text(values: list[Value] | None, errors: str = "strict") -> str:
    """A string field, empty when it is not there. ValueError for bytes that are no text, or as ``errors`` says."""
    value = values[-1] if values else b""
    return "" if isinstance(value, int) else bytes(value).decode(errors=errors)


def messages(values: list[Value] | None) -> list[Fields]:
    """A repeated field of messages."""
    return [fields(value) for value in values or () if not isinstance(value, int)]
