"""What one person has does not exist for another, until it is granted and once it is withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2
import pytest

from tests.integration.running.people import Json, Person, json_of, problem_of, signed_up
from tests.integration.running.program import Program, command
from tests.integration.running.test_collections import collection
from tests.integration.running.test_links import link
from tests.integration.running.test_records import record
from tests.integration.running.visibility import (
    NAMES,
    POSITIONS,
    PUBLIC,
    RULES,
    call,
    names_something,
    operations,
    told,
)

BEFORE, GRANTED, WITHDRAWN = "before the grant", "while granted", "after the withdrawal"
Answers = dict[tuple[str, str, str], httpx2.Response]
"""By operation, time and person."""


@dataclass
class Scene:
    """Asha's document, shared with Ben for a while; Cara and Dev have nothing to do with it."""

    asha: Person
    others: dict[str, Person]
    ids: dict[str, str]
    offered: set[str]
    answers: Answers = field(default_factory=dict)
    for_nobodys_ids: Answers = field(default_factory=dict)

    async def play(self, time: str) -> None:
        random_ids = {name: str(uuid4()) for name in self.ids}
        random_ids["another_person_id"] = self.ids["another_person_id"]
        for name, rule in RULES.items():
            if name not in self.offered or not _fields(name) <= self.ids.keys():
                continue  # before the grant there is no grant to name
            for who, person in self.others.items():
                answer = await call(person.http, name, self.ids, rule)
                self.answers[name, time, who] = answer
                other = await call(person.http, name, random_ids, rule)
                self.for_nobodys_ids[name, time, who] = other

    async def play_owner(self, *, ends: bool) -> None:
        for name, rule in RULES.items():
            if rule.ends == ends and name in self.offered:
                self.answers[name, GRANTED, "asha"] = await call(
                    self.asha.http, name, self.ids, rule
                )


@pytest.fixture(scope="module")
async def scene(running: Program, api: Json, asha: Person, ben: Person) -> AsyncIterator[Scene]:
    tenant = f"elsewhere-{uuid4().hex[:8]}"
    exit_status, said, _ = await command(
        "tenant", "create", tenant, "--open",
        directory=running.data_dir, database_url=running.database_url,
    )  # fmt: skip
    assert exit_status == 0, said
    async with AsyncExitStack() as people:
        cara = await people.enter_async_context(signed_up(running, "Cara"))
        eve = await people.enter_async_context(signed_up(running, "Eve"))
        dev = await people.enter_async_context(signed_up(running, "Dev", tenant=tenant))
        document = await asha.ready("A heron stood in the reeds, and nobody else saw it.")
        ids = {"document_id": document["id"], "another_person_id": eve.id}
        ids["code"] = "claims".ljust(36, "_")  # as long as the ids that nobody has
        ids["event_id"] = await _event_in_the_log(asha)
        ids["schema_name"] = await _schema(asha)
        ids["record_id"] = (await record(asha))["id"]
        ids["link_id"] = (await link(asha, document["id"]))["id"]
        ids["collection_id"] = await collection(asha)
        offered = {name for name, _ in operations(api)}
        if "POST /v1/conversations" in offered:
            ids |= await _conversation(asha)
            ids["chat_id"] = await _chat(asha)
        scene = Scene(asha, {"ben": ben, "cara": cara, "dev": dev}, ids, offered)
        await scene.play(BEFORE)
        grant = await asha.grant(document["id"], ben)
        ids |= {"grant_id": grant["id"], "consent_id": grant["consent_id"]}
        await scene.play(GRANTED)
        await scene.play_owner(ends=False)
        before = await asha.document(document["id"])
        withdrawn = await asha.http.post(f"/v1/consents/{grant['consent_id']}/withdraw")
        assert withdrawn.status_code == 200, withdrawn.text
        await scene.play(WITHDRAWN)
        assert await asha.document(document["id"]) == before  # nobody changed anything
        await scene.play_owner(ends=True)
        yield scene


@pytest.fixture(scope="module")
async def api(running: Program) -> Json:
    async with running.client() as http:
        return json_of(await http.get("/openapi.json"))


async def test_every_operation_that_names_something_has_a_rule(api: Json) -> None:
    named = {name for name, each in operations(api) if names_something(each, api, name)}
    named -= PUBLIC | POSITIONS | NAMES
    assert named - RULES.keys() == set(), "operations without a rule: add them to RULES"


async def test_every_operation_but_the_public_ones_needs_a_token(
    running: Program, api: Json
) -> None:
    public = {name for name, each in operations(api) if each.get("security") == []}
    assert public == PUBLIC
    nobodys = _AnyId()
    async with running.client() as http:
        for name, _ in operations(api):
            if name in PUBLIC:
                continue
            answer = await call(http, name, nobodys)
            problem_of(answer, [401])
            assert answer.headers["www-authenticate"].startswith("Bearer"), name


@pytest.mark.parametrize("name", RULES)
async def test_it_is_there_for_its_owner(scene: Scene, name: str) -> None:
    _assert_offered(scene, name)
    answer = scene.answers[name, GRANTED, "asha"]
    assert answer.status_code == RULES[name].owner, answer.text


