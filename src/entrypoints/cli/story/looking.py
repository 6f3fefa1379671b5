"""Scene 4: Ben searches and asks. What he may not see does not exist for him."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from entrypoints.cli.story.answers import asked
from entrypoints.cli.story.person import Person
from entrypoints.cli.story.plot import PURPOSE, SHARED, Plot

WORDS_OF_THE_LEASE = "How much is the deposit for the apartment, and what notice must be given?"
WORDS_OF_THE_REPORT = "ferritin and iron stores"
QUESTION = "Which food helps against the iron deficiency?"
HIDDEN = "Lease"


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
    answer = await asked(stage, ben, QUESTION)
    stage.check("asked without the purpose, there is nothing", expected=[], seen=answer.excerpts)


async def search(person: Person, query: str, purpose: str | None = None) -> list[dict[str, Any]]:
    body = {"query": query, "limit": 20} | ({"purpose": purpose} if purpose else {})
    items: list[dict[str, Any]] = (await person.post("/v1/search", body))["items"]
    return items


async def _check_absence(plot: Plot) -> None:
    """Her other documents answer him exactly as ids that were never given out."""
    ben, stage = plot.ben, plot.stage
    hidden = {title: each for title, each in plot.documents.items() if each != plot.shared}
    for part in ("", "/content", "/text", "/events"):
        never = await _refusal(ben, f"/v1/documents/{uuid4()}{part}")
        answers = [await _refusal(ben, f"/v1/documents/{each}{part}") for each in hidden.values()]
        stage.check(
            f"GET …{part or '/{id}'} of each of the {len(hidden)} others is 404, to the letter "
            "as for a random id",
            expected=[(404, never[1])] * len(hidden),
            seen=answers,
        )
    run = f"/v1/runs/{plot.answer.run_id}"
    never = await _refusal(ben, f"/v1/runs/{uuid4()}")
    stage.check("and so is her conversation's run", expected=never, seen=await _refusal(ben, run))
    own = (await ben.get("/v1/documents"))["items"]
    received = (await ben.get("/v1/grants", direction="received"))["items"]
    stage.check(
        "his counts know of nothing else: no documents, one grant",
        expected=([], [plot.grant["id"]]),
        seen=(own, [each["id"] for each in received]),
    )


async def _refusal(person: Person, path: str) -> tuple[int, dict[str, Any]]:
    """Without what names the request itself: its path, and its number."""
    answered = await person.attempt("GET", path, purpose=PURPOSE)
    problem = answered.json()
    own = ("instance", "request_id")
    return answered.status_code, {name: problem[name] for name in problem if name not in own}
