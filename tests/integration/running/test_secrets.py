"""Canaries in every secret place, searched for wherever they must not come out."""

from __future__ import annotations

import asyncio
import importlib.util
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx2
import psutil
import pytest

from tests.integration.accounts.authenticator import Authenticator
from tests.integration.running.collector import Collector, collecting
from tests.integration.running.dump import files, hits, tables
from tests.integration.running.people import (
    PASSWORD,
    Json,
    Person,
    grant_body,
    json_of,
    signed_in,
    signed_up,
)
from tests.integration.running.program import Program, command, ending
from tests.integration.running.test_links import link, redeem

IN_THE_CLEAR_BY_DESIGN = "public.postings"  # single words, in index mode `clear`
A_KEY_AS_GIVEN = "Idempotency-Key in public.idempotency_keys"  # the client's name for a request
CAN_EXPORT = importlib.util.find_spec("opentelemetry.exporter.otlp") is not None


def _canary(place: str) -> str:
    """Several words: the lexemes of a searchable document are in the clear, one by one."""
    return f"{place} zanzibar{uuid4().hex[:8]} okapi{uuid4().hex[:8]} {place}"


@dataclass
class Aftermath:
    """A program that was told secrets, and all that came out of it beside proper answers."""

    program: Program
    collector: Collector
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
    with collecting() as collector:
        program = Program(
            places(),
            models=built_models,
            log_level="debug",
            log_format="json",
            model_url="http://127.0.0.1:9/v1",
            model="none",
            **({"otlp_url": collector.url} if CAN_EXPORT else {}),
            **secrets,
        )
        async with ending(program):
            await program.start()
            after = Aftermath(program, collector, content, secrets | {"password": PASSWORD})
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
        await _share_by_link(after, asha, document["id"])
        await _act_as_a_program(after, asha, document["id"])
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


async def _share_by_link(after: Aftermath, asha: Person, document_id: str) -> None:
    """A link behind a pass-code, redeemed with a key; and another key for a grant."""
    secrets = after.secrets
    secrets |= {"pass-code": _canary("pass-code"), "wrong pass-code": _canary("wrong-code")}
    secrets |= {"Idempotency-Key": _canary("key"), "redeeming key": _canary("redeeming")}
    made = await link(asha, document_id, passcode=secrets["pass-code"], redemptions_max=2)
    secrets["link token"] = made["token"]
    keyed = {"passcode": secrets["pass-code"], "key": secrets["redeeming key"]}
    redeemed = await redeem(after.program, made["token"], **keyed)
    assert redeemed.status_code == 200, redeemed.text
    secrets["grant token"] = json_of(redeemed)["access_token"]
    described = {"data": {"token": secrets["grant token"]}}
    assert json_of(await asha.http.post("/v1/oauth/introspect", **described))["active"]
    headers = {"Idempotency-Key": secrets["Idempotency-Key"]}
    begun = await asha.http.post("/v1/conversations", json={"title": "Once"}, headers=headers)
    assert begun.status_code == 201, begun.text


