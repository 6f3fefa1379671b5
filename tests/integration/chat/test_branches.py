"""Branches: what is asked otherwise or answered anew stands beside what was there before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

import pytest

from adapters.identifiers import uuid7
from adapters.postgres.engine import transaction
from adapters.postgres.tombstones import tombstone_answers
from application.chat.answer_again import AskedAnew
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import ModelLimits, Piece, Spent, Text
from application.ports import Tampered
from domain.chat.branch import (
    Branch,
    Follows,
    MessageNotFound,
    NotAnAnswer,
    NotAQuestion,
    Replaces,
)
from domain.chat.prompt import Prompt
from domain.chat.run import WhenBusy
from domain.identity import Caller, ConversationId, MessageId, TenantId
from tests.integration.chat.conftest import Chat, OpenChat, scripted
from tests.integration.chat.test_taking_back import Share
from tests.integration.test_isolation import CallerIn


@dataclass
class Remembering:
    """Answers with a number, and remembers what it was asked."""

    name: str = "remembering"
    marks_sources: bool = False
    is_metered: bool = False
    prompts: list[Prompt] = field(default_factory=list)

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        self.prompts.append(prompt)
        yield Text(f"answer {len(self.prompts)}")
        yield Spent(input_tokens=1, output_tokens=1)

    async def close(self) -> None:
        pass

    def heard(self) -> list[str]:
        """The turns of the last prompt, without its rules and its question."""
        return [each.text for each in self.prompts[-1].instructions[1:-1]]


async def answered(chat: Chat, caller: Caller, *args: object, **how: object) -> MessageId:
    """The answer to a question, once it is there."""
    asked = await chat.ask(caller, *args, **how)  # type: ignore[arg-type]
    assert (await chat.events(caller, asked.run.id))[-1].type == "completed"
    answer_id: MessageId = asked.run.answer_id
    return answer_id


async def again(chat: Chat, caller: Caller, of: ConversationId, message: MessageId) -> MessageId:
    asked = await chat.answer_again(
        caller=caller, conversation_id=of, message_id=message, anew=AskedAnew()
    )
    await chat.events(caller, asked.run.id)
    answer_id: MessageId = asked.run.answer_id
    return answer_id


async def said(
    chat: Chat, caller: Caller, of: ConversationId, branch: MessageId | None = None
) -> list[str | None]:
    found = await chat.read.messages(
        caller=caller, conversation_id=of, branch=branch, after=0, limit=100
    )
    return [each.content for each in found]


async def branches(chat: Chat, caller: Caller, of: ConversationId) -> Sequence[Branch]:
    found: Sequence[Branch] = await chat.read.branches(
        caller=caller, conversation_id=of, after=0, limit=100
    )
    return found


@pytest.fixture
async def remembering(open_chat: OpenChat) -> tuple[Chat, Remembering]:
    model = Remembering()
    return await open_chat(model, limits=AnswerLimits(history_tokens_max=1_000)), model


async def test_a_tree_of_messages_is_told_branch_by_branch(
    remembering: tuple[Chat, Remembering], asha: Caller
) -> None:
    chat, model = remembering
    of = await chat.conversation(asha)
    first = await answered(chat, asha, of, "q1")
    second = await answered(chat, asha, of, "q2")
    anew = await again(chat, asha, of, second)
    edited = await answered(chat, asha, of, "q2, put better", position=Replaces(
        (await chat.chats.messages(asha, of, branch=second, after=2, limit=1))[0].id
    ))  # fmt: skip
    assert model.heard() == ["q1", "answer 1"]
    elsewhere = await answered(chat, asha, of, "q3", position=Follows(first))
    told = {
        second: ["q1", "answer 1", "q2", "answer 2"],
        anew: ["q1", "answer 1", "q2", "answer 3"],
        edited: ["q1", "answer 1", "q2, put better", "answer 4"],
        elsewhere: ["q1", "answer 1", "q3", "answer 5"],
    }
    for branch, messages in told.items():
        assert await said(chat, asha, of, branch) == messages
    found = await branches(chat, asha, of)
    assert [each.last.id for each in found] == list(told)
    assert [each.length for each in found] == [4] * 4
    question = (await chat.chats.messages(asha, of, branch=anew, after=2, limit=1))[0].id
    assert [each.parted_after for each in found] == [question, question, first, first]
    assert [each.is_selected for each in found] == [False, False, False, True]
    everything = await said(chat, asha, of)
    assert everything == [
        "q1", "answer 1", "q2", "answer 2", "answer 3", "q2, put better", "answer 4", "q3",
        "answer 5",
    ]  # fmt: skip
    conversation = await chat.chats.conversation(asha, of)
    assert (conversation.message_count, conversation.head_id) == (9, elsewhere)
    pages = [
        await chat.read.branches(caller=asha, conversation_id=of, after=after, limit=2)
        for after in (0, found[1].last.sequence)
    ]
    assert [each for page in pages for each in page] == found


async def test_a_model_hears_the_path_of_its_branch_and_nothing_beside_it(
    remembering: tuple[Chat, Remembering], asha: Caller
) -> None:
    chat, model = remembering
    of = await chat.conversation(asha)
    await answered(chat, asha, of, "q1")
    second = await answered(chat, asha, of, "q2")
    await again(chat, asha, of, second)
    assert model.heard() == ["q1", "answer 1"]
    await answered(chat, asha, of, "q3")  # after the newest answer to q2
    assert model.heard() == ["q1", "answer 1", "q2", "answer 3"]
    await answered(chat, asha, of, "q4", position=Follows(second))
    assert model.heard() == ["q1", "answer 1", "q2", "answer 2"]
    await chat.select_branch(caller=asha, conversation_id=of, message_id=second)
    await answered(chat, asha, of, "q5")
    assert model.heard() == ["q1", "answer 1", "q2", "answer 2", "q4", "answer 5"]
    first_question = (await chat.chats.messages(asha, of, branch=None, after=0, limit=1))[0].id
    await answered(chat, asha, of, "q0", position=Replaces(first_question))
    assert model.heard() == []


async def test_a_selected_branch_is_gone_on_from_until_something_else_is_asked(
    remembering: tuple[Chat, Remembering], asha: Caller
) -> None:
    chat, model = remembering
    of = await chat.conversation(asha)
    first = await answered(chat, asha, of, "q1")
    second = await again(chat, asha, of, first)
    await chat.select_branch(caller=asha, conversation_id=of, message_id=first)
    assert [each.is_selected for each in await branches(chat, asha, of)] == [True, False]
    third = await answered(chat, asha, of, "q2")
    assert model.heard() == ["q1", "answer 1"]
    assert (await chat.chats.conversation(asha, of)).head_id == third
    await chat.select_branch(caller=asha, conversation_id=of, message_id=second)
    question = (await chat.chats.messages(asha, of, branch=None, after=0, limit=1))[0].id
    await chat.select_branch(caller=asha, conversation_id=of, message_id=question)
    # Of the branches that have the question it is the one which was gone on with last.
    assert (await chat.chats.conversation(asha, of)).head_id == third


async def test_an_answer_is_made_anew_as_it_was_asked(
    open_chat: OpenChat, asha: Caller, share: Share
) -> None:
    shared = await share(asha)
    chat = await open_chat(scripted(Text("a")), scripted(Text("b")), excerpts=[shared.excerpt])
    ids = frozenset({shared.document_id})
    asked = await chat.ask(asha, purpose="research", model="m1", document_ids=ids)
    await chat.events(asha, asked.run.id)
    of, answer = asked.run.conversation_id, asked.run.answer_id
    for told, expected in (
        (AskedAnew(), ("m1", "research", ids)),
        (AskedAnew(model="m0"), ("m0", "research", ids)),
    ):
        anew = await chat.answer_again(
            caller=asha, conversation_id=of, message_id=answer, anew=told
        )
        assert (anew.run.model, anew.question.purpose, anew.question.document_ids) == expected
        assert anew.question.text == "What do cats do?"
        assert anew.run.question_id == asked.message.id
        assert (await chat.events(asha, anew.run.id))[-1].type == "completed"
    sealed = await chat.rows(asha, "SELECT sealed_terms FROM runs WHERE tenant_id = :tenant")
    assert all(str(shared.document_id).encode() not in row[0] for row in sealed)


async def test_what_a_question_is_asked_with_cannot_be_moved_or_changed(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat()
    of = await chat.conversation(asha)
    await answered(chat, asha, of, "q1", document_ids=frozenset({uuid7()}))
    second = await answered(chat, asha, of, "q2", document_ids=frozenset({uuid7()}))
    for change in (
        "sealed_terms = set_byte(sealed_terms, 20, get_byte(sealed_terms, 20) # 1)",
        "sealed_terms = (SELECT o.sealed_terms FROM runs o WHERE o.tenant_id = r.tenant_id"
        " ORDER BY o.created_at LIMIT 1)",
        "sealed_terms = substr(sealed_terms, 1, 30)",
    ):
        before = await chat.rows(
            asha, "SELECT id, sealed_terms FROM runs WHERE tenant_id = :tenant"
        )
        await chat.rows(
            asha,
            f"UPDATE runs r SET {change} WHERE tenant_id = :tenant AND answer_id = :answer"
            " RETURNING 1",
            answer=second,
        )
        with pytest.raises(Tampered):
            await again(chat, asha, of, second)
        for row in before:
            await chat.rows(
                asha,
                "UPDATE runs SET sealed_terms = :sealed WHERE tenant_id = :tenant AND id = :run"
                " RETURNING 1",
                sealed=row.sealed_terms,
                run=row.id,
            )
    await again(chat, asha, of, second)


async def test_what_a_prompt_has_no_room_for_is_told(open_chat: OpenChat, asha: Caller) -> None:
    model = Remembering()
    chat = await open_chat(model, limits=AnswerLimits(history_tokens_max=9))
    of = await chat.conversation(asha)
    told = []
    for number in range(4):
        asked = await chat.ask(asha, of, f"question {number}")
        events = await chat.events(asha, asked.run.id)
        found = [json.loads(each.told) for each in events if each.type == "history"]
        told.append((len(model.heard()), found))
    nothing_left_out: list[object] = []
    assert told == [
        (0, nothing_left_out),
        (2, nothing_left_out),
        (2, [{"messages": 2, "left_out": 2}]),
        (2, [{"messages": 2, "left_out": 4}]),
    ]


async def test_a_withdrawal_reaches_the_answers_of_every_branch(
    open_chat: OpenChat, asha: Caller, share: Share
) -> None:
    """Each answer that rests on the grant goes, and each that had such a one in its prompt."""
    shared = await share(asha)
    limits = AnswerLimits(history_tokens_max=1_000)
    chat = await open_chat(excerpts=[shared.excerpt], limits=limits)
    of = await chat.conversation(asha)
    first = await answered(chat, asha, of, "q1", purpose="research")
    anew = await again(chat, asha, of, first)
    chat.answer.excerpts.excerpts.clear()  # type: ignore[attr-defined]
    heirs = [await answered(chat, asha, of, "q2", position=Follows(each)) for each in (first, anew)]
    question = (await chat.chats.messages(asha, of, branch=None, after=0, limit=1))[0].id
    free = await answered(chat, asha, of, "q1, alone", position=Replaces(question))
    async with transaction(chat.engine, asha.tenant_id, shared.owner.person_id) as connection:
        taken = await tombstone_answers(
            connection, asha.tenant_id, reason="access_revoked", grants=[shared.grant_id]
        )
    assert taken.answers_hidden == 4
    left = {
        each.message.id: each.message.tombstone
        for each in await chat.read.messages(caller=asha, conversation_id=of, after=0, limit=99)
        if each.message.role == "assistant"
    }
    assert left == {**dict.fromkeys([first, anew, *heirs], "access_revoked"), free: None}
    for branch in (*heirs, free):
        assert len(await branches(chat, asha, of)) == 3
        assert len(await said(chat, asha, of, branch)) in (2, 4)


async def test_what_is_not_in_the_conversation_does_not_exist(
    open_chat: OpenChat, asha: Caller, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    chat, stranger = await open_chat(), await caller_in(tenant_id)
    of, theirs = await chat.conversation(asha), await chat.conversation(stranger)
    answer = await answered(chat, asha, of, "q1")
    question = (await chat.chats.messages(asha, of, branch=None, after=0, limit=1))[0].id
    for message in (answer, question, MessageId(uuid7())):
        for position in (Follows(message), Replaces(message)):
            with pytest.raises(MessageNotFound):
                await chat.ask(stranger, theirs, position=position)
        with pytest.raises(MessageNotFound):
            await again(chat, stranger, theirs, message)
        with pytest.raises(MessageNotFound):
            await chat.select_branch(caller=stranger, conversation_id=theirs, message_id=message)
        with pytest.raises(MessageNotFound):
            await said(chat, stranger, theirs, message)
    with pytest.raises(NotAnAnswer):
        await chat.ask(asha, of, position=Follows(question))
    with pytest.raises(NotAQuestion):
        await chat.ask(asha, of, position=Replaces(answer))
    assert (await chat.chats.conversation(stranger, theirs)).message_count == 0
    assert (await chat.chats.conversation(asha, of)).message_count == 2


async def test_a_conversation_from_before_there_were_branches_goes_on_as_one(
    remembering: tuple[Chat, Remembering], asha: Caller
) -> None:
    """It has no selected message and no terms; a release before this one writes such rows, too."""
    chat, model = remembering
    of = await chat.conversation(asha)
    await answered(chat, asha, of, "q1")
    last = await answered(chat, asha, of, "q2")
    await chat.rows(
        asha, "UPDATE runs SET sealed_terms = NULL WHERE tenant_id = :tenant RETURNING 1"
    )
    (branch,) = await branches(chat, asha, of)
    assert (branch.last.id, branch.length, branch.parted_after) == (last, 4, None)
    await again(chat, asha, of, last)
    assert model.prompts[-1].question == "q2"
    await answered(chat, asha, of, "q3")
    assert model.heard() == ["q1", "answer 1", "q2", "answer 3"]


async def test_many_who_branch_at_once_leave_no_gap(open_chat: OpenChat, asha: Caller) -> None:
    chat, other = await open_chat(scripted(Text("x"))), await open_chat(scripted(Text("y")))
    of = await chat.conversation(asha)
    first = await answered(chat, asha, of, "q1")
    asked = await asyncio.gather(
        *(
            (chat, other)[n % 2].ask(
                asha, of, f"q{n}", position=Follows(first), when_busy=WhenBusy.QUEUE
            )
            for n in range(8)
        )
    )
    for each in asked:
        assert (await chat.events(asha, each.run.id))[-1].type == "completed"
    found = await chat.read.messages(caller=asha, conversation_id=of, after=0, limit=99)
    assert [each.message.sequence for each in found] == list(range(1, 19))
    assert len(await branches(chat, asha, of)) == 8
