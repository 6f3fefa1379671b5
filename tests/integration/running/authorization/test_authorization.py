"""Who gets what of the running program: every operation, place and role, as matrix.txt says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.integration.running.authorization.cast import SHARED, Cast
from tests.integration.running.authorization.matrix import ANYBODY, ROLES, read_matrix
from tests.integration.running.authorization.places import operations, places
from tests.integration.running.authorization.playing import Cell, play
from tests.integration.running.authorization.staging import cast_of
from tests.integration.running.people import PURPOSE, Json, json_of
from tests.integration.running.program import Program

MATRIX = read_matrix()


@pytest.fixture(scope="module")
async def api(running: Program) -> Json:
    async with running.client() as http:
        return json_of(await http.get("/openapi.json"))


@pytest.fixture(scope="module")
async def cast(running: Program) -> AsyncIterator[Cast]:
    async with cast_of(running) as cast:
        yield cast


@pytest.fixture(scope="module")
async def cells(cast: Cast) -> list[Cell]:
    return await play(cast, MATRIX)


def test_every_place_of_every_operation_has_a_row(api: Json) -> None:
    there = {(name, place) for name, each in operations(api) for place in places(each, api)}
    rows = {row.key for row in MATRIX}
    assert there - rows == set(), "places without a row: add them to matrix.txt"
    assert rows - there == set(), "rows of matrix.txt that speak of nothing"


def test_what_needs_no_token_says_so(api: Json) -> None:
    public = {name for name, each in operations(api) if each.get("security") == []}
    assert {row.operation for row in MATRIX if row.is_public} == public


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: " ".join(row.key))
def test_each_role_is_answered_as_the_matrix_says(cells: list[Cell], row: object) -> None:
    tried = [cell for cell in cells if cell.row is row]
    assert {cell.role for cell in tried} == set(tried[0].row.by_role)
    wrong = [f"{cell.role}, {each}" for cell in tried for each in cell.wrong]
    assert not wrong, "\n".join(wrong)


def test_the_whole_matrix_was_tried(
    cells: list[Cell], api: Json, figure: Callable[[str], None]
) -> None:
    offered = {name for name, _ in operations(api)}
    uncovered = offered - {cell.row.operation for cell in cells}
    wrong = [cell for cell in cells if cell.wrong]
    figure(
        f"{len(cells)} cells of {len(offered)} operations, {len(MATRIX)} places and {len(ROLES)} "
        f"roles in {sum(cell.requests for cell in cells)} requests: {len(wrong)} wrong, "
        f"{len(uncovered)} operations uncovered"
    )
    assert len(cells) == sum(len(ANYBODY if row.is_public else ROLES) for row in MATRIX)
    assert (wrong, uncovered) == ([], set())


def test_no_header_is_sent_that_the_document_does_not_declare(
    cells: list[Cell], api: Json, figure: Callable[[str], None]
) -> None:
    declared = {name: each["responses"] for name, each in operations(api)}
    sent = {(cell.row.operation, *each) for cell in cells for each in cell.headers}
    undeclared = {
        (operation, status, header)
        for operation, status, header in sent
        if header not in _OF_HTTP and header not in _headers_of(declared[operation], status, api)
    }
    own = {header for _, _, header in sent if header.startswith("x-")}
    figure(f"{len(sent)} headers by operation and status, {len(own)} of our own: {sorted(own)}")
    assert {"x-request-id", "x-release-id", "x-release-promise", "x-text-key"} <= own
    assert undeclared == set()


def _headers_of(responses: Json, status: int, api: Json) -> set[str]:
    response = responses.get(str(status)) or responses["default"]
    if "$ref" in response:
        response = api["components"]["responses"][response["$ref"].rpartition("/")[2]]
    return {name.lower() for name in response["headers"]}


_OF_HTTP = {"connection", "content-length", "content-type", "date", "server", "transfer-encoding"}
"""By these HTTP says how a body is sent."""


async def test_a_search_finds_what_is_shared_and_nothing_else(cast: Cast) -> None:
    searched = {"query": SHARED, "mode": "keyword", "purpose": PURPOSE}
    for role, http in cast.clients.items():
        answer = await http.post("/v1/search", json=searched)
        found = {each["document_id"] for each in answer.json().get("items", ())}
        there = {cast.things["owner"][each] for each in ("document_id", "record_id")}
        assert found == (there if role in ("owner", "grantee", "bearer") else set()), role


async def test_another_purpose_than_the_granted_one_finds_nothing(cast: Cast) -> None:
    for role in ("grantee", "bearer"):
        for part in ("", "/content", "/text"):
            path = f"/v1/documents/{cast.things['owner']['document_id']}{part}"
            for asked, status in (({}, 404), ({"purpose": "care"}, 404), (_GRANTED, 200)):
                answer = await cast.clients[role].get(path, params=asked)
                assert answer.status_code == status, f"{role} {path} {asked}"


_GRANTED = {"purpose": PURPOSE}
