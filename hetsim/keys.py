"""Keys for random draws: what is drawn depends on what it is for, never on when it is drawn."""

from __future__ import annotations

import hashlib


def key(*parts: str | int) -> int:
    """Return the 64-bit key of a use, e.g. ``key(seed, "imc", request, "conv1", "read")``.

    Equal parts give equal keys in every process, on every thread and in every order of events;
    different parts give independent streams.
    """
    text = "\x1f".join([f"{type(part).__name__[0]}{part}" for part in parts])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
