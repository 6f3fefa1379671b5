"""A conversation over a WebSocket, with a real client, and models that say what a test needs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from adapters.encryption.keyring import LocalKeyring
from adapters.identifiers import uuid7
from adapters.tokens.access_tokens import JwtAccessTokens
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.ports import Authenticated
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import Text
from domain.identity import Caller, RunId, SessionId
from entrypoints.http.runs import RunsController
from entrypoints.http.sockets import REFUSED_MAX, converse
from entrypoints.http.streams import StreamLimits
from tests.integration.chat.conftest import Chat, OpenChat, scripted
from tests.integration.chat.test_chat_over_http import EVENT, As, constant, provided
from tests.integration.chat.test_taking_back import Share, withdraw

ISSUER = "https://strongroom.example"
RECEIVE_BYTES = 16 * 1024  # of the operating system's buffer: what it holds counts as read
ENDED = ("completed", "cancelled", "failed", "access_revoked")
Json = dict[str, Any]


@dataclass
class Socket:
    """One client's end. `token` opens it."""

    ws: ClientConnection
    token: str

    async def send(self, **frame: Any) -> None:
        await self.ws.send(json.dumps(frame))

    async def next(self, kind: str | None = None) -> Json:
        async with asyncio.timeout(10):
            while True:
                told: Json = json.loads(await self.ws.recv())
                if kind is None or told["type"] == kind:
                    return told

    async def until_ended(self) -> list[Json]:
        """The events of a run, up to its last."""
        events = [await self.next()]
        while events[-1]["type"] not in ENDED:
            events.append(await self.next())
        return events

    async def closed(self) -> int:
        """The code that it is closed with, whatever comes before."""
        async with asyncio.timeout(20):
            try:
                while True:
                    await self.ws.recv()
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006


OpenSocket = Callable[..., AbstractAsyncContextManager[Socket]]


@pytest.fixture
def tokens(keyring: LocalKeyring) -> Callable[..., JwtAccessTokens]:
    keys = SigningKeys(signer=keyring)
    return lambda seconds=600: JwtAccessTokens(
        keys=keys, issuer=ISSUER, audience="strongroom", new_id=uuid7, lifetime_seconds=seconds
    )


@pytest.fixture
def open_socket(
    serve: Any, asha: Caller, tokens: Callable[..., JwtAccessTokens]
) -> Callable[..., Any]:
    """`async with open_socket(chat, conversation_id) as socket`: authenticated as Asha."""

    async def token_of(caller: Caller, seconds: int = 600) -> str:
        now = datetime.now(UTC)
        session = SessionId(uuid7())
        authenticated = Authenticated(caller=caller, session_id=session, auth_time=now)
        return await tokens(seconds).issue(authenticated)

    @asynccontextmanager
    async def opened(
        chat: Chat,
        conversation_id: object,
        *,
        caller: Caller = asha,
        seconds: int = 600,
        authenticate: bool = True,
        limits: StreamLimits | None = None,
        receive_bytes: int | None = None,
        **options: Any,
    ) -> AsyncIterator[Any]:
        dependencies = provided(chat) | {
            "access_tokens": constant(tokens()),
            "issuer": constant(ISSUER),
        }
        async with serve(
            converse,
            RunsController,
            dependencies=dependencies,
            middleware=[As(asha)],
            stream_limits=limits,
        ) as running:
            url = f"ws://127.0.0.1:{running.port}/v1/conversations/{conversation_id}/socket"
            if receive_bytes is not None:
                options["sock"] = await _connected(running.port, receive_bytes)
            async with connect(url, proxy=None, **options) as ws:
                client = Socket(ws, await token_of(caller, seconds))
                client.http = running.client  # type: ignore[attr-defined]
                client.server = running.server  # type: ignore[attr-defined]
                if authenticate:
                    await client.send(type="authenticate", token=client.token)
                    if caller is asha:
                        assert (await client.next())["type"] == "authenticated"
                yield client

    return opened


async def until_closed(ws: ClientConnection) -> AsyncIterator[str | bytes]:
    try:
        while True:
            yield await ws.recv()
    except ConnectionClosed:
        return


