"""Ask anew: a question in a conversation of its own, for clients that know no conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from application.chat.ask_question import AskQuestion
from application.chat.delete_conversation import DeleteConversation
from application.chat.ports import AskedQuestion
from application.chat.reserve_answer import ReserveAnswer
from application.chat.start_conversation import StartConversation
from application.ports import Idempotency
from domain.chat.conversation import title_from
from domain.chat.question import Question
from domain.errors import Refusal
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class AskAnew:
    """The conversation is named by its question, and kept until its owner deletes it."""

    start_conversation: StartConversation
    ask_question: AskQuestion
    reserve_answer: ReserveAnswer
    delete_conversation: DeleteConversation

    async def __call__(
        self,
        *,
        caller: Caller,
        question: Question,
        model: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> AskedQuestion:
        """Raises what asking raises; then no empty conversation is left behind.

        With an idempotency key it is left, for the repeat to ask in.
        """
        chain = await self.ask_question.chain_of(caller)
        name = chain.named(model)
        if idempotency is None:
            await self.reserve_answer.assert_affordable(caller, question, chain, name)
        started = await self.start_conversation(
            caller=caller, title=title_from(question.text), idempotency=_beside(idempotency)
        )
        try:
            return await self.ask_question(
                caller=caller,
                conversation_id=started.id,
                question=question,
                model=model,
                idempotency=idempotency,
            )
        except Refusal:
            if idempotency is None:
                await self.delete_conversation(caller=caller, conversation_id=started.id)
            raise


def _beside(idempotency: Idempotency | None) -> Idempotency | None:
    """The same request makes two things, and claims each under a name of its own."""
    return idempotency and replace(idempotency, route=f"{idempotency.route} conversation")