async def _act_as_a_program(after: Aftermath, asha: Person, document_id: str) -> None:
    """A service client, with both of its secrets, in both ways."""
    program, secrets = after.program, after.secrets
    async with signed_up(program, "Ada") as ada:
        url = program.database_url
        said = await command(
            "role", "set", ada.email, "admin", directory=program.data_dir, database_url=url
        )
        assert said[0] == 0, said
        signed = {
            "Authorization": f"Bearer {(await signed_in(ada.http, ada.email))['access_token']}"
        }
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        new = {"name": "Nightly import", "expires_at": ends}
        made = json_of(await ada.http.post("/v1/service-clients", json=new, headers=signed))
        path = f"/v1/service-clients/{made['id']}/secret"
        replaced = await ada.http.post(path, json={"overlap_seconds": 60}, headers=signed)
        old, secret = made["client_secret"], json_of(replaced)["client_secret"]
        basic = b64encode(f"{made['id']}:{secret}".encode()).decode()
        secrets |= {"old client secret": old, "client secret": secret, "Basic": basic}
        form = {"grant_type": "client_credentials"}
        by_basic = {"data": form, "headers": {"Authorization": f"Basic {basic}"}}
        in_form = {"data": form | {"client_id": made["id"], "client_secret": old}}
        async with program.client() as http:
            for number, asked in enumerate((by_basic, in_form)):
                token = json_of(await http.post("/v1/oauth/token", **asked))["access_token"]
                secrets[f"access token {number} of a client"] = token
            http.headers["Authorization"] = f"Bearer {token}"
            assert (await http.get(f"/v1/documents/{document_id}")).status_code == 404


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
    secret, basic = after.secrets["client secret"], after.secrets["Basic"]
    of_a_client = {"grant_type": "client_credentials", "client_id": said, "client_secret": secret}
    yield await http.post("/v1/oauth/token", data=of_a_client)
    yield await http.post("/v1/oauth/token", data=of_a_client | {"client_secret": said})
    wrong_basic = {"Authorization": f"Basic {basic}x"}
    for headers in (wrong_basic, {"Authorization": f"Basic {basic}", "X-Said": secret}):
        form = {"grant_type": "client_credentials", "scope": secret}
        yield await http.post("/v1/oauth/token", data=form, headers=headers)
    yield await http.get("/v1/me", headers={"Authorization": f"Bearer {secret}"})
    yield await http.get(f"/v1/service-clients/{secret}")
    link_token, key = after.secrets["link token"], after.secrets["Idempotency-Key"]
    for code in (after.secrets["wrong pass-code"], after.secrets["pass-code"] + "!", None):
        yield await redeem(after.program, link_token, passcode=code)
    yield await redeem(after.program, link_token + "x", key=after.secrets["redeeming key"])
    yield await http.get("/v1/links/open", params={"token": link_token})
    yield await http.get(f"/v1/links/{link_token}")
    for token in (link_token, after.secrets["grant token"] + "x"):
        yield await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    grant_token = {"Authorization": f"Bearer {after.secrets['grant token']}"}
    yield await http.get("/v1/me", headers=grant_token)
    yield await http.get(path, headers=grant_token, params={"purpose": said})
    for headers in ({"Idempotency-Key": key}, {"Idempotency-Key": key * 9}):
        yield await http.post("/v1/conversations", json={"title": "Twice"}, headers=headers)
    yield await http.request("DELETE", "/v1/me", json={"password": after.secrets["pass-code"]})
    yield await http.request("DELETE", "/v1/me/totp", json={"totp": after.secrets["used code"]})


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


def test_nothing_secret_is_logged_or_measured(
    aftermath: Aftermath, figure: Callable[[str], None]
) -> None:
    said = aftermath.program.said
    assert said.count("request_answered") > 20
    assert "request_failed" not in said
    canaries = aftermath.content | aftermath.secrets
    found = _found(said, canaries) + _found(aftermath.metrics, canaries)
    figure(f"{len(found)} hits of {len(canaries)} canaries in {len(said):,} characters of logs")
    assert found == []


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


async def test_no_table_holds_content_or_secrets_in_the_clear(
    aftermath: Aftermath, figure: Callable[[str], None]
) -> None:
    dump = await tables(aftermath.program)
    del dump[IN_THE_CLEAR_BY_DESIGN]
    found = hits(dump, aftermath.content | aftermath.secrets)
    figure(f"{len(found) - 1} hits of {len(aftermath.secrets)} secrets in {len(dump)} tables")
    assert found == [A_KEY_AS_GIVEN]


@pytest.mark.skipif(not CAN_EXPORT, reason="the extra `otel` is not installed")
async def test_no_trace_tells_a_secret(aftermath: Aftermath, figure: Callable[[str], None]) -> None:
    await _stopped(aftermath)
    sent = {f"export {number}": body for number, (_, body) in enumerate(aftermath.collector.sent)}
    assert b"POST /v1/links/redeem" in b"".join(sent.values())
    found = hits(sent, aftermath.content | aftermath.secrets)
    figure(f"{len(found)} hits of {len(aftermath.secrets)} secrets in {len(sent)} exports")
    assert found == []


async def test_no_file_holds_content_or_secrets_in_the_clear(
    aftermath: Aftermath, figure: Callable[[str], None]
) -> None:
    """Not the database's files, its log ahead of them, the keyring, or anything beside them."""
    await _stopped(aftermath)
    searched = await asyncio.to_thread(files, aftermath.program.data_dir, without={"models"})
    assert len(searched) > 100
    canaries = aftermath.content | aftermath.secrets
    del canaries["Idempotency-Key"]
    found = hits(searched, canaries)
    figure(f"{len(found)} hits of {len(canaries)} canaries in {len(searched)} files")
    assert found == []


_TOKENS = ("access_token", "refresh_token")


async def _stopped(aftermath: Aftermath) -> None:
    if aftermath.program.is_running:
        await aftermath.program.stop()


def _found(where: str, canaries: dict[str, str]) -> list[str]:
    return [each.partition(" in ")[0] for each in hits({"it": where.encode()}, canaries)]