async def _connected(port: int, receive_bytes: int) -> socket.socket:
    """A connection with a small buffer, which must be chosen before it is made."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.setblocking(False)
    await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", port))
    return made


async def test_a_question_is_asked_and_its_events_are_those_of_the_native_format(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    async with open_socket(chat, await chat.conversation(asha)) as client:
        await client.send(type="ask", content="What do cats do?")
        asked = await client.next()
        assert (asked["type"], asked["to"]) == ("asked", 2)
        run_id = asked["run"]["id"]
        events = await client.until_ended()
        native = await client.http.get(f"/v1/runs/{run_id}/events")
        told = [(str(each["number"]), each["type"], each["data"]) for each in events]
        assert told == [
            (number, kind, json.loads(data)) for number, kind, data in EVENT.findall(native.text)
        ]
        assert {each["run_id"] for each in events} == {run_id}


async def test_a_run_is_resumed_after_any_event(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    conversation_id = await chat.conversation(asha)
    asked = await chat.ask(asha, conversation_id)
    async with open_socket(chat, conversation_id) as client:
        await client.send(type="resume", run_id=str(asked.run.id))
        whole = await client.until_ended()
        for number in range(1, len(whole)):
            await client.send(type="resume", run_id=str(asked.run.id), after=number)
            assert await client.until_ended() == whole[number:]


async def test_a_repeated_question_joins_its_run_and_another_one_is_refused(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    async with open_socket(chat, await chat.conversation(asha)) as client:
        runs = []
        for _ in range(2):
            await client.send(type="ask", id="m1", content="What do cats do?")
            runs.append((await client.next("asked"))["run"]["id"])
            await client.until_ended()
        assert runs[0] == runs[1]
        await client.send(type="ask", id="m1", content="What do dogs do?")
        refused = await client.next("refused")
        assert (refused["to"], refused["problem"]["status"]) == (4, 422)


async def test_a_run_is_cancelled_over_the_socket(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat(scripted(*[Text("word ")] * 1000, pause_seconds=0.02))
    async with open_socket(chat, await chat.conversation(asha)) as client:
        await client.send(type="ask", content="What do cats do?")
        run_id = (await client.next("asked"))["run"]["id"]
        await client.next("text_delta")
        await client.send(type="ask", content="And dogs?")
        assert (await client.next("refused"))["problem"]["code"] == "run_already_active"
        await client.send(type="cancel", run_id=run_id)
        assert (await client.next("cancelling"))["to"] == 4
        assert (await client.until_ended())[-1]["type"] == "cancelled"


async def test_questions_wait_for_their_turn_and_answers_are_made_anew_over_the_socket(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat(scripted(0.4, Text("so")))
    async with open_socket(chat, await chat.conversation(asha)) as client:
        for words in ("q1", "q2", "q3"):
            await client.send(type="ask", content=words, when_busy="queue")
        asked = {}
        while len(asked) < 3:
            told = await client.next("asked")
            asked[told["to"]] = told["run"]
        assert [asked[number]["state"] for number in (2, 3, 4)] == ["running", "queued", "queued"]
        await client.send(type="cancel", run_id=asked[4]["id"])
        ends = {}
        while len(ends) < 3:
            told = await client.next()
            if told["type"] in ENDED:
                ends[told["run_id"]] = told["type"]
        kinds = [ends[asked[number]["id"]] for number in (2, 3, 4)]
        assert kinds == ["completed", "completed", "cancelled"]
        await client.send(type="regenerate", id="again", message_id=asked[2]["answer_id"])
        anew = (await client.next("asked"))["run"]
        assert anew["question_id"] == asked[2]["question_id"]
        assert (await client.until_ended())[-1]["type"] == "completed"
        await client.send(type="regenerate", id="again", message_id=asked[2]["answer_id"])
        assert (await client.next("asked"))["run"]["id"] == anew["id"]
        await client.until_ended()
        await client.send(type="ask", content="q4", parent_id=asked[2]["answer_id"])
        assert (await client.next("asked"))["run"]["state"] == "running"
        assert (await client.until_ended())[-1]["type"] == "completed"
        await client.send(type="regenerate", message_id=str(uuid4()))
        assert (await client.next("refused"))["problem"]["status"] == 404


async def test_a_withdrawal_ends_the_answer(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller, share: Share
) -> None:
    shared = await share(asha)
    model = scripted(*[Text("word ")] * 1000, pause_seconds=0.02)
    chat = await open_chat(model, excerpts=[shared.excerpt])
    async with open_socket(chat, await chat.conversation(asha)) as client:
        await client.send(type="ask", content="What do cats do?", purpose="research")
        run_id = (await client.next("asked"))["run"]["id"]
        await client.next("text_delta")
        await withdraw(chat, shared)
        async with asyncio.timeout(1.5):
            assert (await client.until_ended())[-1]["type"] == "access_revoked"
        await client.send(type="resume", run_id=run_id)
        assert (await client.next("refused"))["problem"]["code"] == "access_revoked"


async def test_what_is_no_frame_is_refused_and_the_socket_goes_on(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    wrong: list[tuple[str | bytes, str]] = [
        ("", "not_json"),
        ("{", "not_json"),
        ("[]", "/type"),
        ('{"type":"dance"}', "/type"),
        ('{"type":"ask"}', "/content"),
        ('{"type":"ask","content":" "}', "/content"),
        ('{"type":"ask","content":"x","nope":1}', "/nope"),
        ('{"type":"ask","content":"x","purpose":"world_domination"}', "/purpose"),
        ('{"type":"resume","run_id":"x"}', "/run_id"),
        (json.dumps({"type": "resume", "run_id": str(uuid4()), "after": -1}), "/after"),
        (json.dumps({"type": "resume", "run_id": str(uuid4())}), "not_found"),
        (json.dumps({"type": "cancel", "run_id": str(uuid4())}), "not_found"),
        (b"\xff\xfe", "not_json"),
    ]
    async with open_socket(chat, await chat.conversation(asha)) as client:
        for number, (frame, what) in enumerate(wrong, start=2):
            await client.ws.send(frame)
            refused = await client.next()
            assert (refused["type"], refused["to"]) == ("refused", number)
            problem = refused["problem"]
            pointers = [each["pointer"] for each in problem.get("errors", ())]
            assert what in (problem["code"], *pointers), (frame, problem)
        await client.send(type="ask", content="What do cats do?")
        assert (await client.until_ended())[-1]["type"] == "completed"


async def test_whoever_sends_nothing_but_nonsense_is_let_go(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    async with open_socket(chat, await chat.conversation(asha)) as client:
        for _ in range(REFUSED_MAX + 1):
            await client.ws.send("nonsense")
        assert await client.closed() == 1008


async def test_a_frame_that_is_too_large_closes_the_socket(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    async with open_socket(chat, await chat.conversation(asha)) as client:
        await client.ws.send("x" * (128 * 1024 + 1))
        assert await client.closed() == 1009


async def test_so_many_runs_are_followed_at_a_time_and_no_more(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.http.sockets.FOLLOWED_MAX", 1)
    chat = await open_chat(scripted(*[Text("word ")] * 30, pause_seconds=0.02))
    conversation_id = await chat.conversation(asha)
    first = await chat.ask(asha, conversation_id)
    await chat.events(asha, first.run.id)
    async with open_socket(chat, conversation_id) as client:
        await client.send(type="ask", content="What do dogs do?")
        await client.next("text_delta")
        await client.send(type="resume", run_id=str(first.run.id))
        refused = await client.next("refused")
        assert refused["problem"]["code"] == "too_many_followed"
        assert refused["problem"]["status"] == 429
        await client.until_ended()
        await client.send(type="resume", run_id=str(first.run.id))
        assert (await client.until_ended())[0]["number"] == 1


async def test_a_reader_that_does_not_read_is_told_to_come_back_and_misses_nothing(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller, figure: Callable[[str], None]
) -> None:
    chat = await open_chat(
        scripted(*[Text("x" * 50_000)] * 400), limits=AnswerLimits(answer_bytes_max=2**25)
    )
    conversation_id = await chat.conversation(asha)
    patience = StreamLimits(write_seconds_max=1.0)
    async with open_socket(
        chat, conversation_id, limits=patience, receive_bytes=RECEIVE_BYTES, max_queue=1
    ) as client:
        await client.send(type="ask", content="What do cats do?")
        asked = await client.next("asked")
        await client.next("retrieval")
        await asyncio.sleep(1.5)  # its buffers are full by now, and nobody reads
        seen: list[int] = []
        async with asyncio.timeout(20):
            async for frame in until_closed(client.ws):
                seen.append(json.loads(frame)["number"])
        last = client.ws.protocol.close_rcvd
        assert last is not None
        assert (last.code, last.reason) == (1013, "reader_too_slow")
    run_id = asked["run"]["id"]
    whole = await chat.events(asha, RunId(UUID(run_id)))
    assert whole[-1].type == "completed"  # the run did not wait for its reader
    assert seen == list(range(3, 3 + len(seen)))
    async with open_socket(chat, conversation_id) as client:
        await client.send(type="resume", run_id=run_id, after=seen[-1])
        rest = await client.until_ended()
    assert [each["number"] for each in rest] == list(range(seen[-1] + 1, len(whole) + 1))
    figure(f"cut after {seen[-1]} of {len(whole)} events, and read the other {len(rest)} later")


async def test_the_token_comes_first_and_is_a_good_one(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    conversation_id = await chat.conversation(asha)
    frames: list[Json] = [
        {"type": "ask", "content": "What do cats do?"},
        {"type": "authenticate", "token": "nobody's"},
    ]
    for frame in frames:
        async with open_socket(chat, conversation_id, authenticate=False) as client:
            await client.send(**frame)
            assert await client.closed() == 3000


async def test_a_conversation_of_somebody_else_is_as_if_there_were_none(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller, share: Share
) -> None:
    chat = await open_chat()
    stranger = (await share(asha)).owner
    for conversation_id in (await chat.conversation(asha), uuid4()):
        async with open_socket(chat, conversation_id, caller=stranger) as client:
            assert await client.closed() == 4404


async def test_a_run_of_another_conversation_is_not_followed_here(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    asked = await chat.ask(asha)
    async with open_socket(chat, await chat.conversation(asha)) as client:
        for kind in ("resume", "cancel"):
            await client.send(type=kind, run_id=str(asked.run.id))
            assert (await client.next("refused"))["problem"]["status"] == 404


async def test_a_socket_lives_as_long_as_its_token_unless_a_newer_one_comes(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller, share: Share
) -> None:
    chat = await open_chat()
    conversation_id = await chat.conversation(asha)
    async with open_socket(chat, conversation_id, seconds=2) as short:
        async with asyncio.timeout(4):
            assert await short.closed() == 3000
    async with (
        open_socket(chat, conversation_id, authenticate=False) as other,
        open_socket(chat, conversation_id, seconds=2) as client,
    ):
        await client.send(type="authenticate", token=other.token)
        assert (await client.next())["type"] == "authenticated"
        await asyncio.sleep(2.2)
        await client.send(type="ask", content="What do cats do?")
        assert (await client.until_ended())[-1]["type"] == "completed"
        stranger = (await share(asha)).owner
        async with open_socket(
            chat, conversation_id, caller=stranger, authenticate=False
        ) as another:
            await client.send(type="authenticate", token=another.token)
            assert await client.closed() == 3000


async def test_a_page_of_another_origin_cannot_open_a_socket(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat()
    conversation_id = await chat.conversation(asha)
    for origin in ("https://elsewhere.example", "null", f"{ISSUER}.elsewhere.example"):
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(chat, conversation_id, origin=origin):
                pass
        assert refused.value.response.status_code == 403
    async with open_socket(chat, conversation_id, origin=ISSUER) as client:
        await client.send(type="ask", content="What do cats do?")
        assert (await client.until_ended())[-1]["type"] == "completed"


async def test_a_server_that_stops_says_to_come_back(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller
) -> None:
    chat = await open_chat(scripted(*[Text("word ")] * 1000, pause_seconds=0.02))
    async with open_socket(chat, await chat.conversation(asha)) as client:
        await client.send(type="ask", content="What do cats do?")
        await client.next("text_delta")
        client.server.should_exit = True
        assert await client.closed() == 1012


async def test_whoever_never_says_who_they_are_is_let_go(
    open_chat: OpenChat, open_socket: OpenSocket, asha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entrypoints.http.sockets.AUTHENTICATE_SECONDS_MAX", 0.3)
    chat = await open_chat()
    conversation_id = await chat.conversation(asha)
    async with open_socket(chat, conversation_id, authenticate=False) as client:
        assert await client.closed() == 3008
