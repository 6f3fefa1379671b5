"""End the runs that nobody owns any more, so that nobody waits for them forever."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.failures import RunAbandoned, failure_of
from application.chat.ports import AbandonedRun, Chats, RunEvents
from application.chat.sealed_chat import SealedChat, sealed_chat
from application.ports import Cipher, OwnKeys
from domain.chat.event import Event, EventType, as_event, text_of


@dataclass(frozen=True, slots=True, kw_only=True)
class FailAbandonedRuns:
    """Fails them as retryable, in their owners' names; what they had written stays."""

    chats: Chats
    stored: RunEvents
    own_keys: OwnKeys
    cipher: Cipher

    async def __call__(self) -> int:
        """How many were ended."""
        found = await self.stored.abandoned()
        return sum([await self._end(abandoned) for abandoned in found])

    async def _end(self, abandoned: AbandonedRun) -> bool:
        caller, run_id = abandoned.caller, abandoned.run_id
        run = await self.chats.run(caller, run_id)
        if run is None:
            return False
        chat = await sealed_chat(self.own_keys, self.cipher, caller, run.conversation_id)
        if chat is None:  # deleted between the two looks
            return False
        events: list[Event] = []
        while page := await self._page(abandoned, chat, len(events)):
            events.extend(page)
        answer = "".join(text_of(each) for each in events if each.type is EventType.TEXT_DELTA)
        last = as_event(len(events) + 1, failure_of(RunAbandoned()))
        return await self.stored.end_abandoned(
            caller,
            run_id,
            chat.seal_event(run_id, last),
            chat.seal_message(run.answer_id, answer),
        )

    async def _page(self, abandoned: AbandonedRun, chat: SealedChat, after: int) -> list[Event]:
        page = await self.stored.page(abandoned.caller, abandoned.run_id, after=after)
        found = page.events if page is not None else ()
        return [chat.open_event(abandoned.run_id, each) for each in found]
