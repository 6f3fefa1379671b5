"""What an answer was made from can be checked by somebody who does not trust us."""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.identifiers import uuid7
from adapters.inprocess.excerpts import SearchedExcerpts
from adapters.models.extractive import ExtractiveModel
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import (
    LanguageModel,
    ModelFailed,
    ModelRefused,
    Text,
)
from domain.identity import Action, Caller, RunId
from entrypoints.verifier.command import main
from tests.integration.chat.alterations import alterations
from tests.integration.chat.answers import Answers, Json, served
from tests.integration.chat.conftest import Chat, OpenChat, idle, scripted
from tests.integration.http.conftest import Serve
from tests.integration.retrieval.library import Library

LEASE = (
    "The lease of the harbour flat.\n\nThe monthly rent is 1,250 € — due on the first day.\n\n"
    "The tenant may keep one cat. The landlord is Mara Ölsen."
)
NOTES = "Notes on the flat. The rent was 1,100 € until last year, says Mara."


@pytest.fixture
async def answers(
    library: Library, sequencer_engine: AsyncEngine, serve: Serve
) -> AsyncIterator[Answers]:
    async with served(library, sequencer_engine, serve) as running:
        yield running


@pytest.fixture
def chatting(open_chat: OpenChat, library: Library) -> Any:
    async def opened(*models: LanguageModel, **options: object) -> Chat:
        chat: Chat = await open_chat(
            *(models or [ExtractiveModel()]),
            source=SearchedExcerpts(search=library.container.search()),
            keyring=library.container.key_service(),
            **options,
        )
        return chat

    return opened


Verified = Callable[[Json], tuple[int, str]]


