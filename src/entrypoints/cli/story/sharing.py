"""Scene 3: Asha shares one document with Ben: for one purpose, until Friday, five times at most."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from entrypoints.cli.story.person import Person
from entrypoints.cli.story.plot import PURPOSE, SHARED, Plot
from entrypoints.cli.story.receipts import ReceiptNotSigned, altered, claims_of

USES = 5
ACTIONS = ["quote", "read", "search"]
FRIDAY = 4


async def asha_shares(plot: Plot) -> None:
    stage = plot.stage
    plot.ben = await plot.sign_up("Ben Okoro", "ben@example.org")
    until = next_friday(datetime.now(UTC))
    stage.tell(
        f"Ben Okoro, her dietitian, has an account too. She shares “{SHARED}” with him for the "
        f"purpose “{PURPOSE}”, until {until:%A, %d %B %Y, %H:%M} UTC, at most {USES} times."
    )
    terms = {
        "grantee": plot.ben.email,
        "resource": {"kind": "document", "id": plot.shared},
        "actions": ACTIONS,
        "purpose": PURPOSE,
        "expires_at": until.isoformat(),
        "max_uses": USES,
    }
    plot.grant = await plot.asha.post("/v1/grants", terms, status=201)
    seen = {name: plot.grant[name] for name in ("grantee_id", "purpose", "uses_left", "actions")}
    expected = {
        "grantee_id": plot.ben.id,
        "purpose": PURPOSE,
        "uses_left": USES,
        "actions": ACTIONS,
    }
    stage.check("the grant says what she said", expected=expected, seen=seen)
    hers, his = await _receipt(plot, plot.asha), await _receipt(plot, plot.ben)
    stage.check("each has a receipt with an id of its own", expected=True, seen=hers != his)


async def _receipt(plot: Plot, person: Person) -> str:
    """Checked by its reader, with the published keys only; the id of it."""
    consent_id = plot.grant["consent_id"]
    receipt = (await person.get(f"/v1/consents/{consent_id}/receipt"))["receipt"]
    published = await person.get("/.well-known/jwks.json")
    said = claims_of(receipt, published)
    given = {"consent": consent_id, "to": person.id, "purposes": [PURPOSE], "uses": USES}
    plot.stage.check(
        f"{person.name.split()[0]} has a receipt; its signature holds under the published key",
        expected=given,
        seen={
            "consent": said["record_id"],
            "to": said["issued_to"],
            "purposes": said["purposes"],
            "uses": said["max_uses"],
        },
    )
    forged = altered(receipt, b'"max_uses":5', b'"max_uses":9')
    try:
        refused = not claims_of(forged, published)
    except ReceiptNotSigned:
        refused = True
    plot.stage.check("with nine uses written into it, it does not", expected=True, seen=refused)
    receipt_id: str = said["receipt_id"]
    return receipt_id


def next_friday(now: datetime) -> datetime:
    """The next Friday, at six in the evening."""
    evening = now.replace(hour=18, minute=0, second=0, microsecond=0)
    friday = evening + timedelta(days=(FRIDAY - now.weekday()) % 7)
    return friday if friday > now else friday + timedelta(days=7)
