"""Writing an event of the log, inside the transaction that it tells about."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.engine import translated_outages
from adapters.postgres.statements import statement
from domain.consent.decision import POLICY_VERSION
from domain.consent.grant import Grant
from domain.errors import Unavailable
from domain.identity import Action, Caller, DocumentId, Purpose

SALT_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedResource:
    """What an event is about: a document, its version, the grant it happened under, and what the
    decision was made from, where there was one."""

    document_id: DocumentId
    version: int
    grant: Grant | None = None
    evidence: Mapping[str, object] | None = None


async def record_event(
    connection: AsyncConnection,
    caller: Caller,
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
        "salt": secrets.token_bytes(SALT_BYTES),
        "body": msgspec.json.encode(dict(body or {})).decode(),
        "documents": [each.document_id for each in resources],
        "versions": [each.version for each in resources],
        "grants": [grant and grant.id for grant in grants],
        "epochs": [grant and grant.epoch for grant in grants],
        "consents": [grant and grant.consent_id for grant in grants],
    }
    try:
        with translated_outages():
            await connection.execute(statement("record_event"), values)
    except DBAPIError as error:
        raise Unavailable("The access could not be recorded, so nothing was shown.") from error
