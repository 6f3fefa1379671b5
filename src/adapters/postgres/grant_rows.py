"""Rows of the table `grants`, as grants."""

from __future__ import annotations

from typing import Any

from domain.consent.grant import Grant
from domain.identity import Action, ConsentId, DocumentId, GrantId, PersonId, Purpose


def grant_of(row: Any) -> Grant:
    return Grant(
        id=GrantId(row.id),
        consent_id=ConsentId(row.consent_id),
        grantor_id=PersonId(row.grantor_id),
        grantee_id=PersonId(row.grantee_id),
        document_id=DocumentId(row.resource_id),
        actions=frozenset(Action(action) for action in row.actions),
        purpose=Purpose(row.purpose),
        not_before=row.not_before,
        expires_at=row.expires_at,
        max_uses=row.max_uses,
        uses_left=row.uses_left,
        created_at=row.created_at,
        epoch=row.epoch,
        revoked_at=row.revoked_at,
    )


def row_of(grant: Grant) -> dict[str, object]:
    return {
        "id": grant.id,
        "consent_id": grant.consent_id,
        "grantor_id": grant.grantor_id,
        "grantee_id": grant.grantee_id,
        "resource_kind": "document",
        "resource_id": grant.document_id,
        "actions": sorted(grant.actions),
        "purpose": grant.purpose,
        "not_before": grant.not_before,
        "expires_at": grant.expires_at,
        "max_uses": grant.max_uses,
        "uses_left": grant.uses_left,
        "epoch": grant.epoch,
        "revoked_at": grant.revoked_at,
        "created_at": grant.created_at,
    }
