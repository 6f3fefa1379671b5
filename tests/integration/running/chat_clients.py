"""Clients who use two processes at once, and note what they did and what they were told."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import httpx2

from tests.chat_history import (
    Acknowledged,
    Ask,
    Cancel,
    Event,
    Final,
    Follow,
    Message,
    Outcome,
    Read,
    Run,
    Step,
)
from tests.integration.running.people import Json
from tests.integration.running.program import Program
from tests.integration.running.two_processes import TwoProcesses

ATTEMPTS_MAX = 8
PATIENCE_SECONDS = 10.0
PAGE = 200
FRAME = re.compile(rb"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n")
NOT_NOW = {429, 503}
"""Statuses after which a client tries again; as it cannot know, something may have been done."""


@dataclass
class Notes:
    """What all clients share: what they noted, and what each knows of from the others."""

    conversations: list[str]
    history: list[Step] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    lengths: Counter[str] = field(default_factory=Counter)
    under_way: Counter[int] = field(default_factory=Counter)
    """Requests that a process has not answered yet, by process id."""
    outcomes: Counter[str] = field(default_factory=Counter)
    over: bool = False


class ChatClient:
    """One client: it asks, follows, reads and cancels, on whichever process chance says."""

    def __init__(
        self, processes: TwoProcesses, token: str, notes: Notes, chance: random.Random
    ) -> None:
        self._processes = processes
        self._notes = notes
        self._chance = chance
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=PATIENCE_SECONDS
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def go_on(self) -> None:
        """Do one thing after the other, until it is over."""
        steps: Mapping[str, Callable[[], Any]] = {
            "ask": self._ask_and_follow,
            "read": self._read,
            "follow": self._follow_any,
            "cancel": self._cancel_any,
            "ask anew": self._ask_anew,
        }
        while not self._notes.over:
            (step,) = self._chance.choices(list(steps), weights=[8, 6, 3, 1, 1])
            await steps[step]()

    async def _ask_and_follow(self) -> None:
        notes, chance = self._notes, self._chance
        conversation = chance.choice(notes.conversations)
        text, key = _question(chance)
        path, body = f"/v1/conversations/{conversation}/messages", {"content": text}
        began_at = time.monotonic()
        outcome, answers = await self._until_known(path, body, key, _acknowledged)
        ask = Ask(
            began_at=began_at,
            ended_at=time.monotonic(),
            text=text,
            conversation_id=conversation,
            outcome=outcome,
            answers=answers,
        )
        notes.history.append(ask)
        if answers and chance.random() < 0.7:
            await self._follow(answers[0].run_id, 0)
            again = await self._post(path, json=body, key=key)  # as if it had forgotten
            if again is not None and again.status_code == 202:
                answers = [*answers, _acknowledged(again.json())]
                notes.history[notes.history.index(ask)] = replace(ask, answers=answers)

    async def _ask_anew(self) -> None:
        """A question in a conversation of its own, for which the conversation is made."""
        text, key = _question(self._chance)
        body = {"model": "extractive-1", "messages": [{"role": "user", "content": text}]}
        began_at = time.monotonic()
        outcome, answers = await self._until_known("/v1/chat/completions", body, key, _completed)
        ask = Ask(
            began_at=began_at,
            ended_at=time.monotonic(),
            text=text,
            conversation_id=None,
            outcome=outcome,
            answers=answers,
        )
        self._notes.history.append(ask)

    async def _until_known(
        self, path: str, body: Json, key: str, told: Callable[[Json], Acknowledged]
    ) -> tuple[Outcome, Sequence[Acknowledged]]:
        """Send it under its key until it is known what became of it, or patience ends."""
        certain, answers = True, list[Acknowledged]()
        for attempt in range(ATTEMPTS_MAX):
            at_once = 2 if attempt == 0 and self._chance.random() < 0.2 else 1
            tries = (self._post(path, json=body, key=key) for _ in range(at_once))
            statuses = set[int | None]()
            for answer in await asyncio.gather(*tries):
                statuses.add(None if answer is None else answer.status_code)
                if answer is not None and answer.status_code in (200, 202):
                    answers.append(told(answer.json()))
            if answers:
                return Outcome.DONE, answers
            if statuses == {409}:
                return (Outcome.REFUSED if certain else Outcome.UNKNOWN), ()
            unexpected = statuses - {None, 409, *NOT_NOW, 499}
            assert not unexpected, f"{path}: {unexpected}"
            certain = False
            await asyncio.sleep(self._chance.uniform(0.05, 0.8))
        return Outcome.UNKNOWN, ()

    async def _read(self) -> None:
        notes = self._notes
        conversation = self._chance.choice(notes.conversations)
        known = notes.lengths[conversation]
        after = 0 if self._chance.random() < 0.2 else max(0, known - 6)
        program = self._any()
        began_at = time.monotonic()
        answer = await self._get(
            program, f"/v1/conversations/{conversation}/messages?after={after}&limit={PAGE}"
        )
        if answer is None or answer.status_code != 200:
            return
        messages = [_message(each) for each in answer.json()["items"]]
        times = {"began_at": began_at, "ended_at": time.monotonic()}
        notes.lengths[conversation] = max(known, after + len(messages))
        notes.history.append(
            Read(**times, conversation_id=conversation, after=after, messages=messages)
        )

    async def _follow_any(self) -> None:
        if self._notes.runs:
            run_id = self._chance.choice(self._notes.runs[-30:])
            await self._follow(run_id, self._chance.choice([0, 0, 1, 3]))

    async def _follow(self, run_id: str, after: int) -> None:
        """To the end, however often it is cut, each time from the last event on."""
        self._notes.runs.append(run_id)
        for _ in range(ATTEMPTS_MAX):
            events_max = self._chance.choice([3, 8, 1_000, 1_000])
            program = self._any()
            began_at = time.monotonic()
            events, finished = await self._stream(program, run_id, after, events_max)
            if events or finished:
                times = {"began_at": began_at, "ended_at": time.monotonic()}
                self._notes.history.append(
                    Follow(**times, run_id=run_id, after=after, events=events, finished=finished)
                )
            after = max([after, *(each.number for each in events)])
            if finished:
                return
            if not events:
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))

    async def _stream(
        self, program: Program, run_id: str, after: int, events_max: int
    ) -> tuple[list[Event], bool]:
        events: list[Event] = []
        body, read = b"", 0
        url = f"{program.url}/v1/runs/{run_id}/events"
        try:
            with self._under_way(program):
                async with self._http.stream(
                    "GET", url, headers={"Last-Event-ID": str(after)}
                ) as answer:
                    if answer.status_code != 200:
                        return [], False
                    async for piece in answer.aiter_raw():
                        body += piece
                        for match in FRAME.finditer(body, read):
                            read = match.end()
                            events.append(_event(match))
                            if len(events) == events_max:
                                return events, False
        except httpx2.HTTPError:
            self._notes.outcomes["streams broken"] += 1
            return events, False
        return events, True

    async def _cancel_any(self) -> None:
        if not self._notes.runs:
            return
        run_id = self._chance.choice(self._notes.runs[-8:])
        began_at = time.monotonic()
        answer = await self._post(f"/v1/runs/{run_id}/cancel")
        done = answer is not None and answer.status_code == 202
        self._notes.history.append(
            Cancel(
                began_at=began_at,
                ended_at=time.monotonic(),
                run_id=run_id,
                outcome=Outcome.DONE if done else Outcome.UNKNOWN,
            )
        )

    def _any(self) -> Program:
        return self._chance.choice(self._processes.both)

    async def _post(
        self, path: str, *, json: Json | None = None, key: str | None = None
    ) -> httpx2.Response | None:
        """None: nothing is known of it."""
        program = self._any()
        headers = {} if key is None else {"Idempotency-Key": key}
        # Some lose their patience before there can be an answer.
        patience = 0.05 if key and self._chance.random() < 0.1 else PATIENCE_SECONDS
        return await self._send(program, "POST", path, json=json, headers=headers, timeout=patience)

    async def _get(self, program: Program, path: str) -> httpx2.Response | None:
        return await self._send(program, "GET", path)

    async def _send(
        self, program: Program, method: str, path: str, **more: Any
    ) -> httpx2.Response | None:
        try:
            with self._under_way(program):
                answer = await self._http.request(method, f"{program.url}{path}", **more)
        except httpx2.HTTPError as error:
            self._notes.outcomes[type(error).__name__] += 1
            return None
        code = answer.json().get("code", "") if answer.status_code in NOT_NOW else ""
        self._notes.outcomes[f"{answer.status_code} {code}".strip()] += 1
        return answer

    @contextmanager
    def _under_way(self, program: Program) -> Iterator[None]:
        pid = program.pid
        self._notes.under_way[pid] += 1
        try:
            yield
        finally:
            self._notes.under_way[pid] -= 1


def _question(chance: random.Random) -> tuple[str, str]:
    """Words that nobody else asks with, and a key."""
    name = uuid.UUID(int=chance.getrandbits(128), version=4).hex
    return f"How much is the deposit of flat {chance.randrange(1, 7)}? ({name})", name


def _acknowledged(told: Json) -> Acknowledged:
    return Acknowledged(
        run_id=told["run"]["id"],
        conversation_id=told["message"]["conversation_id"],
        message_id=told["message"]["id"],
        sequence=told["message"]["sequence"],
    )


def _completed(told: Json) -> Acknowledged:
    found = told["strongroom"]
    return Acknowledged(run_id=found["run_id"], conversation_id=found["conversation_id"])


def _message(told: Json) -> Message:
    names = ("id", "sequence", "parent_id", "role", "content", "run_id")
    return Message(**{name: told[name] for name in names})


def _event(match: re.Match[bytes]) -> Event:
    return Event(number=int(match[1]), type=match[2].decode(), told=match[3].decode())


@asynccontextmanager
async def chatting(
    processes: TwoProcesses, token: str, notes: Notes, *, clients: int, seed: int
) -> AsyncIterator[None]:
    """So many clients at once, for as long as the block takes."""
    chatters = [
        ChatClient(processes, token, notes, random.Random(f"{seed} {number}"))
        for number in range(clients)
    ]
    going = [asyncio.create_task(each.go_on()) for each in chatters]
    try:
        yield
        notes.over = True
        await asyncio.gather(*going)
    finally:
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in chatters))


async def final_of(http: httpx2.AsyncClient) -> Final:
    """What there is, as one process tells it to the owner, once every run has ended."""
    ids = await _conversation_ids(http)
    messages = await _each(ids, lambda each: _messages(http, each))
    run_ids = [each.run_id for some in messages.values() for each in some if each.run_id]
    events = await _each(run_ids, lambda each: _events(http, each))  # waits for their ends
    return Final(
        conversations=await _each(ids, lambda each: _messages(http, each)),
        runs=await _each(run_ids, lambda each: _run(http, each)),
        events=events,
    )


def as_seen(final: Final, at: float) -> list[Step]:
    """What one process shows in the end, as the steps of one more client."""
    times = {"began_at": at, "ended_at": at}
    reads: list[Step] = [
        Read(**times, conversation_id=each, after=0, messages=messages)
        for each, messages in final.conversations.items()
    ]
    return reads + [
        Follow(**times, run_id=run_id, after=0, events=events, finished=True)
        for run_id, events in final.events.items()
    ]


T = TypeVar("T")


async def _each(ids: Sequence[str], look: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """A few at a time."""
    turns = asyncio.Semaphore(8)

    async def one(each: str) -> T:
        async with turns:
            return await look(each)

    return dict(zip(ids, await asyncio.gather(*(one(each) for each in ids)), strict=True))


async def _conversation_ids(http: httpx2.AsyncClient) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await _told(http, "/v1/conversations", limit=PAGE, **cursor)
        found += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def _messages(http: httpx2.AsyncClient, conversation_id: str) -> list[Message]:
    found: list[Message] = []
    path = f"/v1/conversations/{conversation_id}/messages"
    while page := (await _told(http, path, after=len(found), limit=PAGE))["items"]:
        found += [_message(each) for each in page]
    return found


async def _run(http: httpx2.AsyncClient, run_id: str) -> Run:
    told = await _told(http, f"/v1/runs/{run_id}")
    ended_at = told["ended_at"]
    return Run(
        id=run_id,
        conversation_id=told["conversation_id"],
        question_id=told["question_id"],
        answer_id=told["answer_id"],
        state=told["state"],
        created_at=datetime.fromisoformat(told["created_at"]),
        ended_at=None if ended_at is None else datetime.fromisoformat(ended_at),
    )


async def _events(http: httpx2.AsyncClient, run_id: str) -> list[Event]:
    answer = await http.get(f"/v1/runs/{run_id}/events", headers={"Last-Event-ID": "0"})
    assert answer.status_code == 200, answer.text
    return [_event(match) for match in FRAME.finditer(answer.content)]


async def _told(http: httpx2.AsyncClient, path: str, **query: Any) -> Json:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: Json = json.loads(answer.content)
    return found
