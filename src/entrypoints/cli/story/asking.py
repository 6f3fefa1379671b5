"""Scene 2: Asha asks, closes the laptop in the middle, and reads on elsewhere."""

from __future__ import annotations

from typing import Any

from entrypoints.cli.story.answers import TERMINAL, Answer, asking, check_numbers, gathered, shown
from entrypoints.cli.story.person import Person
from entrypoints.cli.story.plot import QUESTION, Plot
from entrypoints.cli.story.stage import Stage

PIECES_BEFORE_THE_CUT = 24


async def asha_asks(plot: Plot) -> None:
    stage, laptop = plot.stage, plot.asha
    stage.tell(f"She asks: “{QUESTION}”")
    async with asking(laptop, QUESTION) as (answer, events):
        await shown(stage, events, words_max=PIECES_BEFORE_THE_CUT)
    await laptop.client.aclose()
    last = answer.events[-1]
    stage.tell("She closes the laptop in the middle: the connection is cut, the run goes on.")
    stage.check(
        f"the laptop had events 1 to {last.number}, and no end among them",
        expected=False,
        seen=last.type in TERMINAL,
    )
    await stage.pause()
    plot.asha = phone = await plot.another_device(laptop)
    stage.tell(f"On her phone she signs in anew and reads on, with Last-Event-ID: {last.number}.")
    path = f"/v1/runs/{answer.run_id}/events"
    async with phone.stream("GET", path, after=last.number) as events:
        await shown(stage, gathered(answer, events))
    plot.answer = answer
    stage.check("the answer is whole", expected="completed", seen=answer.events[-1].type)
    check_numbers(stage, answer)
    await _check_replay(stage, phone, answer)
    await _check_citations(plot, answer)


async def _check_replay(stage: Stage, person: Person, answer: Answer) -> None:
    replay = Answer(answer.conversation_id)
    async with person.stream("GET", f"/v1/runs/{answer.run_id}/events") as events:
        async for _ in gathered(replay, events):
            pass
    stage.check(
        f"both halves together are the replay of the run, all {len(replay.frames)} bytes",
        expected=replay.frames,
        seen=answer.frames,
    )


async def _check_citations(plot: Plot, answer: Answer) -> None:
    """Each quote against the bytes of the text that it names, fetched for that."""
    plot.stage.check(
        "the answer cites its sources",
        expected="1 or more",
        seen=len(answer.citations),
        holds=bool(answer.citations),
    )
    for citation in answer.citations:
        await _check_citation(plot, answer, citation)


async def _check_citation(plot: Plot, answer: Answer, citation: dict[str, Any]) -> None:
    document, version = citation["document_id"], citation["version"]
    start, end = citation["start"], citation["end"]
    text = await plot.asha.bytes_of(f"/v1/documents/{document}/text", version=version)
    said = answer.text.encode()[citation["answer_start"] : citation["answer_end"]]
    title = plot.title_of(document)
    plot.stage.check(
        f"“{_beginning(citation['quote'])}” is {title}, version {version}, [{start}:{end}]",
        expected=(text[start:end].decode(errors="replace"), True),
        seen=(citation["quote"], citation["verified"] and said == text[start:end]),
    )


def _beginning(quote: str, characters_max: int = 40) -> str:
    flat = " ".join(quote.split())
    if len(flat) <= characters_max:
        return flat
    return flat[:characters_max].rsplit(" ", 1)[0] + " …"
