"""Receipts, records and notices say what is enforced: of renewals, and of what is shared onward."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from domain.consent.exports import ExportForm
from domain.consent.grant import Grant
from domain.consent.record import ConsentNotInForce
from domain.consent.terms import Terms
from domain.identity import Action, Caller, ConsentId, Purpose, ResourceKind, ResourceRef, TenantId
from entrypoints.container import Container
from entrypoints.http.consent_shapes import ConsentShown, consent_shown
from tests.integration.conftest import add_text

CallerIn = Callable[[TenantId], Awaitable[Caller]]
Share = Callable[..., Awaitable[Grant]]


@pytest.fixture
async def people(tenant_id: TenantId, caller_in: CallerIn) -> Sequence[Caller]:
    return [await caller_in(tenant_id) for _ in range(3)]


@pytest.fixture
async def share(container: Container, people: Sequence[Caller]) -> Share:
    """`await share(giver, to, **terms)`: on one document of the first of the people."""
    document = await add_text(container, people[0], "A heron.", "Herons")

    async def given(giver: Caller, to: Caller, parent: Grant | None = None, **terms: Any) -> Grant:
        usual: dict[str, Any] = {
            "resource": ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
            "actions": frozenset({Action.READ, Action.SHARE}),
            "purpose": Purpose("care"),
            "expires_at": in_(minutes=60 if parent is None else 30),
        }
        return await container.give_grant()(
            caller=giver,
            grantee=to.person_id,
            terms=Terms(**usual | terms),
            parent_id=None if parent is None else parent.id,
        )

    return given


def in_(**time: int) -> datetime:
    return (datetime.now(UTC) + timedelta(**time)).replace(microsecond=0)


async def receipt(container: Container, caller: Caller, consent_id: ConsentId) -> dict[str, Any]:
    signed = await container.consents().receipt(caller, consent_id)
    assert signed is not None
    payload = signed.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


async def shown(container: Container, caller: Caller, consent_id: ConsentId) -> ConsentShown:
    async with container.consents().begin(caller) as tx:
        record = await tx.consent(consent_id)
        assert record is not None
        return consent_shown(record, await tx.events(consent_id))


async def test_a_renewed_consent_lasts_as_long_as_was_said_last(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, _ = people
    grant = await share(owner, ben)
    later = in_(days=2)
    await container.renew_consent()(caller=owner, consent_id=grant.consent_id, expires_at=later)
    for side in (owner, ben):
        claims = await receipt(container, side, grant.consent_id)
        assert claims["validity_duration"] == [None, later.isoformat()]
        assert (await shown(container, side, grant.consent_id)).validity_duration == (None, later)
    # What it would have lasted for is not forgotten with its ending.
    await container.withdraw_consent()(caller=owner, consent_id=grant.consent_id)
    assert (await shown(container, owner, grant.consent_id)).validity_duration == (None, later)


async def test_what_is_shared_onward_begins_with_its_parent_and_says_so(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, carla = people
    begins = in_(minutes=10)
    parent = await share(owner, ben, not_before=begins)
    for asked in (None, in_(minutes=5)):
        child = await share(ben, carla, parent, not_before=asked)
        assert child.not_before == begins
        claims = await receipt(container, carla, child.consent_id)
        assert claims["validity_duration"][0] == begins.isoformat()
        assert f"This holds from {begins:%Y-%m-%d %H:%M} UTC until" in claims["notice"]["text"]
        record = await shown(container, carla, child.consent_id)
        assert record.validity_duration[0] == begins
        assert record.notice.text == claims["notice"]["text"]


async def test_what_is_shared_onward_later_or_at_once_says_what_was_asked(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, carla = people
    parent = await share(owner, ben)
    for asked in (None, in_(minutes=5)):
        child = await share(ben, carla, parent, not_before=asked)
        claims = await receipt(container, carla, child.consent_id)
        assert claims["validity_duration"][0] == (asked and asked.isoformat())
        assert asked is None or child.not_before == asked


async def test_what_was_only_asked_for_has_no_kantara_receipt_until_it_is_given(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, _ = people
    resource = (await share(owner, ben)).resource
    record, _ = await container.request_access()(
        caller=ben,
        principal=owner.person_id,
        terms=Terms(
            resource=resource,
            actions=frozenset({Action.READ}),
            purpose=Purpose("care"),
            expires_at=in_(hours=1),
        ),
    )
    export: Any = partial(container.export_consent(), caller=ben, consent_id=record.record_id)
    with pytest.raises(ConsentNotInForce):
        await export(form=ExportForm.KANTARA)
    told: Any = await export(form=ExportForm.DPV)
    assert told["dpv:hasConsentStatus"] == {"@id": "dpv:ConsentRequested"}
    grant = await container.approve_request()(caller=owner, consent_id=record.record_id)
    told = await export(form=ExportForm.KANTARA)
    assert told["consentTimestamp"] == int(grant.created_at.timestamp())