@pytest.fixture
def verified(answers: Answers, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verified:
    def run(bundle: Json) -> tuple[int, str]:
        path = tmp_path / "bundle.json"
        path.write_text(json.dumps(bundle))
        capsys.readouterr()
        status = main([str(path), "--key", answers.key.printed])
        return status, capsys.readouterr().out

    return run


@pytest.fixture
async def asker(library: Library) -> Caller:
    return await library.person()


@pytest.fixture
async def run_id(library: Library, chatting: Any, asker: Caller) -> RunId:
    """An answer from a lease that is shared, and from notes of the asker's own."""
    owner = await library.person()
    lease = await library.add(owner, LEASE, title="Lease")
    await library.share(owner, lease, asker, purpose="research", actions=(Action.QUOTE,))
    await library.add(asker, NOTES, title="Notes")
    return await answered(await chatting(), asker, "How much is the monthly rent, says Mara?")


async def answered(chat: Chat, asker: Caller, question: str) -> RunId:
    asked = await chat.ask(asker, None, question)
    await chat.events(asker, asked.run.id)
    return asked.run.id


async def test_each_sentence_is_told_with_what_it_rests_on(
    answers: Answers, verified: Verified, asker: Caller, run_id: RunId
) -> None:
    bundle = await answers.bundle(asker, run_id)
    status, said = verified(bundle)
    assert status == 0, said
    manifest = bundle["manifest"]
    assert {each["support"] for each in manifest["sentences"]} == {"frame", "quoted"}
    cited = {each["excerpt_id"] for each in manifest["citations"]}
    passages = [each for each in manifest["passages"] if each["id"] in cited]
    assert {each["grant_id"] is None for each in passages} == {True, False}
    for each in passages:
        named = f"document {each['document_id']}, version {each['version']}, bytes "
        under = f"under grant {each['grant_id']}, epoch 1, consent "
        [line] = [line for line in said.splitlines() if named in line]
        assert "rests on" in line
        assert (under if each["grant_id"] else "as its owner") in line
        assert "of the log, release 2 of the document" in line
    assert "claims nothing" in said
    assert "of 2 of 2 versions the manifest names the commitment" in said
    assert manifest["model"]["name"] == "extractive-1"
    assert "all 2 passages were given to extractive-1 (answered), and to no other model" in said
    assert manifest["purpose"] == "research"
    assert manifest["policy_version"] == "2"


async def test_every_alteration_of_a_bundle_is_noticed(
    answers: Answers,
    verified: Verified,
    asker: Caller,
    run_id: RunId,
    figure: Callable[[str], None],
) -> None:
    bundle = await answers.bundle(asker, run_id)
    tried, missed = 0, []
    for what, altered in alterations(bundle):
        tried += 1
        status, said = verified(altered)
        if status == 0 or "FAIL" not in said or "Traceback" in said:
            missed.append(what)
    figure(f"{tried - len(missed)} of {tried} alterations of an answer's bundle were noticed")
    assert tried > 500
    assert missed == []


LIES: dict[str, Callable[[Json], object]] = {
    "a quote is verified that is not there": lambda m: m["citations"][-1].update(verified=True),
    "of other bytes": lambda m: m["citations"][0].update(start=m["citations"][0]["start"] + 1),
    "of bytes outside of the passage": lambda m: m["citations"][0].update(
        start=m["passages"][0]["end"], end=m["passages"][0]["end"] + 9
    ),
    "elsewhere in the answer": lambda m: m["citations"][0].update(answer_start=0),
    "a sentence is left out": lambda m: m["sentences"].pop(1),
    "a sentence is cut": lambda m: m["sentences"][1].update(end=m["sentences"][1]["end"] - 3),
    "a sentence rests on more": lambda m: m["sentences"][-1].update(support="quoted"),
    "a sentence has another citation": lambda m: m["sentences"][1].update(citations=[1]),
    "another purpose": lambda m: m.update(purpose="care"),
    "another person": lambda m: m.update(person_id=m["run_id"]),
    "another policy": lambda m: m.update(policy_version="1"),
    "asked later": lambda m: m.update(asked_at="2999-01-01T00:00:00.000000Z"),
    "another grant": lambda m: m["passages"][0].update(grant_id=m["run_id"]),
    "another version": lambda m: m["passages"][0].update(version=2),
    "another document": lambda m: m["passages"][0].update(document_id=m["run_id"]),
    "another release": lambda m: m["passages"][0].update(release_id=m["run_id"]),
    "another text": lambda m: m["passages"][0].update(text_commitment="0" * 64),
    "no text": lambda m: m["passages"][0].pop("text_commitment"),
    "another passage": lambda m: m["passages"][0].update(sha256="0" * 64),
    "a passage is left out": lambda m: m["passages"].pop(),
    "a model that was passed over is left out": lambda m: m["model"]["calls"].pop(0),
    "whoever answered is left out": lambda m: m["model"]["calls"].pop(),
    "another one answered": lambda m: m["model"].update(name="m0"),
    "two have answered": lambda m: m["model"]["calls"][0].update(outcome="answered"),
    "nobody was asked": lambda m: m["model"]["calls"][-1].update(asked=False),
    "tokens of another model": lambda m: m["model"]["usage"][0].update(model="m9"),
    "another run": lambda m: m.update(run_id=m["person_id"]),
}


async def test_a_manifest_that_lies_is_noticed_although_it_is_signed(
    answers: Answers,
    verified: Verified,
    asker: Caller,
    chatting: Any,
    library: Library,
    run_id: RunId,
    figure: Callable[[str], None],
) -> None:
    quote = "“The monthly rent is 1,250 € — due on the first day.” [e1]"
    models = ModelRefused(), Text(f"The rent is high. {quote} Trust me [e1].")
    chat = await chatting(*(scripted(each) for each in models))
    run_id = await answered(chat, asker, "How much is the monthly rent?")
    bundle = await answers.bundle(asker, run_id)
    status, said = verified(bundle)
    assert status == 0, said
    supports = [each["support"] for each in bundle["manifest"]["sentences"]]
    assert supports == ["nothing", "quoted", "unverified"]
    assert "points to e1, which does NOT say it in these words" in said
    assert "rests on nothing that is cited" in said
    missed = []
    for what, lie in LIES.items():
        lying = copy.deepcopy(bundle)
        lie(lying["manifest"])
        assert lying != bundle, f"{what} landed nowhere"
        lying["note"] = await library.container.attest_answer()(
            caller=asker, run_id=UUID(lying["manifest"]["run_id"]), manifest=lying["manifest"]
        )
        if what == "another run":
            lying["note"] = bundle["note"]
        status, said = verified(lying)
        if status != 1 or "FAIL" not in said:
            missed.append(what)
    figure(f"{len(LIES) - len(missed)} of {len(LIES)} lies over the log's signature were noticed")
    assert missed == []


async def test_every_model_that_was_given_the_passages_is_told_whoever_answered(
    answers: Answers, verified: Verified, asker: Caller, chatting: Any, run_id: RunId
) -> None:
    """One is too slow and loses to its hedge, which fails; one rests, and one answers."""
    slow = scripted(60.0)
    limits = AnswerLimits(hedge_seconds=0.2, first_piece_seconds_max=1.0, attempts_max=2)
    failing, resting, last = (
        scripted(ModelRefused()),
        scripted(Text("never")),
        scripted(Text("So.")),
    )
    chat = await chatting(slow, failing, resting, last, limits=limits)
    for _ in range(chat.health.limits.failures_max):
        with suppress(ModelFailed), chat.health.calling("m2"):
            raise ModelFailed
    run_id = await answered(chat, asker, "How much is the monthly rent?")
    bundle = await answers.bundle(asker, run_id)
    model = bundle["manifest"]["model"]
    assert sorted((each["model"], each["outcome"], each["asked"]) for each in model["calls"]) == [
        ("m0", "model_too_slow", True),
        ("m1", "model_refused", True),
        ("m2", "model_resting", False),
        ("m3", "answered", True),
    ]
    assert model["name"] == "m3"
    status, said = verified(bundle)
    assert status == 0, said
    [line] = [line for line in said.splitlines() if "passages were given to" in line]
    given, not_asked = line.split("; not asked: ")
    for each in ("m0 (model_too_slow)", "m1 (model_refused)", "m3 (answered)"):
        assert each in given
    assert not_asked == "m2 (model_resting)"


async def test_who_lost_to_a_hedge_is_told_on_either_side(
    answers: Answers, verified: Verified, asker: Caller, chatting: Any, run_id: RunId
) -> None:
    limits = AnswerLimits(hedge_seconds=0.2)
    for first, second, name, lost in (
        (60.0, 0.0, "m1", "m0"),
        (0.6, 60.0, "m0", "m1"),  # of this one no event of the run tells
    ):
        models = [scripted(pause, Text("So.")) for pause in (first, second)]
        chat = await chatting(*models, ExtractiveModel(), limits=limits)
        run_id = await answered(chat, asker, "How much is the monthly rent?")
        bundle = await answers.bundle(asker, run_id)
        assert bundle["manifest"]["model"]["name"] == name
        status, said = verified(bundle)
        assert (status, f"{lost} (hedged)" in said, f"{name} (answered)" in said) == (0, True, True)


async def test_bundles_from_before_calls_were_named_are_verified_and_say_so(
    answers: Answers, verified: Verified, asker: Caller, library: Library, run_id: RunId
) -> None:
    bundle = await answers.bundle(asker, run_id)
    del bundle["manifest"]["model"]["calls"]
    bundle["note"] = await library.container.attest_answer()(
        caller=asker, run_id=UUID(bundle["manifest"]["run_id"]), manifest=bundle["manifest"]
    )
    status, said = verified(bundle)
    assert (status, "does not name every model that was given the passages" in said) == (0, True)


async def test_an_answer_that_found_nothing_rests_on_nothing(
    answers: Answers, verified: Verified, library: Library, chatting: Any
) -> None:
    nobody = await library.person()
    run_id = await answered(await chatting(), nobody, "How much is the rent?")
    bundle = await answers.bundle(nobody, run_id)
    assert (bundle["entries"], bundle["checkpoint"], bundle["passages"]) == ([], None, [])
    assert verified(bundle)[0] == 0
    bundle["checkpoint"] = bundle["note"]
    assert verified(bundle)[0] == 1


async def test_a_part_of_an_answer_has_a_manifest_too(
    answers: Answers, verified: Verified, asker: Caller, chatting: Any, run_id: RunId
) -> None:
    chat = await chatting(scripted(Text("The rent is high. "), 30.0, Text("Never said.")))
    asked = await chat.ask(asker, None, "How much is the monthly rent?")
    early = await answers.get(asker, asked.run.id, "manifest")
    assert (early.status_code, early.json()["code"]) == (409, "answer_not_finished")
    following = await chat.follow_run(caller=asker, run_id=asked.run.id, after=0)
    while (await anext(following)).type != "text_delta":
        pass
    await following.aclose()
    await chat.cancel_run(caller=asker, run_id=asked.run.id)
    await idle(chat)
    bundle = await answers.bundle(asker, asked.run.id)
    assert bundle["answer"] == "The rent is high. "
    assert bundle["manifest"]["state"] == "cancelled"
    assert verified(bundle)[0] == 0


async def test_a_manifest_is_for_the_owner_of_the_answer_alone(
    answers: Answers, library: Library, asker: Caller, run_id: RunId
) -> None:
    stranger = await library.person()
    for what in ("manifest", "bundle"):
        refused = await answers.get(stranger, run_id, what)
        absent = await answers.get(stranger, RunId(uuid7()), what)
        assert (refused.status_code, absent.status_code) == (404, 404)
        assert refused.json()["detail"] == absent.json()["detail"]
    manifest = (await answers.get(asker, run_id, "manifest")).json()
    bundle = await answers.bundle(asker, run_id)
    assert manifest == {"manifest": bundle["manifest"], "note": bundle["note"]}
