"""The wire forms of the transparency log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from application.audit.bundle_accesses import Bundle, BundledEntry
from application.audit.ports import Access, AccessFilter, DeniedAccess, Entry
from application.audit.prove_consistency import ConsistencyProof
from application.audit.prove_entry import EntryProof
from domain.audit.cosignature import Cosignature
from domain.audit.leaf import OpenedResource, Opening
from domain.audit.note import NOTE_BYTES_MAX, to_base64
from domain.consent.failure import FailureReason
from domain.identity import Action

BUNDLE_FORMAT = "strongroom-accesses@v1"
COSIGNED_EXAMPLE = {
    "checkpoint": "strongroom.local/checkpoints\n20\n"
    "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "— strongroom.local/checkpoints Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5…\n"
    "— witness.example KgAAAAZWdl2vUlPp5AtVBKKJZmgZcfrH2cLBvtYcUIqAlGUbyQVQPNWKTBvKxxx5…\n"
}


class FailureShown(msgspec.Struct, kw_only=True):
    """What was released could not be shown, or not to its end: a part may have been.

    `event_id` is the log's entry about it. That a reader went away is no failure.
    """

    event_id: UUID
    at: datetime
    reason: FailureReason


class AccessShown(msgspec.Struct, kw_only=True):
    """One release of one version. `number` is null until it is in the log.

    `outcome` is `failed` where the log tells of a failure after the release.
    """

    number: int | None
    integrated: bool
    event_id: UUID
    at: datetime
    person_id: UUID
    display_name: str
    action: str
    purpose: str
    version: int
    grant_id: UUID | None
    outcome: Literal["released", "failed"]
    failure: FailureShown | None


class AccessesShown(msgspec.Struct, kw_only=True):
    """Numbered without gaps from 1, then those not numbered yet. Go on with `?after=`."""

    items: list[AccessShown]
    next_after: int | None


class DenialShown(msgspec.Struct, kw_only=True):
    """Something that was asked of a version and refused. `reason` is told to the owner alone.

    `version` is 0 where there is no such version. Who came in vain with a link asked for no action
    and no version: `person_id` is that of the link, and `reason` says `link_redeemed_before`,
    `link_passcode_wrong` or `link_not_in_force`.
    """

    event_id: UUID
    integrated: bool
    at: datetime
    person_id: UUID
    display_name: str
    action: str | None
    purpose: str
    version: int
    reason: str | None


class ResourceShown(msgspec.Struct, kw_only=True):
    """A version that an event is about; 0 in a denial, which does not tell what there is."""

    document_id: UUID
    version: int
    grant_id: UUID | None
    number: int | None


class EventShown(msgspec.Struct, kw_only=True):
    """Something that one did. `index` is its place in the log, null until it is there."""

    id: UUID
    type: str
    at: datetime
    action: str | None
    purpose: str | None
    resources: list[ResourceShown]
    index: int | None


class OpenedActor(msgspec.Struct, kw_only=True):
    """HMAC-SHA256 under `key` over the 16 bytes of the id is the leaf's `actor_h`."""

    person_id: UUID
    key: str


class OpenedEvidence(msgspec.Struct, kw_only=True):
    """All that a decision was made from, and what it was, as canonical JSON.

    HMAC-SHA256 under `key` over the bytes of `text` is the resource's `evidence_commitment`.
    """

    text: str
    key: str


class OpenedResourceShown(msgspec.Struct, kw_only=True):
    """HMAC-SHA256 under `key` over the 16 bytes of the document's id is a `resource_h`."""

    document_id: UUID
    version: int
    key: str
    evidence: OpenedEvidence | None


class OpenedBody(msgspec.Struct, kw_only=True):
    """HMAC-SHA256 under `key` over the bytes of `text` is the leaf's `body_commitment`."""

    text: str
    key: str


class OpeningShown(msgspec.Struct, kw_only=True):
    """What the commitments in the leaf were made of, as far as it concerns the caller."""

    actor: OpenedActor
    resources: list[OpenedResourceShown]
    body: OpenedBody | None


class ProofShown(msgspec.Struct, kw_only=True):
    """All that is needed, beside the log's key, to verify without asking us.

    `leaf` is the exact text that was hashed; `proof` is a c2sp.org/tlog-proof with index, hashes
    and checkpoint. `opening` is null once what was committed to has been erased.
    """

    event_id: UUID
    leaf: str
    proof: str
    opening: OpeningShown | None


class BundledEntryShown(msgspec.Struct, kw_only=True):
    """`leaf` is the exact text that was hashed, `index` its place in the tree, and `hashes` lead
    from it to the root that the bundle's checkpoint states (RFC 9162, section 2.1.3)."""

    event_id: UUID
    index: int
    leaf: str
    hashes: list[str]
    opening: OpeningShown | None


class FilterShown(msgspec.Struct, kw_only=True):
    """What a list was narrowed to: null stands for all. The time is in [since, until)."""

    person_id: UUID | None
    action: Action | None
    purpose: str | None
    grant_id: UUID | None
    since: datetime | None
    until: datetime | None


