"""Writing an event of the log, inside the transaction that it tells about."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.engine import translated_outages
from adapters.postgres.evidence import EvidenceKey, Sealing, body_context, evidence_context
from adapters.postgres.statements import statement
from domain.audit.leaf import (
    DENIAL,
    RELEASE,
    RELEASE_FAILED,
    actor_key,
    body_key,
    commitment,
    evidence_key,
    resource_key,
)
from domain.consent.decision import POLICY_VERSION
from domain.consent.grant import Grant
from domain.errors import Unavailable
from domain.identity import Action, Caller, DocumentId, Purpose

SALT_BYTES = 32
RECORD_SECONDS_MAX = 3.0
RESOURCES_MAX = 128  # so that a leaf fits into a bundle of entries, with half of it to spare


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedResource:
    """What an event is about: a document, its version, the grant it happened under, and evidence:
    of a decision all that it was made from, and what it was; of a failure what failed, and why.

    `evidence_key` is the document's. What does not exist has none: its evidence is sealed to the
    person who asked, so that it is written in the same way and at the same time.
    """

    document_id: DocumentId
    version: int
    grant: Grant | None = None
    evidence: Mapping[str, object] | None = None
    evidence_key: EvidenceKey | None = None


async def record_event(
    connection: AsyncConnection,
    caller: Caller,
    sealing: Sealing,
    *,
    event_id: UUID,
    type: str,  # noqa: A002 - the field's name in the leaf
    at: datetime | None,
    action: Action | None = None,
    purpose: Purpose | None = None,
    resources: Sequence[AuditedResource] = (),
    body: Mapping[str, object] | None = None,
) -> None:
    """Raises Unavailable whatever goes wrong: what cannot be recorded does not happen."""
    values = event_values(
        caller,
        sealing,
        event_id=event_id,
        type=type,
        at=at,
        action=action,
        purpose=purpose,
        resources=resources,
        body=body,
    )
    async with recording():
        await connection.execute(statement("record_event"), values)


@asynccontextmanager
async def recording() -> AsyncIterator[None]:
    """Bounds the writing of an event. Raises Unavailable whatever goes wrong."""
    try:
        with translated_outages():
            async with asyncio.timeout(RECORD_SECONDS_MAX):
                yield
    except (DBAPIError, asyncpg.PostgresError) as error:
        raise Unavailable("The access could not be recorded, so nothing was shown.") from error


def event_values(
    caller: Caller,
    sealing: Sealing,
    *,
    event_id: UUID,
    type: str,  # noqa: A002 - the field's name in the leaf
    at: datetime | None,
    action: Action | None,
    purpose: Purpose | None,
    resources: Sequence[AuditedResource],
    body: Mapping[str, object] | None,
) -> dict[str, object]:
    """The parameters of sql/record_event.sql.

    Every resource of a release or a denial has evidence, be it empty: whoever acted sees the
    leaf, and would learn from a missing commitment what does not exist.
    """
    if len(resources) > RESOURCES_MAX:
        raise ValueError(f"an event is about {RESOURCES_MAX} versions at most")
    salt = secrets.token_bytes(SALT_BYTES)
    content = sealing.canonical(body or {})
    explained = type in (RELEASE, DENIAL, RELEASE_FAILED)
    grants = [each.grant for each in resources]
    values = {
        "tenant": caller.tenant_id,
        "event": event_id,
        "type": type,
        "at": at,
        "actor": caller.person_id,
        "action": action,
        "purpose": purpose,
        "policy_version": POLICY_VERSION,
        "actor_commitment": commitment(actor_key(salt), caller.person_id.bytes),
        "body_commitment": commitment(body_key(salt), content),
        "salt": salt,
        **_sealed_body(caller, sealing, event_id, content if body else None),
        "documents": [each.document_id for each in resources],
        "versions": [each.version for each in resources],
        "grants": [grant and grant.id for grant in grants],
        "epochs": [grant and grant.epoch for grant in grants],
        "consents": [grant and grant.consent_id for grant in grants],
    }
    sealed = [_sealed(caller, sealing, event_id, each, explained=explained) for each in resources]
    values |= {name: [each[name] for each in sealed] for name in _SEALED}
    return values


def _sealed_body(
    caller: Caller, sealing: Sealing, event_id: UUID, content: bytes | None
) -> dict[str, object]:
    """What an operator did tells of nobody, and stays in the clear."""
    key = sealing.actor_key
    if key is None:
        return {"body": content and content.decode(), "body_key": None, "sealed_body": None}
    context = body_context(caller.tenant_id, event_id)
    sealed = content and sealing.boxes.seal(key.public_key, content, context)
    return {"body": None, "body_key": key.id, "sealed_body": sealed}


_SEALED = ("commitments", "evidence_commitments", "salts", "keys", "sealed_evidence")


def _sealed(
    caller: Caller, sealing: Sealing, event_id: UUID, resource: AuditedResource, *, explained: bool
) -> dict[str, object]:
    """What is stored of one resource: commitments, the salt they are made with, evidence."""
    salt = secrets.token_bytes(SALT_BYTES)
    stored: dict[str, object] = dict.fromkeys(_SEALED)
    stored["salts"] = salt
    stored["commitments"] = commitment(resource_key(salt), resource.document_id.bytes)
    if explained:
        evidence = sealing.canonical(resource.evidence or {})
        key = resource.evidence_key or sealing.actor_key
        assert key is not None  # operators decide nothing
        context = evidence_context(
            caller.tenant_id, event_id, resource.document_id, resource.version
        )
        stored["evidence_commitments"] = commitment(evidence_key(salt), evidence)
        stored["keys"] = key.id
        stored["sealed_evidence"] = sealing.boxes.seal(key.public_key, evidence, context)
    return stored
