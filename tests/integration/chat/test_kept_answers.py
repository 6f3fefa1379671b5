"""A tenant that keeps finished answers after a withdrawal: what stays, for whom, what does not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from adapters.postgres.kept_answers import PostgresKeptAnswers
from application.chat.explain_answer import ExplainAnswer, PassagesWithdrawn
from application.chat.ports import AskedQuestion
from application.consent.withdraw_consent import RevocationReceipt
from domain.chat.event import Event
from domain.chat.message import Message
from domain.chat.run import AnswerWithdrawn, RunNotFound
from domain.consent.withdrawal_policy import (
    KeepingBasis,
    WithdrawalPolicy,
    WithdrawalPolicyIsKeptByAdministrators,
)
from domain.identity import Action, Caller, LawfulBasis, Role
from tests.integration.chat.conftest import idle
from tests.integration.chat.scenes import Scene, erase, leave
from tests.integration.chat.scenes import scene as scene  # a fixture

BASIS = KeepingBasis(lawful_basis=LawfulBasis.LEGAL_OBLIGATION, reference="Schedule 7.2")
KEEP, HIDE = WithdrawalPolicy(keep_on=BASIS), WithdrawalPolicy()
QUESTION = "What is the password of the harbour?"


async def say(scene: Scene, policy: WithdrawalPolicy) -> None:
    admin = replace(scene.owner, role=Role.ADMIN)
    await scene.library.container.set_withdrawal_policy()(caller=admin, policy=policy)


async def withdraw(scene: Scene, **options: Any) -> RevocationReceipt:
    withdraw_consent = scene.library.container.withdraw_consent()
    receipt: RevocationReceipt = await withdraw_consent(
        caller=scene.owner, consent_id=scene.grant.consent_id, **options
    )
    return receipt


async def replayed(scene: Scene, asked: AskedQuestion, after: int = 0) -> list[Event]:
    following = await scene.chat.follow_run(caller=scene.reader, run_id=asked.run.id, after=after)
    return [event async for event in following]


async def answer_of(scene: Scene, asked: AskedQuestion) -> tuple[Message, str | None]:
    messages = await scene.chat.read.messages(
        caller=scene.reader, conversation_id=asked.run.conversation_id, after=0, limit=50
    )
    found = next(each for each in messages if each.message.id == asked.run.answer_id)
    return found.message, found.content


async def told_to_the_log(scene: Scene, kind: str) -> Sequence[dict[str, Any]]:
    """The bodies of the owner's events of this type."""
    trail = scene.library.container.audit_trail()
    events = await trail.own_events(scene.owner, after=None, limit=200)
    ids = [each.event.id for each in events if each.event.type == kind]
    entries = await trail.entries(scene.owner, ids)
    return [json.loads(each.body) for each in entries.values()]


def claims_of(signed: str) -> dict[str, Any]:
    """What a receipt says; that signatures hold is tried elsewhere."""
    payload = signed.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


def explain_answer(scene: Scene) -> ExplainAnswer:
    chat = scene.chat
    kept = PostgresKeptAnswers(engine=chat.engine)
    return ExplainAnswer(kept=kept, own_keys=chat.own_keys, cipher=chat.cipher)


async def test_what_was_finished_stays_for_whoever_was_answered_and_says_so(scene: Scene) -> None:
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    before = await replayed(scene, asked)
    assert (await answer_of(scene, asked))[0].kept is None
    receipt = await withdraw(scene)

    message, content = await answer_of(scene, asked)
    assert message.tombstone is None
    assert message.kept is not None
    assert (message.kept.lawful_basis, message.kept.reference) == (
        BASIS.lawful_basis,
        BASIS.reference,
    )
    ended = receipt.revocation.grants[0].revoked_at
    assert ended is not None
    assert message.kept.since >= ended
    assert content is not None
    assert scene.canary in content

    after = await replayed(scene, asked)
    *events, mark, last = after
    assert [*events, last] == before
    assert (mark.type, mark.number) == ("kept", events[-1].number)
    told = json.loads(mark.told)
    assert told == {
        "lawful_basis": "legal_obligation",
        "reference": "Schedule 7.2",
        "since": message.kept.since.isoformat(),
        "earlier": [],
    }
    assert await replayed(scene, asked, after=last.number - 1) == [mark, last]
    run = await scene.chat.chats.run(scene.reader, asked.run.id)
    assert run is not None
    assert run.kept == message.kept

    with pytest.raises(RunNotFound):  # also for whose document it is
        await scene.chat.follow_run(caller=scene.owner, run_id=asked.run.id, after=0)


