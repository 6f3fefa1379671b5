"""One person hands in very many documents; what others hand in meanwhile is soon ready."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.integration.running.people import END_STATES, signed_up
from tests.integration.running.program import Program

BULK = 30
WORDS = ("harbour", "lease", "garden", "quiet", "copper", "winter", "letter", "seven", "hill")


async def test_a_note_is_ready_while_most_of_anothers_bulk_still_waits(
    own: Program, figure: Callable[[str], None]
) -> None:
    await own.running()
    chance = random.Random(7)
    texts = [" ".join(chance.choices(WORDS, k=4_000)) for _ in range(BULK)]
    async with signed_up(own, "Asha") as asha, signed_up(own, "Ben") as ben:
        bulk = [(await asha.upload(text))["id"] for text in texts]
        began = time.monotonic()
        await ben.ready("The key is under the mat.")
        seconds = time.monotonic() - began
        states = [(await asha.document(each))["state"] for each in bulk]
        waiting = sum(state not in END_STATES for state in states)
        figure(f"a note ready after {seconds:.1f} s; {waiting} of the bulk's {BULK} still waited")
        assert waiting > BULK / 2
