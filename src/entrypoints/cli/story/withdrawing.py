"""Scene 5: while Ben's answer is being written, Asha withdraws."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from entrypoints.cli.story.answers import Answer, asking, tombstone_of
from entrypoints.cli.story.live import writing
from entrypoints.cli.story.looking import WORDS_OF_THE_REPORT, search
from entrypoints.cli.story.plot import PURPOSE, QUESTION, SHARED, Plot

PIECES_BEFORE_THE_WITHDRAWAL = 20
MILLISECONDS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Withdrawal:
    """What was answered, and when it was asked and acknowledged, in seconds of one clock."""

    receipt: dict[str, Any]
    asked_at: float
    acknowledged_at: float


async def asha_withdraws(plot: Plot) -> None:
    stage, ben = plot.stage, plot.ben
    stage.tell(f"Ben asks: “{QUESTION}” In the middle of the answer, Asha withdraws her consent.")
    answer, withdrawal, ended_at = await _cut_short(plot)
    last = answer.events[-1]
    stage.check("his stream ends, and says why", expected="access_revoked", seen=last.type)
    stage.check(
        "it names the grant that ended", expected=[plot.grant["id"]], seen=last.told["grants"]
    )
    acknowledged = (withdrawal.acknowledged_at - withdrawal.asked_at) * 1000
    after = (ended_at - withdrawal.acknowledged_at) * 1000
    stage.check(
        f"the withdrawal was acknowledged after {acknowledged:.0f} ms; the stream had its last "
        f"byte {abs(after):.0f} ms {'after' if after > 0 else 'before'} that",
        expected=f"at most {MILLISECONDS_MAX} ms after",
        seen=f"{after:.0f} ms",
        holds=after <= MILLISECONDS_MAX,
    )
    runs, answers = (withdrawal.receipt[name] for name in ("runs_stopped", "answers_hidden"))
    stage.aside(
        f"The revocation receipt: {runs} run stopped, {answers} answers hidden, last release "
        f"number {withdrawal.receipt['last_release_numbers'].get(plot.shared)}."
    )
    found = await search(ben, WORDS_OF_THE_REPORT, PURPOSE)
    stage.check("his search finds nothing any more", expected=[], seen=found)
    for part in ("", "/text", "/content"):
        path = f"/v1/documents/{plot.shared}{part}"
        refused = await ben.attempt("GET", path, purpose=PURPOSE)
        stage.check(f"{SHARED}{part} is 404 for him", expected=404, seen=refused.status_code)
    replay = await ben.attempt("GET", f"/v1/runs/{answer.run_id}/events")
    seen = (replay.status_code, replay.json()["code"])
    stage.check("replaying the run is refused", expected=(403, "access_revoked"), seen=seen)
    stage.check(
        "what was stored of the answer is a tombstone",
        expected={"role": "assistant", "content": None, "tombstone": "access_revoked"},
        seen=await tombstone_of(ben, answer.conversation_id),
    )


async def _cut_short(plot: Plot) -> tuple[Answer, _Withdrawal, float]:
    """Reads Ben's answer to its end, whatever that is, and has Asha withdraw on the way."""
    withdrawing: asyncio.Task[_Withdrawal] | None = None
    pieces = 0
    with writing(plot.stage) as write:
        async with asking(plot.ben, QUESTION, PURPOSE) as (answer, events):
            async for event in events:
                if event.type == "text_delta":
                    write(event.told["text"])
                    pieces += 1
                if pieces == PIECES_BEFORE_THE_WITHDRAWAL and withdrawing is None:
                    withdrawing = asyncio.create_task(_withdraw(plot))
        ended_at = time.perf_counter()
    plot.stage.check(
        "his answer was being written when she withdrew",
        expected=f"{PIECES_BEFORE_THE_WITHDRAWAL} pieces or more",
        seen=f"{pieces} pieces",
        holds=withdrawing is not None,
    )
    assert withdrawing is not None
    return answer, await withdrawing, ended_at


async def _withdraw(plot: Plot) -> _Withdrawal:
    asked_at = time.perf_counter()
    receipt = await plot.asha.post(f"/v1/consents/{plot.grant['consent_id']}/withdraw")
    return _Withdrawal(receipt=receipt, asked_at=asked_at, acknowledged_at=time.perf_counter())