async def test_who_withdraws_is_told_of_what_was_kept_and_so_is_the_log(scene: Scene) -> None:
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    await scene.ask("Say that again, please, all of it.", asked)
    receipt = await withdraw(scene)
    assert receipt.revocation.answers_hidden == 0
    assert receipt.revocation.answers_kept == 2
    assert receipt.revocation.kept_under == BASIS
    says = {"answers_hidden": 0, "answers_kept": 2, "kept_under": BASIS.claims()}
    claims = claims_of(receipt.signed)
    assert {name: claims[name] for name in says} == says
    (logged,) = await told_to_the_log(scene, "consent_withdrawn")
    assert {name: logged[name] for name in says} == says
    (policy,) = await told_to_the_log(scene, "withdrawal_policy_set")
    assert policy == {"answers": "keep", "kept_under": BASIS.claims()}


async def test_an_answer_that_several_withdrawals_kept_tells_the_basis_of_each(
    scene: Scene,
) -> None:
    """It rests on three consents, which end one after the other, under three policies."""
    library = scene.library
    grants = [scene.grant]
    for number in (2, 3):
        ref = await library.add(
            scene.owner, f"The password of the harbour was {scene.canary} in year {number}."
        )
        grants.append(
            await library.share(
                scene.owner, ref, scene.reader, purpose="research", actions=(Action.QUOTE,)
            )
        )
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    told = [
        KeepingBasis(lawful_basis=basis, reference=f"Clause {number}")
        for number, basis in enumerate(
            (LawfulBasis.CONTRACT, BASIS.lawful_basis, LawfulBasis.CONTRACT)
        )
    ]
    for grant, basis in zip(grants, told, strict=True):
        await say(scene, WithdrawalPolicy(keep_on=basis))
        receipt = await withdraw(replace(scene, grant=grant))
        assert receipt.revocation.answers_kept == 1
    message, _ = await answer_of(scene, asked)
    kept = message.kept
    assert kept is not None
    found = [*kept.earlier, kept]
    assert [
        KeepingBasis(lawful_basis=each.lawful_basis, reference=each.reference) for each in found
    ] == told
    assert sorted({each.since for each in found}) == [each.since for each in found]
    *_, mark, _ = await replayed(scene, asked)
    said = json.loads(mark.told)
    assert [each["reference"] for each in (*said["earlier"], said)] == [
        each.reference for each in told
    ]
    await erase(scene)
    left = "SELECT 1 FROM messages WHERE tenant_id = :tenant AND kept_before IS NOT NULL"
    assert not await scene.chat.rows(scene.owner, left)


async def test_nothing_new_is_made_of_what_was_kept(scene: Scene) -> None:
    await say(scene, KEEP)
    first = await scene.ask(QUESTION)
    await scene.ask("Say that again, please, all of it.", first)
    assert scene.canary in scene.model.given[-1]
    await withdraw(scene)
    later = await scene.ask("What was it, once more, that you said about it?", first)
    assert "Say that again, please, all of it." in scene.model.given[-1]
    assert scene.canary not in scene.model.given[-1]
    _, content = await answer_of(scene, later)
    assert content is not None
    assert scene.canary not in content
    cited = "SELECT 1 FROM citations WHERE tenant_id = :tenant AND document_id = :document"
    assert not await scene.chat.rows(scene.owner, cited, document=scene.ref.document_id)


async def test_a_new_consent_does_not_put_what_was_kept_into_prompts(scene: Scene) -> None:
    await say(scene, KEEP)
    first = await scene.ask(QUESTION)
    await withdraw(scene)
    await scene.library.share(
        scene.owner, scene.ref, scene.reader, purpose="care", actions=(Action.QUOTE,)
    )
    await scene.ask("What was it, once more, that you said about it?", first)
    assert scene.canary not in scene.model.given[-1]


