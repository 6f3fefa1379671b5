"""Receipts, records and notices say what is enforced: of renewals, and of what is shared onward."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from application.ports import Idempotency
from application.vault.keep_records import RecordDetails
from domain.consent.exports import ExportForm
from domain.consent.grant import Grant, GrantAlreadyRevoked, UsesPerInterval
from domain.consent.notice import NoticeDiffers
from domain.consent.record import ConsentNotInForce
from domain.consent.terms import Terms
from domain.errors import Unavailable
from domain.identity import (
    Action,
    Caller,
    ConsentId,
    DocumentId,
    Purpose,
    ResourceKind,
    ResourceRef,
    TenantId,
    VersionRef,
)
from entrypoints.container import Container
from entrypoints.http.consent_shapes import (
    ConsentShown,
    IntervalShown,
    consent_shown,
    grant_shown,
)
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


async def test_the_notice_that_was_read_beforehand_is_the_one_that_is_recorded(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, cleo = people
    parent = await share(owner, ben)
    terms = Terms(
        resource=parent.resource,
        actions=frozenset({Action.READ}),
        purpose=Purpose("care"),
        expires_at=in_(minutes=20),
        max_uses=3,
    )
    given = {"caller": ben, "grantee": cleo.person_id, "terms": terms, "parent_id": parent.id}
    before = await _kept(container, ben)
    notice = await container.tell_notice()(**given)
    assert await _kept(container, ben) == before
    give_grant = container.give_grant()
    with pytest.raises(NoticeDiffers):
        await give_grant(**given | {"terms": replace(terms, max_uses=4)}, notice_hash=notice.hash)
    assert await _kept(container, ben) == before
    grant = await give_grant(**given, notice_hash=notice.hash)
    async with container.consents().begin(cleo) as tx:
        record = await tx.consent(grant.consent_id)
    assert record is not None
    assert record.notice == notice


async def _kept(container: Container, caller: Caller) -> int:
    """How many consents there are that somebody is a side of."""
    return len(await container.consents().consents(caller, after=None, limit=99))


def in_(**time: int) -> datetime:
    return (datetime.now(UTC) + timedelta(**time)).replace(microsecond=0)


async def receipt(container: Container, caller: Caller, consent_id: ConsentId) -> dict[str, Any]:
    return claims_of(await container.show_receipt()(caller=caller, consent_id=consent_id))


def claims_of(signed: str) -> dict[str, Any]:
    payload = signed.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


class Unsigned:
    """A key service that is down."""

    async def sign(self, kind: str, claims: Mapping[str, object]) -> str:
        raise Unavailable


def once() -> Idempotency:
    return Idempotency(route="POST", key=uuid4().hex, request_hash=bytes(32))


async def ask(container: Container, asking: Caller, principal: Caller, what: Grant) -> ConsentId:
    terms = Terms(
        resource=what.resource,
        actions=frozenset({Action.READ}),
        purpose=Purpose("care"),
        expires_at=in_(hours=1),
    )
    record, _ = await container.request_access()(
        caller=asking, principal=principal.person_id, terms=terms
    )
    return record.record_id


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


async def test_a_grant_says_when_all_its_uses_are_there_again(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, _ = people
    grant = await share(owner, ben, uses_per_interval=UsesPerInterval(uses=1, seconds=3600))

    async def told() -> IntervalShown | None:
        async with container.consents().begin(ben) as tx:
            found = await tx.grant(grant.id)
        assert found is not None
        return grant_shown(found).uses_per_interval

    fresh = await told()
    assert fresh is not None
    assert (fresh.left, fresh.ends_at) == (None, None)
    before = datetime.now(UTC)
    await container.gate()(
        caller=ben,
        action=Action.READ,
        purpose=Purpose("care"),
        versions=[VersionRef(document_id=DocumentId(grant.resource.id), version=1)],
    )
    used = await told()
    assert used is not None
    assert used.ends_at is not None
    assert used.left == 0
    hour = timedelta(hours=1)
    assert before + hour <= used.ends_at <= datetime.now(UTC) + hour


async def test_what_is_renewed_before_it_begins_begins_no_sooner(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, _ = people
    begins, later = in_(minutes=10), in_(days=2)
    renew = container.renew_consent()
    given = await share(owner, ben, not_before=begins)
    renewed = await renew(caller=owner, consent_id=given.consent_id, expires_at=later)
    assert (renewed.not_before, renewed.expires_at) == (begins, later)
    begun = await share(owner, ben, not_before=in_(seconds=-60))
    renewed = await renew(caller=owner, consent_id=begun.consent_id, expires_at=later)
    assert renewed.not_before == renewed.created_at


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
    consent_id = await ask(container, ben, owner, await share(owner, ben))
    export: Any = partial(container.export_consent(), caller=ben, consent_id=consent_id)
    with pytest.raises(ConsentNotInForce):
        await export(form=ExportForm.KANTARA)
    told: Any = await export(form=ExportForm.DPV)
    assert told["dpv:hasConsentStatus"] == {"@id": "dpv:ConsentRequested"}
    grant = await container.approve_request()(caller=owner, consent_id=consent_id)
    told = await export(form=ExportForm.KANTARA)
    assert told["consentTimestamp"] == int(grant.created_at.timestamp())


async def test_a_repeat_of_an_answer_gets_what_the_first_got(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, _ = people
    grant, key = await share(owner, ben), once()
    renew: Any = partial(
        container.renew_consent(),
        caller=owner,
        consent_id=grant.consent_id,
        expires_at=in_(days=2),
        idempotency=key,
    )
    assert await renew() == await renew()
    asked, key = await ask(container, ben, owner, grant), once()
    approve: Any = partial(
        container.approve_request(), caller=owner, consent_id=asked, idempotency=key
    )
    assert await approve() == await approve()
    refused, key = await ask(container, ben, owner, grant), once()
    refuse: Any = partial(
        container.refuse_request(), caller=owner, consent_id=refused, idempotency=key
    )
    assert await refuse() == await refuse()
    for consent_id in (grant.consent_id, asked, refused):
        assert len((await shown(container, owner, consent_id)).events) == 2


@pytest.mark.parametrize("by", ["owner", "sharer"])
async def test_a_repeat_of_a_withdrawal_gets_the_receipt_of_the_first(
    container: Container, people: Sequence[Caller], share: Share, by: str
) -> None:
    owner, ben, carla = people
    parent = await share(owner, ben)
    child = await share(ben, carla, parent)
    giver, grant = (owner, parent) if by == "owner" else (ben, child)
    revoke: Any = partial(
        container.revoke_grant(), caller=giver, grant_id=grant.id, idempotency=once()
    )
    first = await revoke()
    assert await revoke() == first
    assert len(first.revocation.grants) == (2 if by == "owner" else 1)
    with pytest.raises(GrantAlreadyRevoked):
        await container.revoke_grant()(caller=giver, grant_id=grant.id, idempotency=once())
    with pytest.raises(ConsentNotInForce):
        await container.withdraw_consent()(
            caller=giver, consent_id=grant.consent_id, idempotency=once()
        )
    assert len((await shown(container, giver, grant.consent_id)).events) == 2


@pytest.mark.parametrize("kind", [ResourceKind.DOCUMENT, ResourceKind.COLLECTION])
async def test_a_receipt_tells_the_last_release_also_where_the_log_does_not_have_it_yet(
    container: Container, people: Sequence[Caller], kind: ResourceKind
) -> None:
    owner, ben, _ = people
    herons, unread = [await add_text(container, owner, "A heron.", "Herons") for _ in range(2)]
    about = herons.id
    if kind is ResourceKind.COLLECTION:
        about = await container.add_collection()(caller=owner, title="Birds")
        for each in (herons, unread):
            await container.put_in_collection()(
                caller=owner, collection_id=about, document_id=each.id
            )
    terms = Terms(
        resource=ResourceRef(kind=kind, id=about),
        actions=frozenset({Action.READ}),
        purpose=Purpose("care"),
        expires_at=in_(minutes=60),
    )
    grant = await container.give_grant()(caller=owner, grantee=ben.person_id, terms=terms)

    async def read(times: int) -> None:
        for _ in range(times):
            await container.gate()(
                caller=ben,
                action=Action.READ,
                purpose=Purpose("care"),
                versions=[herons.current.ref],
            )

    await read(2)
    await container.integrate_entries()(tenant_id=owner.tenant_id)
    await read(3)
    withdraw = container.withdraw_consent()
    receipt = await withdraw(caller=owner, consent_id=grant.consent_id)
    assert receipt.revocation.last_release_numbers == {herons.id: 5}
    assert claims_of(receipt.signed)["last_release_numbers"] == {str(herons.id): 5}
    await container.integrate_entries()(tenant_id=owner.tenant_id)
    accesses = await container.list_accesses()(
        caller=owner, document_id=herons.id, after=0, limit=9
    )
    assert [each.number for each in accesses] == [1, 2, 3, 4, 5]


async def test_what_could_not_be_signed_is_withdrawn_and_its_receipt_is_had_later(
    container: Container, people: Sequence[Caller], share: Share
) -> None:
    owner, ben, _ = people
    grant, key = await share(owner, ben), once()
    withdraw = container.withdraw_consent()
    asked: Any = {"caller": owner, "consent_id": grant.consent_id, "idempotency": key}
    with pytest.raises(Unavailable):
        await replace(withdraw, receipts=Unsigned())(**asked)
    assert (await shown(container, ben, grant.consent_id)).event_state == "withdrawn"
    of_owner = await receipt(container, owner, grant.consent_id)
    of_ben = await receipt(container, ben, grant.consent_id)
    for claims, side in ((of_owner, owner), (of_ben, ben)):
        assert claims["event_state"] == "withdrawn"
        assert (claims["event_type"], claims["entity_id"]) == (
            "consent_withdrawn",
            str(owner.person_id),
        )
        assert [each["event_state"] for each in claims["events"]] == ["given", "withdrawn"]
        assert claims["issued_to"] == str(side.person_id)
        assert claims["grant_id"] == str(grant.id)
        assert claims == await receipt(container, side, grant.consent_id)
    assert of_owner["receipt_id"] != of_ben["receipt_id"]
    assert "revocation" not in of_ben
    told = claims_of((await withdraw(**asked)).signed)
    assert told["grants"] == [{"id": str(grant.id), "epoch": 2}]
    assert of_owner["revocation"]["grants"] == told["grants"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [(None, ["record"]), ({"/diet", "/illness"}, ["record: /illness"]), ({"/diet"}, [])],
    ids=["all", "some", "none"],
)
async def test_what_a_schema_marks_is_told_as_sensitive(
    container: Container,
    people: Sequence[Caller],
    share: Share,
    fields: set[str] | None,
    told: list[str],
) -> None:
    owner, ben, _ = people
    name = f"s{uuid4().hex}"
    marked: Any = {"illness": {"type": "string", "x-sensitive": True}, "diet": {"type": "string"}}
    await container.declare_schema()(
        caller=owner,
        name=name,
        body={"type": "object", "properties": marked},
        expected_version=None,
    )
    record = await container.keep_records().add(
        caller=owner,
        content={"illness": "None.", "diet": "Fish."},
        details=RecordDetails(schema_name=name),
    )
    grant = await share(
        owner,
        ben,
        resource=ResourceRef(kind=ResourceKind.RECORD, id=record),
        fields=None if fields is None else frozenset(fields),
    )
    exported = await container.export_consent()(
        caller=ben, consent_id=grant.consent_id, form=ExportForm.KANTARA
    )
    assert (exported["sensitive"], exported["spiCat"]) == (bool(told), told)
