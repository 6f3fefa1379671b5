"""Scene 4: Ben searches and asks. What he may not see does not exist for him."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from entrypoints.cli.story.answers import asked
from entrypoints.cli.story.person import Person
from entrypoints.cli.story.plot import PURPOSE, SHARED, Plot

WORDS_OF_THE_LEASE = "How much is the deposit for the apartment, and what notice must be given?"
WORDS_OF_THE_REPORT = "ferritin and iron stores"
QUESTION = "Which food helps against the iron deficiency?"


async def ben_looks(plot: Plot) -> None:
    stage, ben = plot.stage, plot.ben
    stage.tell(f"Ben searches for “{WORDS_OF_THE_REPORT}”.")
    found = await search(ben, WORDS_OF_THE_REPORT, PURPOSE)
    stage.check(
        f"for the purpose “{PURPOSE}” he finds “{SHARED}”: {len(found)} passages, under her grant",
        expected={(plot.shared, plot.grant["id"])},
        seen={(each["document_id"], each.get("grant_id")) for each in found},
    )
    for purpose in (None, "research"):
        found = await search(ben, WORDS_OF_THE_REPORT, purpose)
        said = f"for the purpose “{purpose}”" if purpose else "without a purpose"
        stage.check(f"{said} he finds nothing", expected=[], seen=found)
    found = await search(ben, WORDS_OF_THE_LEASE, PURPOSE)
    stage.check(
        "words that only her lease has bring up nothing of it",
        expected=set(),
        seen={each["document_id"] for each in found} - {plot.shared},
    )
    await _check_absence(plot)
    stage.tell(f"Ben asks: “{QUESTION}”")
    answer = await asked(stage, ben, QUESTION, PURPOSE)
    stage.check(
        "his answer rests on the shared document alone, and cites it",
        expected=({plot.shared}, {plot.shared}),
        seen=(
            {each["document_id"] for each in answer.excerpts},
            {each["document_id"] for each in answer.citations},
        ),
    )
    stage.tell("He asks the same without stating the purpose.")
    answer = await asked(stage, ben, QUESTION)
    stage.check("there is nothing to answer from", expected=[], seen=answer.excerpts)


async def search(person: Person, query: str, purpose: str | None = None) -> list[dict[str, Any]]:
    body = {"query": query, "limit": 20} | ({"purpose": purpose} if purpose else {})
    items: list[dict[str, Any]] = (await person.post("/v1/search", body))["items"]
    return items


async def _check_absence(plot: Plot) -> None:
    """Her other documents answer him exactly as ids that were never given out."""
    ben, stage = plot.ben, plot.stage
    hidden = [each for each in plot.documents.values() if each != plot.shared]
    nothing = {part: await _refusal(ben, uuid4(), part) for part in _PARTS}
    stage.check(
        f"her {len(hidden)} other documents are 404 for him at each of {len(_PARTS)} addresses, "
        "word for word like an id that was never given out",
        expected=[{part: (404, problem) for part, (_, problem) in nothing.items()}] * len(hidden),
        seen=[{part: await _refusal(ben, each, part) for part in _PARTS} for each in hidden],
    )
    never = await _problem(ben, f"/v1/runs/{uuid4()}")
    run = await _problem(ben, f"/v1/runs/{plot.answer.run_id}")
    stage.check("and so is the run of her answer", expected=(404, never[1]), seen=run)
    own = (await ben.get("/v1/documents"))["items"]
    received = (await ben.get("/v1/grants", direction="received"))["items"]
    stage.check(
        "his lists know of nothing else: no documents, one grant",
        expected=([], [plot.grant["id"]]),
        seen=(own, [each["id"] for each in received]),
    )


_PARTS: Mapping[str, Mapping[str, str]] = {
    "": {"purpose": PURPOSE},
    "/content": {"purpose": PURPOSE},
    "/text": {"purpose": PURPOSE},
    "/versions": {},
    "/events": {},
    "/accesses": {},
}


async def _refusal(
    person: Person, document_id: str | UUID, part: str
) -> tuple[int, dict[str, Any]]:
    return await _problem(person, f"/v1/documents/{document_id}{part}", **_PARTS[part])


async def _problem(person: Person, path: str, **query: str) -> tuple[int, dict[str, Any]]:
    """Without what names the request itself: its path, and its number."""
    answered = await person.attempt("GET", path, **query)
    problem = answered.json()
    own = ("instance", "request_id")
    return answered.status_code, {name: problem[name] for name in problem if name not in own}
