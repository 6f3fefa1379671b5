"""Every role tries every row of the matrix, with what is there and with what nobody has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import httpx2

from tests.integration.running.authorization.asking import Ids, kinds_at, requests
from tests.integration.running.authorization.cast import Cast
from tests.integration.running.authorization.making import (
    anew,
    asked,
    conversation,
    follow,
    nobodys,
)
from tests.integration.running.authorization.matrix import Row
from tests.integration.running.authorization.places import NOTHING
from tests.integration.running.authorization.telling import secrets_told, told
from tests.integration.running.people import Json, json_of

AT_ONCE = 8
"""Roles that try at the same time: more would make the server slower, not the test faster."""

_ASKING = "POST /v1/conversations/{conversation_id}/messages"
_ANSWERING = f"{_ASKING}/{{message_id}}/answers"
_IN_A_CHAT = ("conversation_id", "message_id", "question_id")
_NAMING = {
    "GET /v1/audit/events",  # they name what one asked for: see test_traces_of_asking.py
    "GET /v1/audit/tile/entries/{index}",  # for auditors: leaves name grants, and nothing else
}
_KEY = "Idempotency-Key"
_UNDER_WAY = ("received", "extracting", "chunking", "embedding", "indexing")


@dataclass
class Cell:
    """What one role was answered at one place; `wrong` says what is not as the matrix says."""

    row: Row
    role: str
    requests: int = 0
    headers: set[tuple[int, str]] = field(default_factory=set)
    """With which status each came."""
    wrong: list[str] = field(default_factory=list)


async def play(cast: Cast, rows: tuple[Row, ...]) -> list[Cell]:
    """The owner comes last: some of what she may do puts an end to what the others try to reach."""
    await _use_keys(cast, rows)
    await _fetch_cursors(cast, rows)
    before = await _hers(cast)
    turns = asyncio.Semaphore(AT_ONCE)

    async def turn(role: str) -> list[Cell]:
        async with turns:
            return [await _try(cast, row, role) for row in rows if role in row.by_role]

    others = [role for role in cast.clients if role != "owner"]
    cells = [cell for each in await asyncio.gather(*map(turn, others)) for cell in each]
    after = await _hers(cast)
    changed = [each for each in after if each not in before], [e for e in before if e not in after]
    assert changed == ([], []), f"somebody changed what is not theirs: {changed}"
    return cells + await turn("owner")


async def _try(cast: Cast, row: Row, role: str) -> Cell:
    cell = Cell(row, role)
    for kind in kinds_at(row)[: 1 if row.refuses(role) else None]:
        there = {**cast.own[role], **await _named(cast, row, role, kind)}
        count = len(requests(row, kind, {**cast.things[role], **there}))
        is_one = row.refuses(role) or not (row.hides(role) or row.place == NOTHING)
        for number in range(1 if is_one else count):
            await _compare(cast, cell, kind, there, number)
    return cell


async def _compare(cast: Cast, cell: Cell, kind: str, there: Ids, number: int) -> None:
    row, role = cell.row, cell.role
    found = await _send(cast, cell, kind, there, number)
    if number == 0 and found.status_code != row.status(role):
        cell.wrong.append(f"{kind}: {found.status_code} {found.text[:300]}")
    if found.status_code == 401 and "www-authenticate" not in found.headers:
        cell.wrong.append("401 without a challenge")
    if (row.hides(role) or row.place == NOTHING) and row.operation not in _NAMING:
        told_anyway = secrets_told(found, cast.secrets_from(role))
        cell.wrong += [f"was told {each}" for each in told_anyway]
    if row.place == NOTHING:
        return
    nobody = {**there, kind: nobodys(kind, there[kind])}
    if kind == _KEY and role == "owner":  # with a key of nobody's, what is done is not done again
        ended = cast.ended.get(row.operation, {})
        nobody |= {name: nobodys(name, value) for name, value in ended.items()}
    other = await _send(cast, cell, kind, nobody, number)
    if number == 0 and other.status_code != row.status_of_nothing(role):
        cell.wrong.append(f"{kind} of nobody: {other.status_code} {other.text[:300]}")
    one, two = told(found, there[kind]), told(other, nobody[kind])
    if row.hides(role) and one != two:
        cell.wrong.append(f"{kind}, request {number}: {one} != {two}")


async def _named(cast: Cast, row: Row, role: str, kind: str) -> Ids:
    if row.place == NOTHING:
        return {}
    if kind == "cursor":
        return {kind: cast.cursors[row.operation]}
    if kind == _KEY and not row.is_public:
        ended = cast.ended[row.operation] if role == "owner" else {}
        return {**ended, kind: cast.keys[row.operation]}
    if role == "owner" and (made := await anew(cast, row.operation)):
        return made
    return {kind: cast.things[role][kind]}


async def _send(cast: Cast, cell: Cell, kind: str, ids: Ids, number: int) -> httpx2.Response:
    row, role = cell.row, cell.role
    method, template = row.operation.split(" ")
    http, ids = cast.clients[role], {**cast.things[role], **ids}
    repeats = role == "owner" and kind == _KEY
    person = cast.people.get(role)
    if person and kind not in _IN_A_CHAT and not repeats:
        if row.operation == _ASKING:  # each question is the first one of its conversation
            ids |= {"conversation_id": await conversation(person, "To be asked once")}
        if row.operation == _ANSWERING:
            ids |= await asked(person, await conversation(person, "To be answered again"))
    options = requests(row, kind, ids)[number]
    path = template.format_map({**ids, "level": "0", "index": "000.p/1"})
    answer = await http.request(method, path, **options)
    cell.requests += 1
    cell.headers |= {(answer.status_code, name.lower()) for name in answer.headers}
    if row.operation in (_ASKING, _ANSWERING) and answer.status_code == 202:
        await follow(http, json_of(answer)["run"]["id"])
    return answer


async def _use_keys(cast: Cast, rows: tuple[Row, ...]) -> None:
    """Asha uses an Idempotency-Key at each operation that takes one."""
    for row in rows:
        if row.place == _KEY and not row.is_public:
            key = cast.keys[row.operation] = nobodys(_KEY, "x" * 32)
            made = cast.ended[row.operation] = await anew(cast, row.operation)
            used = {**cast.own["owner"], **made, _KEY: key}
            answer = await _send(cast, Cell(row, "owner"), _KEY, used, 0)
            assert answer.is_success or row.refuses("owner"), answer.text


async def _fetch_cursors(cast: Cast, rows: tuple[Row, ...]) -> None:
    """Asha's cursor of each list, after its first item."""
    for row in rows:
        if row.place == "?cursor":
            path = row.operation.split(" ")[1].format_map(cast.own["owner"])
            asked = requests(row, "cursor", {"cursor": ""})[0].get("params", {})
            asked = {name: value for name, value in asked.items() if name != "cursor"}
            page = json_of(await cast.asha.http.get(path, params=asked | {"limit": 1}))
            # Where one day fills one page, or nothing is for her, there is no cursor of anybody's.
            cursor = page.get("next_cursor")
            assert cursor or row.hides("owner"), f"{path} has one page"
            cast.cursors[row.operation] = cursor or nobodys("cursor", "x" * 64)


async def _hers(cast: Cast) -> list[Json]:
    """All that nobody else may change, once nothing of it is being indexed."""
    lists = ("documents", "records", "collections", "conversations")
    found: list[Json] = []
    for each in lists:
        found += json_of(await cast.asha.http.get(f"/v1/{each}?limit=200"))["items"]
    for each in ("grant", "consent", "link", "run"):
        path = f"/v1/{each}s/{cast.things['owner'][f'{each}_id']}"
        found.append(json_of(await cast.asha.http.get(path)))
    if any(each.get("state") in _UNDER_WAY for each in found):
        await asyncio.sleep(0.1)
        return await _hers(cast)
    return found
