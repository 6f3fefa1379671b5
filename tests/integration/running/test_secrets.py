"""Canaries in every secret place, searched for wherever they must not come out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import psutil
import pytest

from tests.integration.accounts.authenticator import Authenticator
from tests.integration.running.people import PASSWORD, Json, grant_body, json_of, signed_up
from tests.integration.running.program import Program, ending

IN_THE_CLEAR_BY_DESIGN = ("postings",)  # single words, in index mode `clear`


def _canary(place: str) -> str:
    """Several words: the lexemes of a searchable document are in the clear, one by one."""
    return f"{place} zanzibar{uuid4().hex[:8]} okapi{uuid4().hex[:8]} {place}"


@dataclass
class Aftermath:
    """A program that was told secrets, and all that came out of it beside proper answers."""

    program: Program
    content: dict[str, str]
    secrets: dict[str, str]
    refusals: list[httpx2.Response] = field(default_factory=list)
    metrics: str = ""


@pytest.fixture(scope="module")
async def aftermath(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Aftermath]:
    content = {
        each: _canary(each) for each in ("text", "title", "filename", "metadata", "question")
    }
    secrets = {each: _canary(each) for each in ("model_key", "keyring_passphrase")}
    program = Program(
        places(),
        models=built_models,
        log_level="debug",
        log_format="json",
        model_url="http://127.0.0.1:9/v1",
        model="none",
        **secrets,
    )
    async with ending(program):
        await program.start()
        after = Aftermath(program, content, secrets | {"password": PASSWORD})
        await _use_everything(after)
        yield after


async def _use_everything(after: Aftermath) -> None:
    content, program = after.content, after.program
    async with signed_up(program, "Asha") as asha, signed_up(program, "Ben") as ben:
        after.secrets |= {f"{name} of Asha": asha.tokens[name] for name in _TOKENS}
        document = await asha.ready(
            content["text"],
            filename=content["filename"],
            title=content["title"],
            metadata=f'{{"{content["metadata"]}": "{content["metadata"]}"}}',
        )
        path = f"/v1/documents/{document['id']}"
        assert (await asha.http.get(f"{path}/text")).text == content["text"]
        await asha.grant(document["id"], ben)
        search = {"query": content["question"]}
        assert (await asha.http.post("/v1/search", json=search)).status_code == 200
        await _ask(asha.http, content["question"])
        form = {"grant_type": "refresh_token", "refresh_token": asha.tokens["refresh_token"]}
        renewed = await asha.http.post("/v1/oauth/token", data=form)
        after.secrets["renewed refresh token"] = json_of(renewed)["refresh_token"]
        await _set_up_one_time_codes(after, asha.http)
        after.refusals = [answer async for answer in _refused(after, asha.http, asha.email, path)]
        replaced = await asha.http.put(
            f"{path}/content", content=content["text"] + " again", headers={"If-Match": '"1"'}
        )
        assert replaced.status_code == 202, replaced.text
        await asha.until_ended(document["id"])
        after.metrics = (await asha.http.get("/metrics")).text


async def _set_up_one_time_codes(after: Aftermath, http: httpx2.AsyncClient) -> None:
    proposed = json_of(await http.post("/v1/me/totp"))
    app = await Authenticator.at_the_start_of_a_step(proposed["secret"])
    confirmed = await http.post("/v1/me/totp/confirm", json={"code": app.code()})
    codes: list[str] = json_of(confirmed)["recovery_codes"]
    after.secrets |= {"totp secret": app.secret, "recovery code": codes[0], "used code": codes[1]}
    stepped_up = await http.post("/v1/sessions/step-up", json={"totp": codes[1]})
    after.secrets["stepped-up access token"] = json_of(stepped_up)["access_token"]


async def _refused(
    after: Aftermath, http: httpx2.AsyncClient, email: str, path: str
) -> AsyncIterator[httpx2.Response]:
    """Requests that carry canaries and are refused."""
    said = " / ".join(after.content.values())
    files = {"file": (after.content["filename"], said)}
    refresh = after.secrets["refresh_token of Asha"]
    wrong: Json = {"email": email, "password": said}
    account = {"email": email, "display_name": "Asha", "password": PASSWORD}
    yield await http.post("/v1/sessions", json=wrong)
    yield await http.post("/v1/sessions", json={"email": email, "password": PASSWORD, "x": said})
    for totp in (after.secrets["recovery code"], after.secrets["totp secret"], said):
        yield await http.post("/v1/sessions", json=wrong | {"totp": totp})
    yield await http.post("/v1/sessions/step-up", json={"totp": after.secrets["used code"]})
    yield await http.post("/v1/me/totp/confirm", json={"code": after.secrets["totp secret"]})
    yield await http.post("/v1/accounts", json=account)
    yield await http.post("/v1/accounts", json=account | {"email": said})
    yield await http.post("/v1/accounts", json=account | {"email": f"{PASSWORD}@example.org"})
    yield await http.post("/v1/oauth/token", data={"grant_type": refresh, "refresh_token": said})
    used = {"grant_type": "refresh_token", "refresh_token": refresh}
    yield await http.post("/v1/oauth/token", data=used)
    yield await http.get("/v1/me", headers={"Authorization": f"Bearer {refresh}"})
    yield await http.post("/v1/documents", files=files, data={"title": "x" * 3000})
    yield await http.post("/v1/documents", files=files, data={"index_mode": said})
    yield await http.post("/v1/documents", files=files, data={"metadata": said})
    yield await http.post("/v1/documents", files={"file": ("a.bin", b"\0" + said.encode())})
    yield await http.get(path, params={"purpose": said})
    yield await http.get(f"/v1/documents/{said}")
    yield await http.get("/v1/documents", params={"cursor": said})
    yield await http.put(f"{path}/content", content=said, headers={"If-Match": '"7"'})
    yield await http.post("/v1/search", json={"query": said, "mode": said})
    yield await http.post("/v1/search", json={"query": [said]})
    yield await http.post("/v1/search", content=f'{{"query": "{said}'.encode())
    yield await http.post("/v1/grants", json=grant_body(str(uuid4()), said, purpose=said))


async def _ask(http: httpx2.AsyncClient, question: str) -> None:
    """In a chat, where there is one."""
    begun = await http.post("/v1/conversations", json={"title": question})
    if begun.status_code == 404:
        return
    asked = await http.post(
        f"/v1/conversations/{json_of(begun)['id']}/messages", json={"content": question}
    )
    assert asked.status_code == 202, asked.text
    async with http.stream("GET", f"/v1/runs/{json_of(asked)['run']['id']}/events") as events:
        async for _ in events.aiter_lines():
            pass


def test_nothing_secret_is_logged_or_measured(aftermath: Aftermath) -> None:
    said = aftermath.program.said
    assert said.count("request_answered") > 20
    assert "request_failed" not in said
    assert _found(said, aftermath.content | aftermath.secrets) == []
    assert _found(aftermath.metrics, aftermath.content | aftermath.secrets) == []


def test_a_refusal_does_not_repeat_what_it_refuses(aftermath: Aftermath) -> None:
    for answer in aftermath.refusals:
        asked = f"{answer.request.method} {answer.request.url.path}"
        assert 400 <= answer.status_code < 500, f"{asked}: {answer.text}"
        # `instance` is the path itself, which the client wrote.
        told = answer.text.replace(answer.request.url.raw_path.decode().partition("?")[0], "")
        told += str(answer.headers)
        assert _found(told, aftermath.content | aftermath.secrets) == [], asked


def test_no_process_shows_a_secret_to_others(aftermath: Aftermath) -> None:
    server = psutil.Process(aftermath.program.pid)
    children = server.children(recursive=True)
    assert children
    for process in (server, *children):
        shown = " ".join(process.cmdline())
        assert _found(shown, aftermath.secrets) == [], shown
    for process in children:
        inherited = " ".join(process.environ().values())
        assert _found(inherited, aftermath.secrets) == [], process.cmdline()


async def test_no_table_holds_content_or_secrets_in_the_clear(aftermath: Aftermath) -> None:
    connection = await asyncpg.connect(aftermath.program.database_url)
    dumped: list[str] = []
    try:
        for table in await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE NOT tablename = ANY($1)",
            IN_THE_CLEAR_BY_DESIGN,
        ):
            name = f'"{table["schemaname"]}"."{table["tablename"]}"'
            rows = bytearray()

            async def keep(part: bytes, rows: bytearray = rows) -> None:
                rows.extend(part)

            await connection.copy_from_query(f"SELECT * FROM {name}", output=keep)
            for found in _found(bytes(rows), aftermath.content | aftermath.secrets):
                dumped.append(f"{found} in {name}")
    finally:
        await connection.close()
    assert dumped == []


async def test_no_file_holds_content_or_secrets_in_the_clear(aftermath: Aftermath) -> None:
    """Not the database's files, its log ahead of them, the keyring, or anything beside them."""
    await aftermath.program.stop()
    found, searched = await asyncio.to_thread(_search_files, aftermath)
    assert searched > 100
    assert found == []


_TOKENS = ("access_token", "refresh_token")


def _search_files(aftermath: Aftermath) -> tuple[list[str], int]:
    found, searched = [], 0
    for path in _files(aftermath.program.data_dir):
        canaries = aftermath.content | aftermath.secrets
        found += [f"{each} in {path}" for each in _found(path.read_bytes(), canaries)]
        searched += 1
    return found, searched


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file() and "models" not in path.parts)


def _found(where: str | bytes, canaries: dict[str, str]) -> list[str]:
    """The names of the canaries that are in there: as they are, quoted, or as bytea's hex."""
    haystack = where.encode() if isinstance(where, str) else where
    found = []
    for name, canary in canaries.items():
        plain = canary.encode()
        forms = (
            plain,
            plain.replace(b" ", b"%20"),
            plain.replace(b" ", b"+"),
            plain.hex().encode(),
        )
        if any(form in haystack for form in forms):
            found.append(name)
    return found
