"""A conversation over a WebSocket: ask, follow, cancel and resume on one connection.

Browsers cannot set headers on one, so the token comes in the first frame. A close code tells what
to do: 1012 and 1013 mean to connect again and resume from the last event one has.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import structlog
from litestar import WebSocket, websocket
from litestar.params import FromPath

from application.accounts.ports import AccessToken, AccessTokens
from application.chat.answer_again import AnswerAgain, AskedAnew
from application.chat.ask_question import AskQuestion
from application.chat.cancel_run import CancelRun
from application.chat.follow_run import FollowRun
from application.chat.ports import AskedQuestion, Chats
from application.consent.name_purpose import NamePurpose
from application.ports import Idempotency
from domain.accounts.session import AccessTokenNotValid
from domain.chat.question import Question
from domain.chat.run import RunNotFound
from domain.errors import Refusal, TooMany
from domain.identity import Caller, ConversationId, DocumentId, MessageId, Purpose, RunId
from entrypoints.http.access import PUBLIC
from entrypoints.http.chat_shapes import position_of
from entrypoints.http.drain import Drain
from entrypoints.http.injected import Injected
from entrypoints.http.problems import log_unexpected, problem_of
from entrypoints.http.runs import run_shown
from entrypoints.http.socket_frames import (
    Ask,
    Authenticate,
    Cancel,
    ClientFrame,
    Regenerate,
    event_frame,
    read_frame,
    refused_frame,
    reply_frame,
)
from entrypoints.http.socket_protocol import cut_of
from entrypoints.http.streams import StreamLimits

AUTHENTICATE_SECONDS_MAX = 10.0
FOLLOWED_MAX = 8
REFUSED_MAX = 100

# RFC 6455, section 7.4, and the registry that it began.
NOT_ALLOWED, BROKEN, RESTART, TRY_AGAIN = 1008, 1011, 1012, 1013
UNAUTHORIZED, TIMED_OUT = 3000, 3008
NOT_FOUND = 4404

_log = structlog.get_logger(__name__)


class TooManyFollowed(TooMany):
    """One socket follows so many runs at a time; wait for one of them to end."""

    code = "too_many_followed"


class SocketOver(Exception):
    """The socket is to be closed with this code; None: the client has closed it."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


@websocket("/v1/conversations/{conversation_id:uuid}/socket", opt=PUBLIC)
async def converse(
    socket: WebSocket[Any, Any, Any],
    access_tokens: Injected[AccessTokens],
    chats: Injected[Chats],
    ask_question: Injected[AskQuestion],
    answer_again: Injected[AnswerAgain],
    name_purpose: Injected[NamePurpose],
    follow_run: Injected[FollowRun],
    cancel_run: Injected[CancelRun],
    drain: Injected[Drain],
    stream_limits: Injected[StreamLimits],
    issuer: Injected[str],
    conversation_id: FromPath[UUID],
) -> None:
    """The socket of one conversation, of its owner."""
    if not _is_from(socket, {issuer}):
        await socket.close(NOT_ALLOWED)  # before it was accepted: the handshake answers 403
        return
    await socket.accept()
    session = _Session(
        socket=socket,
        conversation_id=ConversationId(conversation_id),
        access_tokens=access_tokens,
        chats=chats,
        ask_question=ask_question,
        answer_again=answer_again,
        name_purpose=name_purpose,
        follow_run=follow_run,
        cancel_run=cancel_run,
        write_seconds_max=stream_limits.write_seconds_max,
    )
    over = await session.until_over(drain)
    _log.info("socket_closed", code=over.code, reason=over.reason)
    if over.code is not None:
        linger = stream_limits.write_seconds_max
        cut_of(socket.scope)(over.code, over.reason, linger_seconds=linger)