async def test_an_answer_that_is_being_written_is_ended_all_the_same(scene: Scene) -> None:
    await say(scene, KEEP)
    scene.model.pause_seconds = 30.0
    asked = await scene.chat.ask(scene.reader, None, QUESTION)
    following = await scene.chat.follow_run(caller=scene.reader, run_id=asked.run.id, after=0)
    while scene.canary not in (event := await anext(following)).told:
        assert not event.type.is_terminal
    receipt = await withdraw(scene)
    assert (receipt.revocation.answers_hidden, receipt.revocation.answers_kept) == (1, 0)
    assert receipt.revocation.kept_under is None
    assert [event async for event in following][-1].type == "access_revoked"
    await idle(scene.chat)
    assert (await scene.kept(asked)).total() == 0


async def test_an_answer_that_was_broken_off_is_not_kept(scene: Scene) -> None:
    await say(scene, KEEP)
    scene.model.pause_seconds = 30.0
    asked = await scene.chat.ask(scene.reader, None, QUESTION)
    following = await scene.chat.follow_run(caller=scene.reader, run_id=asked.run.id, after=0)
    while scene.canary not in (await anext(following)).told:
        pass
    await scene.chat.cancel_run(caller=scene.reader, run_id=asked.run.id)
    assert [event async for event in following][-1].type == "cancelled"
    await idle(scene.chat)
    assert (await scene.kept(asked))["messages"] == 1
    await withdraw(scene)
    assert (await scene.kept(asked)).total() == 0


@pytest.mark.parametrize("take_away", [erase, leave])
async def test_erasure_reaches_what_was_kept(scene: Scene, take_away: Any, figure: Any) -> None:
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    await withdraw(scene)
    before = await scene.kept(asked)
    assert all(before.values()), before
    await take_away(scene)
    after = await scene.kept(asked)
    figure(f"{take_away.__name__}: {after.total()} of {before.total()} kept places hold the canary")
    assert after.total() == 0
    message, _ = await answer_of(scene, asked)
    assert (message.kept, message.tombstone) == (None, "document_erased")
    with pytest.raises(AnswerWithdrawn):
        await replayed(scene, asked)


@pytest.mark.parametrize("take_away", [erase, leave])
async def test_erasure_keeps_nothing_whatever_the_policy(scene: Scene, take_away: Any) -> None:
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    await take_away(scene)
    assert (await scene.kept(asked)).total() == 0


async def test_a_policy_holds_from_when_it_was_set(scene: Scene) -> None:
    hidden = await scene.ask(QUESTION)
    await withdraw(scene)
    await say(scene, KEEP)
    assert (await scene.kept(hidden)).total() == 0
    grant = await scene.library.share(
        scene.owner, scene.ref, scene.reader, purpose="research", actions=(Action.QUOTE,)
    )
    again = replace(scene, grant=grant)
    kept = await again.ask(QUESTION)
    await withdraw(again)
    await say(scene, HIDE)
    assert (await again.kept(kept))["messages"] == 1
    assert (await scene.kept(hidden)).total() == 0


async def test_what_an_answer_was_made_from_is_told_and_its_passages_are_not(scene: Scene) -> None:
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    explain = explain_answer(scene)
    whole = await explain(caller=scene.reader, run_id=asked.run.id, with_passages=True)
    assert scene.canary in "".join(whole.passages.values())
    await withdraw(scene)
    told = await explain(caller=scene.reader, run_id=asked.run.id, with_passages=False)
    assert told.manifest == whole.manifest
    assert scene.canary not in json.dumps(told.manifest)
    assert told.passages == {}
    with pytest.raises(PassagesWithdrawn):
        await explain(caller=scene.reader, run_id=asked.run.id, with_passages=True)
    await erase(scene)
    with pytest.raises(AnswerWithdrawn):
        await explain(caller=scene.reader, run_id=asked.run.id, with_passages=False)


async def test_where_the_policy_of_then_is_not_known_answers_are_hidden(scene: Scene) -> None:
    """As for a withdrawal that is replayed on a restored backup."""
    await say(scene, KEEP)
    asked = await scene.ask(QUESTION)
    receipt = await withdraw(scene, policy_applies=False)
    assert (receipt.revocation.answers_hidden, receipt.revocation.answers_kept) == (1, 0)
    assert (await scene.kept(asked)).total() == 0


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
async def test_nobody_but_an_administrator_sets_it(scene: Scene, role: Role) -> None:
    container = scene.library.container
    caller: Caller = replace(scene.owner, role=role)
    with pytest.raises(WithdrawalPolicyIsKeptByAdministrators):
        await container.set_withdrawal_policy()(caller=caller, policy=KEEP)
    assert await container.withdrawal_policies().of(caller) == HIDE
