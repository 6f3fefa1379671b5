"""Rate limits counted in this process, by the sliding window counter of `limits`."""

from __future__ import annotations

import hashlib
import math
import secrets
import time
from collections.abc import Mapping

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from domain.errors import TooMany

_BUCKETS = 2**15


class LimitReached(TooMany):
    """Too many attempts; try again later."""

    def __init__(
        self, name: str, *, attempts_max: int, window_seconds: int, retry_after_seconds: int
    ) -> None:
        super().__init__(retry_after_seconds=retry_after_seconds)
        self.name = name
        self.attempts_max = attempts_max
        self.window_seconds = window_seconds


class MemoryRateLimits:
    """`RateLimits` and `Attempts`, for one process: several processes allow several times as much.

    Keys come from strangers, so they are folded into a fixed number of buckets, by a secret hash:
    memory is bounded, and nobody can aim at another's bucket.
    """

    def __init__(self, rates: Mapping[str, str]) -> None:
        """`rates` such as "10/minute", by the name that `attempt` is called with, and no others."""
        self._items: dict[str, RateLimitItem] = {name: parse(rate) for name, rate in rates.items()}
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._secret = secrets.token_bytes(16)

    async def attempt(self, limit: str, *key: str) -> None:
        item, bucket = self._items[limit], self._bucket(key)
        if not await self._window.hit(item, limit, bucket):
            reset_at = (await self._window.get_window_stats(item, limit, bucket)).reset_time
            wait = max(1, math.ceil(reset_at - time.time()))
            raise LimitReached(
                limit,
                attempts_max=item.amount,
                window_seconds=item.get_expiry(),
                retry_after_seconds=wait,
            )

    async def forget(self, limit: str, *key: str) -> None:
        await self._window.clear(self._items[limit], limit, self._bucket(key))

    def _bucket(self, key: tuple[str, ...]) -> str:
        digest = hashlib.blake2b(key=self._secret, digest_size=8)
        for part in key:
            encoded = part.encode()
            digest.update(len(encoded).to_bytes(4) + encoded)
        return str(int.from_bytes(digest.digest()) % _BUCKETS)
