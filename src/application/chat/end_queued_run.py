"""End a run that has not begun: its last event says why, and nothing was taken."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ports import Chats
from application.chat.sealed_chat import sealed_chat
from application.ports import Cipher, OwnKeys
from domain.chat.event import STATE_AFTER, Terminal, as_event
from domain.chat.run import Run
from domain.identity import Caller

LAST_NUMBER = 2
"""Its first event says that it is queued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndQueuedRun:
    """Lets go of what it had reserved in the same transaction."""

    chats: Chats
    own_keys: OwnKeys
    cipher: Cipher

    async def __call__(self, *, caller: Caller, run: Run, terminal: Terminal) -> bool:
        """Whether it was ended; it was not where it has begun meanwhile, or is over, or gone."""
        chat = await sealed_chat(self.own_keys, self.cipher, caller, run.conversation_id)
        if chat is None:
            return False
        async with self.chats.begin(caller) as tx:
            return await tx.end_queued(
                run,
                STATE_AFTER[terminal.type],
                chat.seal_event(run.id, as_event(LAST_NUMBER, terminal)),
                chat.seal_message(run.answer_id, ""),
            )
