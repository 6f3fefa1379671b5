"""Everything that a model's server can do wrong, and what the asker sees of it, and how soon.

The program runs as its users start it; the server is a script on a real socket.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running.people import Json, Person, json_of, signed_up
from tests.integration.running.program import Program, ending
from tests.scripted_upstream import (
    DONE,
    HEAD,
    LINE_BYTES_MAX,
    OK,
    Say,
    Upstream,
    answering,
    chunk,
    cutting,
    for_ever,
    saying,
    status,
    upstream,
    usage,
)

FIRST, BETWEEN, WHOLE = 1.0, 1.0, 4.0
SLACK = 2.0
"""Seconds for everything else on a machine that other tests share."""

KEY = "sk-canary-key-5f2c"
LEASE = "# Lease\n\nThe rent is 1,250 euros a month. The deposit for the canary is 2,500 euros.\n"
QUESTION = "How much is the deposit for the canary?"
QUOTED = "The deposit for the canary is 2,500 euros."
OVERLOADED = "model_overloaded"
STALL = 60.0
DOCUMENT = Path(__file__).parents[3] / "docs" / "when-things-fail.md"


@dataclass(frozen=True)
class Fault:
    """What the server does, and what the asker is to see: a reason to fall back, or an ending."""

    name: str
    say: Say
    reason: str | None = None
    failed: str | None = None
    seconds_max: float = 0.0
    calls: int = 1


FAULTS = (
    Fault("429, Retry-After: 1", status(429, b"Retry-After: 1\r\n"), OVERLOADED, None, 2, 2),
    Fault("429, Retry-After: 3", status(429, b"Retry-After: 3\r\n"), OVERLOADED),
    Fault("500", status(500), "model_unavailable", None, 1, 2),
    Fault("503", status(503), "model_unavailable", None, 1, 2),
    Fault("401", status(401), "model_locked_out"),
    Fault("400", status(400), "model_refused"),
    Fault("307 to elsewhere", status(307, b"Location: http://127.0.0.1:1/\r\n"), "model_refused"),
    Fault("closes without an answer", saying(), "model_broke_off", None, 1, 2),
    Fault("no HTTP", saying(b"nonsense\r\n\r\n"), "model_broke_off", None, 1, 2),
    Fault("stalls before its status", saying(STALL), "model_too_slow", None, FIRST),
    Fault("stalls before the first token", saying(OK, STALL), "model_too_slow", None, FIRST),
    Fault("drips bytes, and no token", for_ever(OK, b":", 0.05), "model_too_slow", None, FIRST),
    Fault("comments for ever", for_ever(OK, b": x\n" * 500), "model_too_slow", None, FIRST),
    Fault(
        "a page of HTML", saying(OK.replace(b"event-stream", b"html"), b"<p>"), "model_unreadable"
    ),
    Fault(
        "a compressed stream",
        saying(HEAD + b"Content-Encoding: gzip\r\nConnection: close\r\n\r\nx"),
        "model_unreadable",
    ),
    Fault("malformed from the start", saying(OK, b"data: {not json\n\n"), "model_unreadable"),
    Fault("a line without end", for_ever(OK + b"data: ", b"x" * 65_536), "model_unreadable"),
    Fault("a huge line", saying(OK, b"x" * (LINE_BYTES_MAX + 1) + b"\n"), "model_unreadable"),
    Fault(
        "an error in the stream",
        saying(OK, b'data: {"error":{"message":"canary"}}\n\n'),
        "model_failed",
    ),
    Fault("an empty answer", saying(OK, chunk(finish_reason="stop"), DONE), "model_silent"),
    Fault(
        "stalls in mid-stream", saying(OK, chunk("half "), STALL), None, "model_too_slow", BETWEEN
    ),
    Fault("closes in mid-stream", saying(OK, chunk("half ")), None, "model_broke_off"),
    Fault("cuts in mid-stream", cutting(OK, chunk("half ")), None, "model_broke_off"),
    Fault(
        "cuts within a chunk",
        cutting(OK, chunk("half "), chunk("lost")[:20]),
        None,
        "model_broke_off",
    ),
    Fault(
        "malformed in mid-stream",
        saying(OK, chunk("half "), b"data: {]\n\n"),
        None,
        "model_unreadable",
    ),
    Fault("drips words for ever", for_ever(OK, chunk("drip "), 0.2), None, "run_too_long", WHOLE),
    Fault("talks for ever", for_ever(OK, chunk("x" * 8_000)), None, "answer_too_long", WHOLE),
    Fault(
        "its filter stops it",
        saying(OK, chunk("half "), chunk(finish_reason="content_filter")),
        None,
        "model_refused",
    ),
    Fault("[DONE] missing", saying(OK, chunk("whole"), chunk(finish_reason="stop"))),
    Fault("[DONE] alone", saying(OK, chunk("whole"), DONE)),
    Fault("no usage", saying(OK, chunk("whole"), chunk(finish_reason="stop"), DONE)),
    Fault(
        "nonsense as usage",
        saying(OK, chunk("whole"), chunk(finish_reason="stop"), usage(-5, 10**30), DONE),
    ),
    Fault("well", answering("whole ", "answer")),
)


def row(fault: Fault) -> str:
    """The fault in the table of docs/when-things-fail.md."""
    seen = "the whole answer"
    if fault.reason is not None:
        seen = f"`fallback`, `{fault.reason}`; then the passages, word for word"
    if fault.failed is not None:
        seen = f"what had come; then `failed`, `{fault.failed}`"
    when = f"{fault.seconds_max:g} s" if fault.seconds_max else "at once"
    return f"| {fault.name} | {fault.calls} | {seen} | {when} |"


def test_the_documents_tell_what_an_asker_sees_of_each_fault() -> None:
    told = DOCUMENT.read_text().splitlines()
    assert [row(fault) for fault in FAULTS if row(fault) not in told] == []


@dataclass
class Asked:
    """What one asker saw."""

    events: list[tuple[str, Json]]
    seconds: float

    def of(self, kind: str) -> list[Json]:
        return [told for name, told in self.events if name == kind]

    @property
    def text(self) -> str:
        return "".join(told["text"] for told in self.of("text_delta"))

    @property
    def told(self) -> str:
        """In a few words."""
        last, told = self.events[-1]
        fallbacks = [f"{each['reason']} -> {each['to']}" for each in self.of("fallback")]
        words = f"{len(self.text.split())} words" if len(self.text) < 9999 else "256 KiB"
        return ", ".join([*fallbacks, words, f"{last} {told.get('code', '')}".strip()])


async def ask(person: Person, **more: object) -> Asked:
    chat = json_of(await person.http.post("/v1/conversations", json={}))["id"]
    began = time.monotonic()
    events: list[tuple[str, Json]] = []
    name = ""
    async with person.http.stream(
        "POST",
        f"/v1/conversations/{chat}/messages",
        json={"content": QUESTION, **more},
        headers={"Accept": "text/event-stream"},
        timeout=30,
    ) as answer:
        assert answer.status_code == 200, await answer.aread()
        async for line in answer.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                events.append((name, json.loads(line.removeprefix("data: "))))
    return Asked(events, time.monotonic() - began)


async def recovered(served: Served) -> None:
    """The server is well again: nobody had to help, once it has rested for as long as it asked."""
    served.server.say = answering("well ", "again")
    async with asyncio.timeout(FIRST + 3 + SLACK):
        while (await ask(served.asha)).text != "well again":
            pass


@dataclass
class Served:
    """A program whose one model is the script, and someone who asks it."""

    program: Program
    server: Upstream
    asha: Person


@pytest.fixture(scope="module")
async def served(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(upstream(answering("well")))
        program = Program(
            places(),
            models=built_models,
            log_level="debug",
            model_url=server.url,
            model_key=KEY,
            model="scripted-1",
            model_first_token_seconds_max=FIRST,
            model_token_seconds_max=BETWEEN,
            run_seconds_max=WHOLE,
            model_rest_seconds=0.1,
        )
        await stack.enter_async_context(ending(program))
        await program.start()
        asha = await stack.enter_async_context(signed_up(program, "Asha"))
        await asha.ready(LEASE, filename="lease.md", title="Lease")
        yield Served(program, server, asha)


@pytest.mark.slow
async def test_every_fault_of_a_model_is_named_to_the_asker_and_bounded(
    served: Served, figure: Callable[[str], None]
) -> None:
    table = [f"{'what the server does':31} {'s':>5} {'<=':>4} {'calls':>5}  what the asker saw"]
    for fault in FAULTS:
        served.server.say = fault.say
        before = len(served.server.requests)
        asked = await ask(served.asha)
        calls = len(served.server.requests) - before
        bound = fault.seconds_max + SLACK
        table.append(f"{fault.name:31} {asked.seconds:5.1f} {bound:4.0f} {calls:5}  {asked.told}")
        last, told = asked.events[-1]
        await recovered(served)
        assert asked.seconds <= bound, table[-1]
        assert calls == fault.calls, table[-1]
        if fault.failed is not None:
            assert (last, told["code"]) == ("failed", fault.failed), table[-1]
            assert told["type"] == f"urn:strongroom:problem:{fault.failed}"
            assert asked.text
            continue
        assert last == "completed", table[-1]
        reasons = [each["reason"] for each in asked.of("fallback")]
        assert reasons == ([] if fault.reason is None else [fault.reason]), table[-1]
        assert (QUOTED in asked.text) == (fault.reason is not None), table[-1]
    head = f"{len(FAULTS)} things that a model's server does, each followed by an answer of its own"
    figure("\n".join([head, *table]))


async def test_a_run_tells_which_models_were_tried_and_why(served: Served) -> None:
    served.server.say = status(500)
    asked = await ask(served.asha)
    run_id = asked.of("run_started")[0]["run_id"]
    run = json_of(await served.asha.http.get(f"/v1/runs/{run_id}"))
    assert run["answered_by"] == "extractive-1"
    assert [(each["model"], each["outcome"]) for each in run["calls"]] == [
        ("scripted-1", "model_unavailable"),
        ("scripted-1", "model_unavailable"),
        ("extractive-1", "answered"),
    ]
    assert all(each["cost"] in (0, None) for each in run["calls"])


async def test_neither_prompt_nor_key_nor_answer_is_logged_measured_or_told(
    served: Served,
) -> None:
    for say in (saying(OK, chunk("half "), STALL), answering("half ", "answered")):
        served.server.say = say
        await ask(served.asha)
    said = [json.loads(each.partition(b"\r\n\r\n")[2]) for each in served.server.requests]
    assert all(QUESTION in each["messages"][-1]["content"] for each in said)
    assert KEY.encode() in served.server.requests[0]
    metrics = (await served.asha.http.get("/metrics")).text
    for text in (served.program.said, metrics):
        assert KEY not in text
        assert "canary" not in text
        assert "half" not in text.split()
    assert 'strongroom_model_calls_total{model="scripted-1",outcome="model_too_slow"}' in metrics
    assert 'strongroom_model_breaker{model="scripted-1",state="closed"} 1.0' in metrics
    assert 'strongroom_model_tokens_total{kind="output",model="scripted-1"}' in metrics
    assert 'strongroom_model_first_token_seconds_count{model="scripted-1"}' in metrics


async def test_a_run_that_is_cancelled_does_not_hold_the_model(served: Served) -> None:
    served.server.say = saying(OK, chunk("half "), STALL)
    served.server.gone.clear()
    chat = json_of(await served.asha.http.post("/v1/conversations", json={}))["id"]
    asked = await served.asha.http.post(
        f"/v1/conversations/{chat}/messages", json={"content": QUESTION}
    )
    run_id = json_of(asked)["run"]["id"]
    await asyncio.sleep(0.3)
    await served.asha.http.post(f"/v1/runs/{run_id}/cancel")
    async with asyncio.timeout(WHOLE):
        await served.server.gone.wait()
        while True:
            run = json_of(await served.asha.http.get(f"/v1/runs/{run_id}"))
            if run["state"] != "running":
                break
            await asyncio.sleep(0.05)
    assert run["state"] == "cancelled"
    (call,) = run["calls"]
    assert (call["outcome"], call["estimated"]) == ("interrupted", True)
