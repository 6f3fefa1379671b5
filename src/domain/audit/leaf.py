"""The leaf of one event: facts in the clear, who and what only as commitments.

A commitment is HMAC-SHA256 (RFC 2104) under a key of its own, which HMAC-SHA256 derives from a
random salt: one salt for who acted and the event's body, one for each resource and its evidence.
So one fact can be opened to whom it concerns, and the others stay closed; and once a salt is
erased nothing opens any more, while leaf and proofs stay valid.

Commitments are made when an event is written, and the leaf copies them. Leaves of version 1 had
one salt for all of an event, and no evidence.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from domain.identity import ConsentId, DocumentId, GrantId, PersonId

LEAF_VERSION = 2
KEY_BYTES = 32
RELEASE = "release"
DENIAL = "denial"
RELEASE_FAILED = "release_failed"
NO_VERSION = 0
"""What a denial names instead of a version. Whoever was refused sees the leaf, and would learn
from a version which documents there are and how often they changed. Evidence tells it to owners."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedResource:
    """A version that an event is about. `release_seq` counts the releases of its document.

    `salt` is None where it was erased or is not asked for, and `evidence`, canonical JSON, where
    there is none or whoever asks may not have it.
    """

    document_id: DocumentId
    version: int
    grant_id: GrantId | None = None
    grant_epoch: int | None = None
    consent_id: ConsentId | None = None
    release_seq: int | None = None
    commitment: bytes | None = None
    evidence_commitment: bytes | None = None
    salt: bytes | None = field(default=None, repr=False)
    evidence: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedEvent:
    """What happened, as it goes into the log. `salt` is None once the event was erased."""

    id: UUID
    type: str
    at: datetime
    actor_id: PersonId
    action: str | None
    purpose: str | None
    policy_version: str | None
    resources: Sequence[LoggedResource]
    actor_commitment: bytes | None = None
    body_commitment: bytes | None = None
    salt: bytes | None = field(repr=False)

    @property
    def leaf_version(self) -> int:
        return 1 if self.actor_commitment is None else LEAF_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedResource:
    """A resource with the key that opens its commitment, and perhaps its evidence with its key."""

    document_id: DocumentId
    version: int
    key: bytes = field(repr=False)
    evidence: bytes | None = None
    evidence_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What some of a leaf's commitments were made of. `body` is canonical JSON."""

    actor_id: PersonId
    actor_key: bytes = field(repr=False)
    resources: tuple[OpenedResource, ...]
    body: bytes | None = None
    body_key: bytes | None = field(default=None, repr=False)


def leaf_of(log: str, event: LoggedEvent, body: bytes = b"{}") -> dict[str, object]:
    """The members of the leaf; RFC 8785 then makes it bytes.

    `body`, canonical JSON, matters to an event of version 1 only, which has no commitments yet.
    Resources are in the order of their commitments, which tells nothing about them.
    """
    version = event.leaf_version
    event = _committed_late(event, body) if version == 1 else event
    resources = [_resource(each, version) for each in event.resources]
    return {
        "v": version,
        "log": log,
        "event_id": str(event.id),
        "type": event.type,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor_h": _hex(event.actor_commitment),
        "action": event.action,
        "purpose": event.purpose,
        "policy_version": event.policy_version,
        "resources": sorted(resources, key=lambda each: (str(each["resource_h"]), each["version"])),
        "body_commitment": _hex(event.body_commitment),
    }


def opening_of(
    event: LoggedEvent,
    *,
    documents: Collection[DocumentId],
    evidence_of: Collection[DocumentId] = (),
    body: bytes | None,
) -> Opening | None:
    """Opens the actor, these documents, evidence of some, and the body where it is given.

    None once the event was erased. What was erased of a document is missing.
    """
    if event.salt is None:
        return None
    told = [each for each in event.resources if each.document_id in documents]
    return Opening(
        actor_id=event.actor_id,
        actor_key=actor_key(event.salt),
        resources=tuple(
            opened
            for each in told
            if (opened := _opened(event, each, evidence=each.document_id in evidence_of))
        ),
        body=body,
        body_key=None if body is None else body_key(event.salt),
    )