@dataclass(slots=True, kw_only=True)
class _Session:
    socket: WebSocket[Any, Any, Any]
    conversation_id: ConversationId
    access_tokens: AccessTokens
    chats: Chats
    ask_question: AskQuestion
    answer_again: AnswerAgain
    name_purpose: NamePurpose
    follow_run: FollowRun
    cancel_run: CancelRun
    write_seconds_max: float
    _token: AccessToken | None = None
    _received: int = 0
    _refused: int = 0
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    _following: dict[RunId, asyncio.Task[None]] = field(default_factory=dict)
    _renewed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_over(self, drain: Drain) -> SocketOver:
        """Serve the socket, and return why it is over."""
        try:
            with drain.watch() as draining:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._until_drained(draining))
                    tasks.create_task(self._until_expired())
                    tasks.create_task(self._serve(tasks))
        except BaseExceptionGroup as group:
            return _why(group)
        raise AssertionError("none of the tasks returns")

    async def _until_drained(self, draining: asyncio.Future[None]) -> None:
        await asyncio.wait({draining})
        raise SocketOver(RESTART, "server_stopping")

    async def _until_expired(self) -> None:
        """Let the socket live as long as its token, and a while for the first one to come."""
        while True:
            seconds = AUTHENTICATE_SECONDS_MAX
            if self._token is not None:
                seconds = (self._token.expires_at - datetime.now(UTC)).total_seconds()
            self._renewed.clear()
            try:
                async with asyncio.timeout(max(0.0, seconds)):
                    await self._renewed.wait()
            except TimeoutError:
                if self._token is None:
                    raise SocketOver(TIMED_OUT, "not_authenticated") from None
                raise SocketOver(UNAUTHORIZED, "invalid_token") from None

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            text = await self._receive()
            self._received += 1
            number = self._received
            try:
                await self._answer(read_frame(text), number, tasks)
            except Refusal as refusal:
                await self._refuse(number, refusal)

    async def _answer(self, frame: ClientFrame, number: int, tasks: asyncio.TaskGroup) -> None:
        if isinstance(frame, Authenticate):
            await self._authenticate(frame, number)
            return
        caller = self._caller()
        if isinstance(frame, Cancel):
            await self._own_run(caller, RunId(frame.run_id))
            run = await self.cancel_run(caller=caller, run_id=RunId(frame.run_id))
            await self._send(reply_frame("cancelling", number, run=run_shown(run)))
            return
        if len(self._following) >= FOLLOWED_MAX:
            raise TooManyFollowed(retry_after_seconds=1)
        if isinstance(frame, Ask | Regenerate):
            asked = await self._ask(caller, frame)
            told = {"message_id": asked.message.id, "run": run_shown(asked.run)}
            await self._send(reply_frame("asked", number, **told))
            self._follow(tasks, asked.run.id, 0, number)
        else:
            run_id = RunId(frame.run_id)
            await self._own_run(caller, run_id)
            self._follow(tasks, run_id, frame.after, number)

    async def _ask(self, caller: Caller, frame: Ask | Regenerate) -> AskedQuestion:
        if isinstance(frame, Regenerate):
            return await self.answer_again(
                caller=caller,
                conversation_id=self.conversation_id,
                message_id=MessageId(frame.message_id),
                anew=AskedAnew(model=frame.model),
                when_busy=frame.when_busy,
                idempotency=_once(self.conversation_id, frame),
            )
        purpose = await self.name_purpose(caller=caller, code=frame.purpose, field="/purpose")
        return await self.ask_question(
            caller=caller,
            conversation_id=self.conversation_id,
            question=_question(frame, purpose),
            position=position_of(frame.parent_id, frame.replaces),
            when_busy=frame.when_busy,
            model=frame.model,
            idempotency=_once(self.conversation_id, frame),
        )

    async def _authenticate(self, frame: Authenticate, number: int) -> None:
        try:
            token = await self.access_tokens.read(frame.token)
        except AccessTokenNotValid:
            raise SocketOver(UNAUTHORIZED, "invalid_token") from None
        caller = token.authenticated.caller
        if self._token is None:
            if await self.chats.conversation(caller, self.conversation_id) is None:
                raise SocketOver(NOT_FOUND, "not_found")
            structlog.contextvars.bind_contextvars(tenant_id=str(caller.tenant_id))
        elif self._caller().person_id != caller.person_id:
            raise SocketOver(UNAUTHORIZED, "invalid_token")
        self._token = token
        self._renewed.set()
        await self._send(reply_frame("authenticated", number, expires_at=token.expires_at))

    def _caller(self) -> Caller:
        if self._token is None:
            raise SocketOver(UNAUTHORIZED, "not_authenticated")
        return self._token.authenticated.caller

    async def _own_run(self, caller: Caller, run_id: RunId) -> None:
        run = await self.chats.run(caller, run_id)
        if run is None or run.conversation_id != self.conversation_id:
            raise RunNotFound

    def _follow(self, tasks: asyncio.TaskGroup, run_id: RunId, after: int, number: int) -> None:
        """Once more from elsewhere, where it is followed already."""
        if run_id in self._following:
            self._following.pop(run_id).cancel()
        task = tasks.create_task(self._events(self._caller(), run_id, after, number))
        self._following[run_id] = task

    async def _events(self, caller: Caller, run_id: RunId, after: int, number: int) -> None:
        try:
            events = await self.follow_run(caller=caller, run_id=run_id, after=after)
            async with contextlib.aclosing(events):
                async for event in events:
                    await self._send(event_frame(run_id, event))
        except Refusal as refusal:
            await self._refuse(number, refusal)
        finally:
            if self._following.get(run_id) is asyncio.current_task():
                del self._following[run_id]

    async def _receive(self) -> bytes:
        message: Any = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise SocketOver(None)
        text = message.get("text")
        return message.get("bytes") or b"" if text is None else text.encode()

    async def _refuse(self, number: int, refusal: Refusal) -> None:
        self._refused += 1
        if self._refused > REFUSED_MAX:
            raise SocketOver(NOT_ALLOWED, "too_many_refused")
        problem, _ = problem_of(refusal, self.socket.scope)
        await self._send(refused_frame(number, problem))

    async def _send(self, text: str) -> None:
        """One frame after the other; a reader that takes none for too long is let go."""
        async with self._sending:
            try:
                async with asyncio.timeout(self.write_seconds_max):
                    await self.socket.send_text(text)
            except TimeoutError:
                raise SocketOver(TRY_AGAIN, "reader_too_slow") from None
            except Exception as gone:  # whatever the server raises for a closed socket
                raise SocketOver(None) from gone