@pytest.mark.parametrize("name", RULES)
async def test_it_is_there_for_whom_it_is_shared_with_as_long_as_it_is(
    scene: Scene, name: str
) -> None:
    _assert_offered(scene, name)
    granted, withdrawn = (scene.answers[name, time, "ben"] for time in (GRANTED, WITHDRAWN))
    assert granted.status_code == RULES[name].granted, granted.text
    assert withdrawn.status_code == RULES[name].withdrawn, withdrawn.text


@pytest.mark.parametrize("name", RULES)
async def test_for_everybody_else_it_is_as_if_it_did_not_exist(scene: Scene, name: str) -> None:
    _assert_offered(scene, name)
    rule = RULES[name]
    hidden = [(BEFORE, "ben"), *((time, who) for time in _TIMES for who in ("cara", "dev"))]
    hidden += [(GRANTED, "ben")] if rule.granted == 404 else []
    hidden += [(WITHDRAWN, "ben")] if rule.withdrawn == rule.hidden else []
    if rule.neighbours is not None:
        for time, who in [(BEFORE, "ben"), *((time, "cara") for time in _TIMES)]:
            assert scene.answers[name, time, who].status_code == rule.neighbours
        hidden = [(time, "dev") for time in _TIMES]
    tried = 0
    for time, who in hidden:
        if (name, time, who) in scene.answers:
            answer = scene.answers[name, time, who]
            assert answer.status_code == rule.hidden, f"{who} {time}: {answer.text}"
            assert told(answer) == told(scene.for_nobodys_ids[name, time, who]), f"{who} {time}"
            tried += 1
    assert tried >= 3


async def test_a_search_finds_what_is_shared_and_nothing_else(scene: Scene) -> None:
    found = {
        (time, who): len(answer.json()["items"])
        for (name, time, who), answer in scene.answers.items()
        if name == "POST /v1/search"
    }
    assert {each for each, count in found.items() if count} == {(GRANTED, "asha"), (GRANTED, "ben")}


async def test_another_purpose_than_the_granted_one_finds_nothing(
    running: Program, asha: Person, ben: Person
) -> None:
    document = await asha.ready("For research alone.")
    await asha.grant(document["id"], ben)
    for part in ("", "/content", "/text"):
        path = f"/v1/documents/{document['id']}{part}"
        problem_of(await ben.http.get(path), [404])
        problem_of(await ben.http.get(path, params={"purpose": "care"}), [404])
        assert (await ben.http.get(path, params={"purpose": "research"})).status_code == 200


async def test_lists_hold_ones_own_things_alone(scene: Scene) -> None:
    for who in ("cara", "dev"):
        everything = await scene.others[who].everything()
        assert all(page["items"] == [] for page in everything.values()), who
    ben = await scene.others["ben"].everything()
    assert ben["/v1/documents"]["items"] == ben["/v1/grants"]["items"] == []


_TIMES = (BEFORE, GRANTED, WITHDRAWN)


def _assert_offered(scene: Scene, name: str) -> None:
    if name not in scene.offered:
        pytest.skip(f"{name} is not among the routes")


async def _conversation(person: Person) -> dict[str, str]:
    """A conversation with one answer in it."""
    begun = json_of(await person.http.post("/v1/conversations", json={"title": "Herons"}))
    asked = await person.http.post(
        f"/v1/conversations/{begun['id']}/messages", json={"content": "Where did the heron stand?"}
    )
    assert asked.status_code == 202, asked.text
    run_id = str(json_of(asked)["run"]["id"])
    async with person.http.stream("GET", f"/v1/runs/{run_id}/events") as events:
        async for _ in events.aiter_lines():
            pass
    return {"conversation_id": begun["id"], "run_id": run_id}


async def _chat(person: Person) -> str:
    """A chat by a name of its owner's choice, with one answer in it."""
    name = str(uuid4())
    parts = [{"type": "text", "text": "Where did the heron stand?"}]
    body = {"id": name, "message": {"role": "user", "parts": parts}}
    asked = await person.http.post("/api/chat", json=body)
    assert asked.status_code == 200, asked.text
    return name


async def _schema(person: Person) -> str:
    name = f"h{uuid4()}"[:36]  # as long as an id: refusals repeat the path
    made = await person.http.put(f"/v1/schemas/{name}", json={"type": "object"})
    assert made.status_code == 201, made.text
    return name


async def _event_in_the_log(person: Person) -> str:
    """Something that the person did, once it can be proven."""
    event_id = str(json_of(await person.http.get("/v1/audit/events"))["items"][0]["id"])
    async with asyncio.timeout(10):
        while True:
            proof = await person.http.get(f"/v1/audit/events/{event_id}/proof")
            if proof.status_code == 200:
                return event_id
            await asyncio.sleep(0.05)


class _AnyId(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "0" if name == "level" else str(uuid4())


def _fields(name: str) -> set[str]:
    """The ids that a path needs."""
    return {part.strip("{}") for part in name.split("/") if part.startswith("{")}