class BundleShown(msgspec.Struct, kw_only=True):
    """The releases of one document numbered above `after`, under one signed checkpoint.

    `only` says what they were narrowed to; null: all of them, whose numbers then leave no gap.
    `failures` are the log's entries about those of them that failed. The evidence of each names
    its release, and why.

    All that is needed, beside the log's key, to verify without asking us. Go on with
    `?after=next_after` until that is null.
    """

    format: str
    document_id: UUID
    only: FilterShown | None
    checkpoint: str
    after: int
    entries: list[BundledEntryShown]
    failures: list[BundledEntryShown]
    next_after: int | None


class CosignedCheckpoint(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A checkpoint of the log, as a signed note with the line of a witness under it."""

    checkpoint: Annotated[str, Meta(min_length=1, max_length=NOTE_BYTES_MAX)]


class CosignatureShown(msgspec.Struct, kw_only=True):
    """`witness` is the name of its key; `at` is when it signed, as it says."""

    witness: str
    at: datetime


class CosignaturesShown(msgspec.Struct, kw_only=True):
    """Those that were accepted."""

    items: list[CosignatureShown]


class ConsistencyShown(msgspec.Struct, kw_only=True, rename={"old": "from", "new": "to"}):
    """Hashes (RFC 9162, section 2.1.4) from the tree of `from` leaves to that of `to`."""

    old: int
    new: int
    hashes: list[str]


def access_shown(access: Access) -> AccessShown:
    failure = access.failure
    return AccessShown(
        number=access.number,
        integrated=access.number is not None,
        event_id=access.event_id,
        at=access.at,
        person_id=access.person_id,
        display_name=access.display_name,
        action=access.action,
        purpose=access.purpose,
        version=access.version,
        grant_id=access.grant_id,
        outcome="released" if failure is None else "failed",
        failure=None
        if failure is None
        else FailureShown(
            event_id=failure.event_id, at=failure.at, reason=FailureReason(failure.reason)
        ),
    )


def denial_shown(denial: DeniedAccess) -> DenialShown:
    return DenialShown(
        event_id=denial.event_id,
        integrated=denial.integrated,
        at=denial.at,
        person_id=denial.person_id,
        display_name=denial.display_name,
        action=denial.action,
        purpose=denial.purpose,
        version=denial.version,
        reason=denial.reason,
    )


def bundle_shown(bundle: Bundle) -> BundleShown:
    return BundleShown(
        format=BUNDLE_FORMAT,
        document_id=bundle.document_id,
        only=None if bundle.only == AccessFilter() else _filter_shown(bundle.only),
        checkpoint=bundle.checkpoint,
        after=bundle.after,
        entries=[bundled_entry_shown(each) for each in bundle.entries],
        failures=[bundled_entry_shown(each) for each in bundle.failures],
        next_after=bundle.next_after,
    )


def _filter_shown(only: AccessFilter) -> FilterShown:
    return FilterShown(
        person_id=only.person_id,
        action=only.action,
        purpose=only.purpose,
        grant_id=only.grant_id,
        since=only.since,
        until=only.until,
    )


def bundled_entry_shown(entry: BundledEntry) -> BundledEntryShown:
    return BundledEntryShown(
        event_id=entry.event_id,
        index=entry.index,
        leaf=entry.leaf.decode(),
        hashes=[to_base64(hash_) for hash_ in entry.hashes],
        opening=None if entry.opening is None else _opening_shown(entry.opening),
    )


def event_shown(entry: Entry) -> EventShown:
    event = entry.event
    return EventShown(
        id=event.id,
        type=event.type,
        at=event.at,
        action=event.action,
        purpose=event.purpose,
        resources=[
            ResourceShown(
                document_id=each.document_id,
                version=each.version,
                grant_id=each.grant_id,
                number=each.release_seq,
            )
            for each in event.resources
        ],
        index=entry.index,
    )


def proof_shown(proof: EntryProof) -> ProofShown:
    return ProofShown(
        event_id=proof.event_id,
        leaf=proof.leaf.decode(),
        proof=proof.proof.text,
        opening=None if proof.opening is None else _opening_shown(proof.opening),
    )


def consistency_shown(proof: ConsistencyProof) -> ConsistencyShown:
    hashes = [to_base64(each) for each in proof.hashes]
    return ConsistencyShown(old=proof.old, new=proof.new, hashes=hashes)


def cosignatures_shown(found: Sequence[Cosignature]) -> CosignaturesShown:
    items = [CosignatureShown(witness=each.witness.name, at=each.at) for each in found]
    return CosignaturesShown(items=items)


def _opening_shown(opening: Opening) -> OpeningShown:
    body = None
    if opening.body is not None and opening.body_key is not None:
        body = OpenedBody(text=opening.body.decode(), key=to_base64(opening.body_key))
    return OpeningShown(
        actor=OpenedActor(person_id=opening.actor_id, key=to_base64(opening.actor_key)),
        resources=[_resource_shown(each) for each in opening.resources],
        body=body,
    )


def _resource_shown(resource: OpenedResource) -> OpenedResourceShown:
    evidence = None
    if resource.evidence is not None and resource.evidence_key is not None:
        evidence = OpenedEvidence(
            text=resource.evidence.decode(), key=to_base64(resource.evidence_key)
        )
    return OpenedResourceShown(
        document_id=resource.document_id,
        version=resource.version,
        key=to_base64(resource.key),
        evidence=evidence,
    )
