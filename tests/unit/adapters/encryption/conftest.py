"""Ciphertext in memory that is read as a blob store is read, and remembers what was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest


@dataclass
class Ciphertext:
    """`piece_bytes` is how much comes at a time."""

    content: bytes
    piece_bytes: int = 10_000
    asked: list[tuple[int, int]] = field(default_factory=list)

    async def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        self.asked.append((start, end))
        for begin in range(start, min(end, len(self.content)), self.piece_bytes):
            yield self.content[begin : min(begin + self.piece_bytes, end)]


@pytest.fixture(scope="session")
def stored() -> Callable[..., Ciphertext]:
    return Ciphertext
