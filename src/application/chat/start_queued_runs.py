"""Start the questions that waited for their turn, by whichever process comes first."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ask_question import LEASE_SECONDS
from application.chat.end_queued_run import EndQueuedRun
from application.chat.failures import QueuedTooLong, RunBroken, failure_of
from application.chat.ports import AskedQuestion, Chats, RunEvents, RunStarter, WaitingRun
from application.chat.sealed_chat import sealed_chat
from application.ports import Cipher, OwnKeys, Tampered
from domain.chat.event import Cancelled
from domain.chat.run import Run
from domain.errors import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class StartQueuedRuns:
    """In their owners' names. One that waited too long, or was cancelled, is ended instead."""

    chats: Chats
    stored: RunEvents
    own_keys: OwnKeys
    cipher: Cipher
    starter: RunStarter
    end_queued_run: EndQueuedRun
    lease_seconds: float = LEASE_SECONDS

    async def __call__(self) -> int:
        """How many were started or ended."""
        return sum([await self._move(waiting) for waiting in await self.stored.waiting()])

    async def _move(self, waiting: WaitingRun) -> bool:
        caller = waiting.caller
        run = await self.chats.run(caller, waiting.run_id)
        if run is None:  # deleted between the two looks
            return False
        try:
            if waiting.is_cancelled:
                return await self.end_queued_run(caller=caller, run=run, terminal=Cancelled())
            if waiting.is_late:
                late = failure_of(QueuedTooLong())
                return await self.end_queued_run(caller=caller, run=run, terminal=late)
            return await self._start(waiting, run)
        except Tampered:
            broken = failure_of(RunBroken())
            return await self.end_queued_run(caller=caller, run=run, terminal=broken)
        except Refusal:  # this one waits on, until its time is over; others need not
            return False

    async def _start(self, waiting: WaitingRun, run: Run) -> bool:
        caller = waiting.caller
        if not self.starter.has_room:
            return False
        chat = await sealed_chat(self.own_keys, self.cipher, caller, run.conversation_id)
        if chat is None:
            return False
        async with self.chats.begin(caller) as tx:
            await tx.conversation(run.conversation_id, lock=True)
            begun = await tx.begin_queued(run.id, lease_seconds=self.lease_seconds)
            if begun is None:
                return False
            asked = AskedQuestion(
                caller=caller,
                question=chat.open_question(begun),
                message=begun.message,
                run=begun.run,
                key=chat.key,
                events_told=1,
            )
        self.starter.start(asked)
        return True
