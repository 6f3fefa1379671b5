"""The reply is lost after the commit, and the client asks again: there is one effect, whatever was
asked, and whichever of two processes it asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.integration.running.dropping_proxy import DroppingProxy, dropping_replies
from tests.integration.running.people import (
    Json,
    Person,
    grant_body,
    json_of,
    problem_of,
    signed_up,
)
from tests.integration.running.test_links import link
from tests.integration.running.test_records import CONTENT, PATCH, record, schema
from tests.integration.running.two_processes import TwoProcesses

AT_ONCE = 16
LIMIT = {"limit": 200}
Count = Callable[[], Awaitable[int]]


@dataclass
class Asked:
    """A request, how many effects it has had so far, and what replies to it must agree in.

    `other` is the same request with another body. `again` are the statuses of a repeat, where it
    takes no key: what it wants is done already, and a repeat does no more.
    """

    method: str
    path: str
    options: dict[str, Any]
    count: Count
    same: tuple[str, ...] = ("id",)
    other: dict[str, Any] | None = None
    again: tuple[int, ...] = ()
    signed_in: bool = True
    key: str = field(default_factory=lambda: uuid4().hex)

    async def send(self, http: httpx2.AsyncClient, url: str, **changed: Any) -> httpx2.Response:
        options = {**self.options, **changed}
        headers = {**options.pop("headers", {})}
        if not self.again:
            headers["Idempotency-Key"] = self.key
        if not self.signed_in:
            headers["Authorization"] = ""
        return await http.request(self.method, f"{url}{self.path}", headers=headers, **options)

    def told(self, answer: httpx2.Response) -> list[object]:
        return [_at(json_of(answer), each) for each in self.same]


def _at(told: Any, path: str) -> object:
    for name in path.split("."):
        told = told[name]
    return told


@dataclass
class Stage:
    """Two people, and what one of them has."""

    asha: Person
    ben: Person

    async def items(self, path: str, person: Person | None = None) -> list[Json]:
        http = (person or self.asha).http
        answer = await http.get(path, params=LIMIT)
        assert answer.status_code == 200, answer.text
        found: list[Json] = json_of(answer)["items"]
        return found

    def counted(self, path: str, fits: Callable[[Json], object] = lambda _: True) -> Count:
        async def count() -> int:
            return sum(1 for each in await self.items(path) if fits(each))

        return count

    async def document(self) -> str:
        return str((await self.asha.upload(uuid4().hex, index_mode="none"))["id"])

    async def chat(self) -> str:
        made = await self.asha.http.post("/v1/conversations", json={})
        return f"/v1/conversations/{json_of(made)['id']}"


Make = Callable[[Stage], Awaitable[Asked]]
KINDS: dict[str, Make] = {}


def kind(make: Make) -> Make:
    KINDS[make.__name__] = make
    return make


@kind
async def a_conversation(stage: Stage) -> Asked:
    name = uuid4().hex
    count = stage.counted("/v1/conversations", lambda each: each["title"] == name)
    other = {"json": {"title": f"{name}!"}}
    return Asked("POST", "/v1/conversations", {"json": {"title": name}}, count, other=other)


@kind
async def a_question(stage: Stage) -> Asked:
    path = f"{await stage.chat()}/messages"
    count = stage.counted(path, lambda each: each["role"] == "user")
    body = {"json": {"content": "How much is the deposit?"}}
    other = {"json": {"content": "How much is the rent?"}}
    return Asked("POST", path, body, count, ("message.id", "run.id"), other)


@kind
async def a_question_in_openais_format(stage: Stage) -> Asked:
    text = f"How much is the deposit {uuid4().hex}?"
    body = {"model": "extractive-1", "messages": [{"role": "user", "content": text}]}
    other = {"json": body | {"messages": [{"role": "user", "content": f"{text}!"}]}}
    count = stage.counted("/v1/conversations", lambda each: each["title"] == text)
    same = ("id", "strongroom.conversation_id")
    return Asked("POST", "/v1/chat/completions", {"json": body}, count, same, other)


@kind
async def a_document(stage: Stage) -> Asked:
    title = uuid4().hex
    count = stage.counted("/v1/documents", lambda each: each["title"] == title)
    form = {"data": {"title": title, "index_mode": "none"}}
    asked = {"files": {"file": ("a.txt", "Once.")}, **form}
    other = {"files": {"file": ("a.txt", "Twice.")}, **form}
    return Asked("POST", "/v1/documents", asked, count, other=other)


@kind
async def a_record(stage: Stage) -> Asked:
    body = {"schema": await schema(stage.asha), "data": CONTENT, "index_mode": "none"}
    count = stage.counted("/v1/records", lambda each: each["schema"]["name"] == body["schema"])
    other = {"json": body | {"data": {"name": "Somebody else"}}}
    return Asked("POST", "/v1/records", {"json": body}, count, other=other)


@kind
async def a_collection(stage: Stage) -> Asked:
    title = uuid4().hex
    count = stage.counted("/v1/collections", lambda each: each["title"] == title)
    other = {"json": {"title": f"{title}!"}}
    return Asked("POST", "/v1/collections", {"json": {"title": title}}, count, other=other)


@kind
async def a_grant(stage: Stage) -> Asked:
    document = await stage.document()
    body = grant_body(document, stage.ben.email)
    count = stage.counted("/v1/grants", lambda each: each["resource"]["id"] == document)
    other = {"json": body | {"max_uses": 3}}
    return Asked("POST", "/v1/grants", {"json": body}, count, ("id", "consent_id"), other)


@kind
async def a_request_for_consent(stage: Stage) -> Asked:
    """Of Asha to Ben, for something of his."""
    document = (await stage.ben.upload(uuid4().hex, index_mode="none"))["id"]
    body = grant_body(document, "") | {"principal": stage.ben.email}
    del body["grantee"]
    count = stage.counted("/v1/consents", lambda each: each["pii_information"][0]["id"] == document)
    other = {"json": body | {"actions": ["read"]}}
    return Asked("POST", "/v1/consents", {"json": body}, count, ("record_id",), other)


@kind
async def a_link(stage: Stage) -> Asked:
    document = await stage.document()
    body = grant_body(document, "") | {"actions": ["read"]}
    del body["grantee"]
    count = stage.counted("/v1/links", lambda each: each["grant"]["resource"]["id"] == document)
    other = {"json": body | {"redemptions_max": 2}}
    return Asked("POST", "/v1/links", {"json": body}, count, ("id",), other)


@kind
async def a_redemption(stage: Stage) -> Asked:
    made = await link(stage.asha, await stage.document(), redemptions_max=5)

    async def count() -> int:
        told = json_of(await stage.asha.http.get(f"/v1/links/{made['id']}"))
        return 5 - int(told["redemptions_left"])

    body = {"json": {"token": made["token"]}}
    same = ("access_token",)
    return Asked("POST", "/v1/links/redeem", body, count, same, signed_in=False)


@kind
async def a_withdrawal(stage: Stage) -> Asked:
    grant = await stage.asha.grant(await stage.document(), stage.ben)
    path = f"/v1/consents/{grant['consent_id']}/withdraw"
    return _ended(stage, grant["consent_id"], path, "receipt", "last_release_numbers")


@kind
async def a_revocation(stage: Stage) -> Asked:
    grant = await stage.asha.grant(await stage.document(), stage.ben)
    path = f"/v1/grants/{grant['id']}/revoke"
    return _ended(stage, grant["consent_id"], path, "receipt", "last_release_numbers")


@kind
async def a_revocation_of_a_link(stage: Stage) -> Asked:
    made = await link(stage.asha, await stage.document())
    path = f"/v1/links/{made['id']}/revoke"
    return _ended(stage, made["grant"]["consent_id"], path, "receipt", "last_release_numbers")


def _ended(stage: Stage, consent_id: str, path: str, *same: str) -> Asked:
    async def count() -> int:
        """Events of the consent after the first."""
        told = await stage.asha.http.get(f"/v1/consents/{consent_id}")
        return len(json_of(told)["events"]) - 1

    return Asked("POST", path, {}, count, same)


async def _asked_of_asha(stage: Stage) -> str:
    """The consent that Ben asks for."""
    body = grant_body(await stage.document(), "") | {"principal": stage.asha.email}
    del body["grantee"]
    return str(json_of(await stage.ben.http.post("/v1/consents", json=body))["record_id"])


@kind
async def an_approval(stage: Stage) -> Asked:
    consent_id = await _asked_of_asha(stage)
    asked = _ended(stage, consent_id, f"/v1/consents/{consent_id}/approve", "id")
    asked.options, asked.other = {"json": {}}, {"json": {"totp": "287082"}}
    return asked


@kind
async def a_refusal(stage: Stage) -> Asked:
    consent_id = await _asked_of_asha(stage)
    return _ended(stage, consent_id, f"/v1/consents/{consent_id}/refuse", "event_time")


@kind
async def a_renewal(stage: Stage) -> Asked:
    grant = await stage.asha.grant(await stage.document(), stage.ben)
    path = f"/v1/consents/{grant['consent_id']}/renew"
    asked = _ended(stage, grant["consent_id"], path, "id", "expires_at")
    later = grant_body("", "")["expires_at"].replace("+00:00", "Z")
    year = int(later[:4]) + 1
    asked.options = {"json": {"expires_at": f"{year}{later[4:]}"}}
    asked.other = {"json": {"expires_at": f"{year + 1}{later[4:]}"}}
    return asked


@kind
async def another_version_of_a_document(stage: Stage) -> Asked:
    document = await stage.document()

    async def count() -> int:
        return int((await stage.asha.document(document))["version"]) - 1

    options = {"content": b"Another version.", "headers": {"If-Match": '"1"'}}
    return Asked("PUT", f"/v1/documents/{document}/content", options, count, (), again=(412,))


@kind
async def a_patch_of_a_record(stage: Stage) -> Asked:
    made = await record(stage.asha, index_mode="none")
    path = f"/v1/records/{made['id']}"

    async def count() -> int:
        return int(json_of(await stage.asha.http.get(path))["version"]) - 1

    options = {"json": {"weight": 72.0}, "headers": {**PATCH, "If-Match": '"1"'}}
    return Asked("PATCH", path, options, count, (), again=(412,))


@kind
async def a_thing_in_a_collection(stage: Stage) -> Asked:
    made = json_of(await stage.asha.http.post("/v1/collections", json={"title": "Birds"}))
    path, document = f"/v1/collections/{made['id']}/items", await stage.document()
    return Asked("PUT", f"{path}/{document}", {}, stage.counted(path), (), again=(200,))


@kind
async def an_erasure(stage: Stage) -> Asked:
    document = await stage.document()

    async def count() -> int:
        return int((await stage.asha.http.get(f"/v1/documents/{document}")).status_code == 404)

    return Asked("DELETE", f"/v1/documents/{document}", {}, count, (), again=(200, 404))


@kind
async def a_stop(stage: Stage) -> Asked:
    """Of a run, which may have ended before it."""
    asked = await stage.asha.http.post(
        f"{await stage.chat()}/messages", json={"content": "How much is the deposit?"}
    )
    run = f"/v1/runs/{json_of(asked)['run']['id']}"

    async def count() -> int:
        told = json_of(await stage.asha.http.get(run))
        return int(told["cancel_requested"] or told["state"] != "running")

    return Asked("POST", f"{run}/cancel", {}, count, (), again=(202,))


@pytest.fixture(scope="module")
async def processes(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(
        places(), models=built_models, extractive_words_per_second=20, access_token_seconds=3600
    )
    async with made.running():
        yield made


async def one_effect(
    processes: TwoProcesses, proxy: DroppingProxy, stage: Stage, make: Make
) -> int:
    """Lose a reply, ask again many times at once on both, then for something else: the effects."""
    asked, http = await make(stage), stage.asha.http
    before = await asked.count() if not asked.again else 0
    with pytest.raises(httpx2.HTTPError):
        await asked.send(http, proxy.url)
    urls = [processes.both[number % 2].url for number in range(AT_ONCE)]
    answers = await asyncio.gather(*(asked.send(http, url) for url in urls))
    statuses = {answer.status_code for answer in answers}
    if asked.again:
        assert statuses <= set(asked.again), statuses
    else:
        assert statuses == {proxy.dropped[-1]}, [each.text[:300] for each in answers]
        told = [asked.told(answer) for answer in answers]
        assert told == [told[0]] * AT_ONCE
    if asked.other is not None:
        problem_of(await asked.send(http, urls[0], **asked.other), [422])
    return await asked.count() - before


async def effects(processes: TwoProcesses, rounds: int, figure: Callable[[str], None]) -> None:
    async with AsyncExitStack() as parts:
        asha = await parts.enter_async_context(signed_up(processes.first, "Asha"))
        ben = await parts.enter_async_context(signed_up(processes.first, "Ben"))
        proxies = [
            await parts.enter_async_context(dropping_replies(each)) for each in processes.both
        ]
        stage = Stage(asha, ben)
        counted: dict[str, list[int]] = {name: [] for name in KINDS}
        for number in range(rounds):
            for name, make in KINDS.items():
                counted[name].append(await one_effect(processes, proxies[number % 2], stage, make))
    dropped = [status for proxy in proxies for status in proxy.dropped]
    landed = sum(1 for status in dropped if 200 <= status < 300)
    total = sum(map(sum, counted.values()))
    figure(
        f"{len(KINDS)} kinds of requests, {landed} replies dropped after their commit,"
        f" {landed * AT_ONCE} repeats {AT_ONCE} at once on two processes:"
        f" effects per request {total / len(dropped):.3f}"
    )
    assert landed == len(KINDS) * rounds, dropped
    assert {name: set(found) for name, found in counted.items()} == {name: {1} for name in KINDS}


@pytest.mark.slow
async def test_whatever_was_asked_is_done_once_when_its_reply_is_lost(
    processes: TwoProcesses, figure: Callable[[str], None]
) -> None:
    await effects(processes, 1, figure)


@pytest.mark.long
async def test_nothing_is_done_twice_however_often_replies_are_lost(
    processes: TwoProcesses, figure: Callable[[str], None]
) -> None:
    await effects(processes, 12, figure)