def _why(group: BaseExceptionGroup[BaseException]) -> SocketOver:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    if isinstance(first, SocketOver):
        return first
    log_unexpected(first)
    return SocketOver(BROKEN, "internal_error")


def _question(frame: Ask, purpose: Purpose) -> Question:
    ids = frame.document_ids
    return Question(
        text=frame.content,
        purpose=purpose,
        document_ids=None if ids is None else frozenset(map(DocumentId, ids)),
    )


def _once(conversation_id: ConversationId, frame: Ask | Regenerate) -> Idempotency | None:
    if frame.id is None:
        return None
    name = msgspec.json.encode([conversation_id, frame.id])
    asked = msgspec.json.encode(frame, order="deterministic")
    return Idempotency(
        route="socket ask",
        key=hashlib.sha256(name).hexdigest(),
        request_hash=hashlib.sha256(asked).digest(),
    )


def _is_from(socket: WebSocket[Any, Any, Any], own: Iterable[str]) -> bool:
    """Whether a page of ours, or no page at all, opens the socket: browsers let any page try."""
    origins = [value for name, value in socket.scope["headers"] if name == b"origin"]
    if not origins:
        return True
    host = socket.headers.get("host", "")
    allowed = {_origin(each) for each in (*own, f"http://{host}", f"https://{host}")}
    return len(origins) == 1 and _origin(origins[0].decode("latin-1")) in allowed


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
