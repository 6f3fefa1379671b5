"""Scene 8: Asha shares less than a document: one field of a record; a page, behind a pass-code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from entrypoints.cli.story.person import Person, at_a_link
from entrypoints.cli.story.plot import PURPOSE, Plot

SCHEMA = {
    "title": "Measurements",
    "type": "object",
    "required": ["name", "weight"],
    "properties": {
        "name": {"type": "string"},
        "weight": {"type": "number"},
        "diagnosis": {"type": "string", "x-sensitive": True},
    },
    "additionalProperties": False,
}
RECORD = {"name": "Asha Rao", "weight": 61.5, "diagnosis": "Anaemia, treated since March."}
SHOWN = "/weight"
PASS_CODE = "a heron on the pier"  # noqa: S105 - of people who do not exist
PAGE = "Appointment"
PAGE_TEXT = "Ward 4, Tuesday at nine. Please come without breakfast."


async def asha_shares_less(plot: Plot) -> None:
    await _one_field(plot)
    await plot.stage.pause()
    await _a_link(plot)


async def _one_field(plot: Plot) -> None:
    stage, asha, ben = plot.stage, plot.asha, plot.ben
    stage.tell(
        "Her measurements are a record: fields under a schema that she declares. Ben gets one of "
        f"them, {SHOWN}."
    )
    await asha.put("/v1/schemas/measurements", SCHEMA, status=201)
    asked = {"schema": "measurements", "data": RECORD}
    record = await asha.post("/v1/records", asked, status=201)
    path = f"/v1/records/{record['id']}"
    wrong = await asha.client.post(
        "/v1/records", json={"schema": "measurements", "data": {"name": "Asha Rao"}}
    )
    stage.check(
        "what its schema does not allow is refused, and the answer names the field",
        expected=(400, "/data/weight"),
        seen=(wrong.status_code, wrong.json()["errors"][0]["pointer"]),
    )
    terms = {
        **_terms("record", record["id"]),
        "grantee": ben.email,
        "fields": [SHOWN],
    }
    await asha.post("/v1/grants", terms, status=201)
    shown = await ben.get(path, purpose=PURPOSE)
    stage.check(
        "Ben sees that field and no other, not even a title",
        expected=({"weight": RECORD["weight"]}, [SHOWN], None),
        seen=(shown["data"], shown["fields"], shown["title"]),
    )
    beyond = await ben.attempt("GET", path, purpose=PURPOSE, fields="/diagnosis")
    absent = await ben.attempt("GET", path, purpose=PURPOSE, fields="/never")
    stage.check(
        "a field that he was not given and one that does not exist are the same answer",
        expected=(404, 404, absent.json()["code"]),
        seen=(beyond.status_code, absent.status_code, beyond.json()["code"]),
    )


async def _a_link(plot: Plot) -> None:
    stage, asha = plot.stage, plot.asha
    page = await asha.upload(
        "/v1/documents",
        filename="appointment.txt",
        content=PAGE_TEXT.encode(),
        title=PAGE,
        index_mode="none",
    )
    asked = {**_terms("document", page["id"]), "passcode": PASS_CODE, "redemptions_max": 1}
    link = await asha.post("/v1/links", asked, status=201)
    stage.tell(
        f"Her sister has no account. She gets a link to “{PAGE}”, and the pass-code by telephone."
    )
    redemption = {"token": link["token"], "passcode": PASS_CODE}
    async with at_a_link(plot.instance.url) as sister:
        for _ in range(3):
            await sister.attempt("GET", "/v1/links/open")
        stage.check(
            "opened three times, as mail scanners do, it is still good once",
            expected=1,
            seen=await _left(asha, link),
        )
        wrong = await sister.client.post(
            "/v1/links/redeem", json=redemption | {"passcode": "a heron on the peer"}
        )
        unknown = await sister.client.post(
            "/v1/links/redeem", json={"token": "none", "passcode": PASS_CODE}
        )
        stage.check(
            "a wrong pass-code and a link that never was are the same answer",
            expected=(404, 404, unknown.json()["detail"]),
            seen=(wrong.status_code, unknown.status_code, wrong.json()["detail"]),
        )
        redeemed = await sister.post("/v1/links/redeem", redemption)
        sister.client.headers["Authorization"] = f"Bearer {redeemed['access_token']}"
        content = await sister.bytes_of(f"/v1/documents/{page['id']}/content", purpose=PURPOSE)
        stage.check("with the right one she reads it", expected=PAGE_TEXT, seen=content.decode())
        again = await sister.client.post("/v1/links/redeem", json=redemption)
        stage.check(
            "it cannot be redeemed a second time, and Asha sees that somebody tried",
            expected=(404, 0, 2),
            seen=(
                again.status_code,
                await _left(asha, link),
                (await asha.get(f"/v1/links/{link['id']}"))["refused_count"],
            ),
        )
    accesses = await asha.get(f"/v1/documents/{page['id']}/accesses")
    stage.check(
        "but for herself, whoever has the link is who has read it",
        expected=["Whoever has the link"],
        seen=[each["display_name"] for each in accesses["items"] if each["person_id"] != asha.id],
    )


async def _left(asha: Person, link: dict[str, Any]) -> int:
    left: int = (await asha.get(f"/v1/links/{link['id']}"))["redemptions_left"]
    return left


def _terms(kind: str, resource_id: str) -> dict[str, Any]:
    return {
        "resource": {"kind": kind, "id": resource_id},
        "actions": ["read"],
        "purpose": PURPOSE,
        "expires_at": (datetime.now(UTC) + timedelta(days=7)).isoformat(),
    }
