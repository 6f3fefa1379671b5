"""Answer a question: gather excerpts through the gate, let a model talk, record how it ended.

Runs detached from whoever asked. No transaction is open while the model talks; every event is
committed before anyone sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.chat.answer_limits import AnswerLimits
from application.chat.call_model import CallModel
from application.chat.failures import RunTooLong, ServerStopping, failure_of
from application.chat.guardrails import Guardrails
from application.chat.model_choices import ChainOf
from application.chat.model_health import ModelHealth
from application.chat.ports import (
    AskedQuestion,
    Chats,
    ExcerptSource,
    FoundExcerpts,
    RunLog,
    RunStopped,
)
from application.chat.sealed_chat import SealedChat
from application.chat.settle_calls import SettleCalls, bill_of
from application.chat.spending import Spending
from application.chat.write_answer import WriteAnswer
from application.ports import Cipher
from domain.chat.answer import NOTHING_FOUND
from domain.chat.event import (
    Cancelled,
    Completed,
    Guardrail,
    History,
    Retrieval,
    RetrievedExcerpt,
    RunStarted,
    Terminal,
    TextDelta,
    Usage,
)
from domain.chat.excerpt import Excerpt
from domain.chat.manifest import Provenance
from domain.chat.message import MessageRole
from domain.chat.model_call import ModelCall
from domain.chat.prompt import PROMPT_VERSION, Turn, compose, previous_question, windowed
from domain.chat.question import in_full
from domain.chat.run import RunState
from domain.errors import Refusal
from domain.identity import MessageId

USER = MessageRole.USER


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerQuestion:
    """The models of the tenant's chain, as it is when their turn comes, are tried in its order,
    beginning with the one that was asked for.

    `policy_version` is that by which excerpts were released, for the manifest.
    """

    chats: Chats
    excerpts: ExcerptSource
    chain_of: ChainOf
    health: ModelHealth
    spending: Spending
    settle_calls: SettleCalls
    guardrails: Guardrails
    cipher: Cipher
    limits: AnswerLimits
    chance: Callable[[], float]
    policy_version: str

    async def __call__(self, *, asked: AskedQuestion, log: RunLog) -> None:
        """Ends the run in every case; raises only what nobody anticipated."""
        calls: list[ModelCall] = []
        end: Terminal | None = None
        try:
            async with log.interruptible():
                await self._answer_in_time(asked, log, calls)
        except RunStopped as stopped:
            end = Cancelled() if stopped.state is RunState.CANCELLED else None
        except asyncio.CancelledError:
            end = failure_of(ServerStopping())
        except Refusal as refusal:
            end = failure_of(refusal)
        except BaseException as broken:
            end = failure_of(broken)
            raise
        else:
            end = Completed(message_id=asked.run.answer_id)
        finally:
            await asyncio.shield(self._end(asked, log, calls, end))

    async def _end(
        self, asked: AskedQuestion, log: RunLog, calls: Sequence[ModelCall], end: Terminal | None
    ) -> None:
        """What was taken is settled first: whoever has seen the end may ask what it took."""
        try:
            await self.settle_calls(bill_of(asked), calls)
        finally:
            if end is not None:
                await log.end(end, calls)

    async def _answer_in_time(
        self, asked: AskedQuestion, log: RunLog, calls: list[ModelCall]
    ) -> None:
        try:
            async with asyncio.timeout(self.limits.run_seconds_max) as whole:
                await self._answer(asked, log, calls)
        except TimeoutError as late:
            if not whole.expired():
                raise
            raise RunTooLong from late

    async def _answer(self, asked: AskedQuestion, log: RunLog, calls: list[ModelCall]) -> None:
        run, question = asked.run, asked.question
        await log.append(
            RunStarted(
                run_id=run.id,
                message_id=run.answer_id,
                conversation_id=run.conversation_id,
                model=run.model,
                prompt_version=PROMPT_VERSION,
            )
        )
        turns, earlier_answers, left_out = await self._earlier(asked)
        if left_out:
            await log.append(History(messages=len(turns), left_out=left_out))
        passed = self.guardrails.question(question.text)
        for ruling in passed.rulings:
            await log.append(ruling)
        found = await self.excerpts.find(
            caller=asked.caller,
            sought=in_full(passed.text, previous_question(turns)),
            purpose=question.purpose,
            document_ids=question.document_ids,
            limit=self.limits.excerpts_max,
        )
        await log.rest_on(found.excerpts, earlier_answers)
        await log.append(_retrieval(found))
        prompt = compose(passed.text, turns, found.excerpts)
        log.made_from(
            Provenance(
                prompt=prompt,
                earlier_answers=earlier_answers,
                policy_version=self.policy_version,
                guardrails=self.guardrails.names,
                parameters={"output_tokens_max": self.limits.model.output_tokens_max},
            )
        )
        refusal = self.guardrails.refuses(prompt)
        if refusal is not None:
            await self._refuse(run.model, refusal, log)
            return
        chain = await self.chain_of(asked.caller)
        write_answer = WriteAnswer(
            chain=chain,
            health=self.health,
            limits=self.limits,
            chance=self.chance,
            tokens=self.limits.tokens_at_most(question),
            reserved=await self.spending.reserved(bill_of(asked)),
            call=CallModel(
                chain=chain,
                guardrails=self.guardrails,
                limits=self.limits,
                day=bill_of(asked).day,
                prompt=prompt,
                log=log,
                calls=calls,
            ),
        )
        await write_answer(model=run.model, log=log)

    async def _refuse(self, model: str, refusal: Guardrail, log: RunLog) -> None:
        """No model is asked, and so none takes anything."""
        await log.append(refusal)
        await log.append(TextDelta(text=NOTHING_FOUND))
        await log.append(Usage(model=model, input_tokens=0, output_tokens=0))

    async def _earlier(
        self, asked: AskedQuestion
    ) -> tuple[Sequence[Turn], Sequence[MessageId], int]:
        """The turns that go into the prompt, the answers among them, and how many do not.

        What those answers rest on, this one rests on too. Without room for a window there is
        only the previous question, which rests on nothing.
        """
        chat = SealedChat(
            cipher=self.cipher,
            key=asked.key,
            tenant_id=asked.caller.tenant_id,
            conversation_id=asked.run.conversation_id,
        )
        found = await self.chats.earlier(asked.caller, asked.message, asked.run.purpose)
        opened = [
            (each, chat.open_message(each.id, each.sealed_content)) for each in found.messages
        ]
        opened = [(each, text) for each, text in opened if text]  # some ended before a word
        messages = [each for each, _ in opened]
        said = [(USER, each) for each in asked.question.before]
        said += [(each.role, text) for each, text in opened]
        turns = [
            Turn(role=role, text=self.guardrails.question(text).text if role is USER else text)
            for role, text in said
        ]
        count = len(asked.question.before) + found.count
        window = windowed(turns, self.limits.history_tokens_max)
        if not window:
            questions = [turn for turn in turns if turn.role is USER][-1:]
            return questions, [], count - len(questions)
        answers = [
            each.id
            for each in messages[max(0, len(messages) - len(window)) :]
            if each.role is MessageRole.ASSISTANT
        ]
        return window, answers, count - len(window)


def _retrieval(found: FoundExcerpts) -> Retrieval:
    return Retrieval(
        mode=found.mode,
        degraded=found.degraded,
        excerpts=[_retrieved(excerpt) for excerpt in found.excerpts],
    )


def _retrieved(excerpt: Excerpt) -> RetrievedExcerpt:
    return RetrievedExcerpt(
        id=excerpt.id,
        document_id=excerpt.version.document_id,
        version=excerpt.version.version,
        start=excerpt.start,
        end=excerpt.end,
    )
