"""Scene 7: Asha erases the document, and with it everything that was made from it."""

from __future__ import annotations

from datetime import datetime

from entrypoints.cli.story.answers import tombstone_of
from entrypoints.cli.story.looking import WORDS_OF_THE_REPORT, search
from entrypoints.cli.story.plot import SHARED, Plot
from entrypoints.cli.story.receipts import claims_of

LEFT = "Lease"


async def asha_erases(plot: Plot) -> None:
    stage, asha = plot.stage, plot.asha
    stage.tell(f"Asha erases “{SHARED}”.")
    erased = await asha.delete(f"/v1/documents/{plot.shared}")
    destroyed = {name: count for name, count in erased["destroyed"].items() if count}
    stage.aside("Destroyed: " + ", ".join(f"{name} {count}" for name, count in destroyed.items()))
    horizon = datetime.fromisoformat(erased["backup_horizon"])
    stage.aside(f"Backups may hold the wrapped key until {horizon:%d %B %Y}; no longer.")
    stage.check("keys went, and passages", expected=True, seen=_went(destroyed))
    residue = erased["residue"]
    stage.check(
        "a search for what is left found nothing: residue zero",
        expected=dict.fromkeys(residue, 0),
        seen=residue,
    )
    said = claims_of(erased["receipt"], await asha.get("/.well-known/jwks.json"))
    stage.check(
        "the erasure receipt says the same, and its signature holds",
        expected=(plot.shared, erased["destroyed"], residue),
        seen=(said["document_id"], said["destroyed"], said["residue"]),
    )
    for part in ("", "/content", "/text"):
        answered = await asha.attempt("GET", f"/v1/documents/{plot.shared}{part}")
        stage.check(f"{SHARED}{part} is 404 for her, too", expected=404, seen=answered.status_code)
    found = {each["document_id"] for each in await search(asha, WORDS_OF_THE_REPORT)}
    stage.check("her search does not find it", expected=False, seen=plot.shared in found)
    stage.check(
        "her answer, which quoted it, is a tombstone",
        expected={"role": "assistant", "content": None, "tombstone": "document_erased"},
        seen=await tombstone_of(asha, plot.answer.conversation_id),
    )
    replay = await asha.attempt("GET", f"/v1/runs/{plot.answer.run_id}/events")
    stage.check("and cannot be replayed", expected=403, seen=replay.status_code)
    lease = await asha.attempt("GET", f"/v1/documents/{plot.documents[LEFT]}/content")
    stage.check("her other documents are as they were", expected=200, seen=lease.status_code)


def _went(destroyed: dict[str, int]) -> bool:
    return all(any(kind in name for name in destroyed) for kind in ("key", "passage"))
