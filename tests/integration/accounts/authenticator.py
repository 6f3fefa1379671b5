"""An authenticator app, written from RFC 6238 and not from the library that the service uses."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from dataclasses import dataclass

STEP_SECONDS = 30
ROOM_SECONDS = 8
"""How long a test may take after it looked at the clock, without the step getting too old."""


@dataclass
class Authenticator:
    """Knows a secret, and the time step at which the test began."""

    secret: str
    step: int

    @classmethod
    async def at_the_start_of_a_step(cls, secret: str) -> Authenticator:
        left = STEP_SECONDS - time.time() % STEP_SECONDS
        if left < ROOM_SECONDS:
            await asyncio.sleep(left + 0.05)
        return cls(secret, int(time.time()) // STEP_SECONDS)

    def code(self, drift: int = 0) -> str:
        counter = (self.step + drift).to_bytes(8)
        digest = hmac.digest(base64.b32decode(self.secret), counter, "sha1")
        at = digest[-1] & 15
        number = int.from_bytes(digest[at : at + 4]) & 0x7FFFFFFF
        return f"{number % 10**6:06}"

    def next_code(self) -> str:
        """Good already, for clocks may differ by a step; later than one that `code` gave."""
        return self.code(1)

    def wrong_code(self) -> str:
        near = {self.code(drift) for drift in range(-3, 4)}
        return next(f"{number:06}" for number in range(10) if f"{number:06}" not in near)
