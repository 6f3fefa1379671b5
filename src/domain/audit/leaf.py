"""The leaf of one event: facts in the clear, who and what only as commitments.

A commitment is HMAC-SHA256 (RFC 2104) under a key of its own, which HMAC-SHA256 derives from the
event's random salt. So one fact can be opened to whom it concerns, and the others stay closed;
and once the salt is erased nothing opens any more, while leaf and proofs stay valid.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from domain.identity import ConsentId, DocumentId, GrantId, PersonId

LEAF_VERSION = 1
KEY_BYTES = 32
DENIAL = "denial"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedResource:
    """A version that an event is about. `release_seq` counts the releases of its document."""

    document_id: DocumentId
    version: int
    grant_id: GrantId | None = None
    grant_epoch: int | None = None
    consent_id: ConsentId | None = None
    release_seq: int | None = None


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
    salt: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedResource:
    """A resource with the key that opens its commitment."""

    document_id: DocumentId
    version: int
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What some of a leaf's commitments were made of. `body` is canonical JSON."""

    actor_id: PersonId
    actor_key: bytes = field(repr=False)
    resources: tuple[OpenedResource, ...]
    body: bytes | None = None
    body_key: bytes | None = field(default=None, repr=False)


def leaf_of(log: str, event: LoggedEvent, body: bytes) -> dict[str, object]:
    """The members of the leaf; RFC 8785 then makes it bytes. `body` is canonical JSON.

    Resources are in the order of their commitments, which tells nothing about them.
    """
    resources = [_resource(event.salt, each) for each in event.resources]
    return {
        "v": LEAF_VERSION,
        "log": log,
        "event_id": str(event.id),
        "type": event.type,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor_h": event.salt and _commitment(actor_key(event.salt), event.actor_id.bytes),
        "action": event.action,
        "purpose": event.purpose,
        "policy_version": event.policy_version,
        "resources": sorted(resources, key=lambda each: (str(each["resource_h"]), each["version"])),
        "body_commitment": event.salt and _commitment(body_key(event.salt), body),
    }


def opening_of(
    event: LoggedEvent, *, documents: Collection[DocumentId], body: bytes | None
) -> Opening | None:
    """Opens the actor, these documents, and the body where it is given. None once erased."""
    if event.salt is None:
        return None
    return Opening(
        actor_id=event.actor_id,
        actor_key=actor_key(event.salt),
        resources=tuple(
            OpenedResource(
                document_id=each.document_id,
                version=each.version,
                key=resource_key(event.salt, each.document_id),
            )
            for each in event.resources
            if each.document_id in documents
        ),
        body=body,
        body_key=None if body is None else body_key(event.salt),
    )


def opens(leaf: Mapping[str, object], opening: Opening) -> bool:
    """Whether everything in the opening is what the leaf committed to."""
    listed = leaf.get("resources")
    held = {
        (each.get("resource_h"), each.get("version"))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    }
    bodies = (opening.body_key, opening.body)
    return (
        _fits(leaf.get("actor_h"), opening.actor_key, opening.actor_id.bytes)
        and all(
            len(each.key) == KEY_BYTES
            and (_commitment(each.key, each.document_id.bytes), each.version) in held
            for each in opening.resources
        )
        and (bodies == (None, None) or _fits(leaf.get("body_commitment"), *bodies))
    )


def actor_key(salt: bytes) -> bytes:
    return hmac.digest(salt, b"actor", "sha256")


def resource_key(salt: bytes, document_id: DocumentId) -> bytes:
    return hmac.digest(salt, b"resource" + document_id.bytes, "sha256")


def body_key(salt: bytes) -> bytes:
    return hmac.digest(salt, b"body", "sha256")


def _resource(salt: bytes | None, resource: LoggedResource) -> dict[str, object]:
    document = resource.document_id
    return {
        "resource_h": salt and _commitment(resource_key(salt, document), document.bytes),
        "version": resource.version,
        "release_seq": resource.release_seq,
        "grant_id": resource.grant_id and str(resource.grant_id),
        "grant_epoch": resource.grant_epoch,
        "consent": resource.consent_id and str(resource.consent_id),
    }


def _fits(committed: object, key: bytes | None, fact: bytes | None) -> bool:
    # One length of key: HMAC pads a shorter one with zeros, so two keys could open one value.
    if key is None or fact is None or len(key) != KEY_BYTES:
        return False
    return committed == _commitment(key, fact)


def _commitment(key: bytes, fact: bytes) -> str:
    """64 hexadecimal digits."""
    return hmac.digest(key, fact, "sha256").hex()