def opens(leaf: Mapping[str, object], opening: Opening) -> bool:
    """Whether everything in the opening is what the leaf committed to."""
    listed = leaf.get("resources")
    held = {
        (each.get("resource_h"), each.get("version")): each.get("evidence_commitment")
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    }
    return (
        _fits(leaf.get("actor_h"), opening.actor_key, opening.actor_id.bytes)
        and all(_is_held(each, held) for each in opening.resources)
        and _fits_if_told(leaf.get("body_commitment"), opening.body_key, opening.body)
    )


def actor_key(salt: bytes) -> bytes:
    return hmac.digest(salt, b"actor", "sha256")


def body_key(salt: bytes) -> bytes:
    return hmac.digest(salt, b"body", "sha256")


def resource_key(salt: bytes) -> bytes:
    """From the resource's own salt."""
    return hmac.digest(salt, b"resource", "sha256")


def evidence_key(salt: bytes) -> bytes:
    """From the resource's own salt."""
    return hmac.digest(salt, b"evidence", "sha256")


def first_resource_key(salt: bytes, document_id: DocumentId) -> bytes:
    """As in version 1: from the event's salt."""
    return hmac.digest(salt, b"resource" + document_id.bytes, "sha256")


def commitment(key: bytes, fact: bytes) -> bytes:
    """32 bytes, which a leaf shows as 64 hexadecimal digits."""
    return hmac.digest(key, fact, "sha256")


def _committed_late(event: LoggedEvent, body: bytes) -> LoggedEvent:
    """An event of version 1 with the commitments of its leaf: none once its salt is erased."""
    salt = event.salt
    if salt is None:
        return event
    return replace(
        event,
        actor_commitment=commitment(actor_key(salt), event.actor_id.bytes),
        body_commitment=commitment(body_key(salt), body),
        resources=[
            replace(
                each,
                commitment=commitment(
                    first_resource_key(salt, each.document_id), each.document_id.bytes
                ),
            )
            for each in event.resources
        ],
    )


def _resource(resource: LoggedResource, version: int) -> dict[str, object]:
    members: dict[str, object] = {
        "resource_h": _hex(resource.commitment),
        "version": resource.version,
        "release_seq": resource.release_seq,
        "grant_id": resource.grant_id and str(resource.grant_id),
        "grant_epoch": resource.grant_epoch,
        "consent": resource.consent_id and str(resource.consent_id),
    }
    if version > 1:
        members["evidence_commitment"] = _hex(resource.evidence_commitment)
    return members


def _opened(
    event: LoggedEvent, resource: LoggedResource, *, evidence: bool
) -> OpenedResource | None:
    if event.leaf_version == 1 and event.salt is not None:
        key = first_resource_key(event.salt, resource.document_id)
    elif resource.salt is not None:
        key = resource_key(resource.salt)
    else:
        return None
    told = resource.evidence if evidence else None
    return OpenedResource(
        document_id=resource.document_id,
        version=resource.version,
        key=key,
        evidence=told,
        evidence_key=evidence_key(resource.salt) if told and resource.salt else None,
    )


def _is_held(resource: OpenedResource, held: Mapping[tuple[object, object], object]) -> bool:
    if len(resource.key) != KEY_BYTES:
        return False
    named = (commitment(resource.key, resource.document_id.bytes).hex(), resource.version)
    return named in held and _fits_if_told(held[named], resource.evidence_key, resource.evidence)


def _fits_if_told(committed: object, key: bytes | None, fact: bytes | None) -> bool:
    return (key, fact) == (None, None) or _fits(committed, key, fact)


def _fits(committed: object, key: bytes | None, fact: bytes | None) -> bool:
    # One length of key: HMAC pads a shorter one with zeros, so two keys could open one value.
    if key is None or fact is None or len(key) != KEY_BYTES:
        return False
    return committed == commitment(key, fact).hex()


def _hex(made: bytes | None) -> str | None:
    return made.hex() if made else None
