"""Rows of the table `grants`, as grants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.consent.grant import Grant, UsesPerInterval
from domain.identity import (
    Acr,
    Action,
    ConsentId,
    GrantId,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
)


def grant_of(row: Any) -> Grant:
    return Grant(
        id=GrantId(row.id),
        consent_id=ConsentId(row.consent_id),
        parent_id=row.parent_id and GrantId(row.parent_id),
        ancestors=tuple(GrantId(each) for each in row.ancestors),
        owner_id=PersonId(row.owner_id),
        grantor_id=PersonId(row.grantor_id),
        grantee_id=PersonId(row.grantee_id),
        resource=ResourceRef(kind=ResourceKind(row.resource_kind), id=UUID(str(row.resource_id))),
        fields=None if row.fields is None else frozenset(row.fields),
        versions=None if row.versions is None else frozenset(row.versions),
        actions=frozenset(Action(action) for action in row.actions),
        purpose=Purpose(row.purpose),
        not_before=row.not_before,
        expires_at=row.expires_at,
        max_uses=row.max_uses,
        uses_left=row.uses_left,
        uses_per_interval=_interval_of(row),
        retention=None
        if row.retention_seconds is None
        else timedelta(seconds=row.retention_seconds),
        required_acr=row.required_acr and Acr(row.required_acr),
        counted_above=row.is_counted,
        created_at=row.created_at,
        epoch=row.epoch,
        revoked_at=row.revoked_at,
    )


def row_of(grant: Grant) -> dict[str, object]:
    interval = grant.uses_per_interval
    return {
        "id": grant.id,
        "consent_id": grant.consent_id,
        "parent_id": grant.parent_id,
        "owner_id": grant.owner_id,
        "grantor_id": grant.grantor_id,
        "grantee_id": grant.grantee_id,
        "resource_kind": grant.resource.kind,
        "resource_id": grant.resource.id,
        "fields": None if grant.fields is None else sorted(grant.fields),
        "versions": None if grant.versions is None else sorted(grant.versions),
        "actions": sorted(grant.actions),
        "purpose": grant.purpose,
        "not_before": grant.not_before,
        "expires_at": grant.expires_at,
        "max_uses": grant.max_uses,
        "uses_left": grant.uses_left,
        "interval_uses": interval and interval.uses,
        "interval_seconds": interval and interval.seconds,
        "retention_seconds": None
        if grant.retention is None
        else int(grant.retention.total_seconds()),
        "required_acr": grant.required_acr,
        "epoch": grant.epoch,
        "revoked_at": grant.revoked_at,
        "created_at": grant.created_at,
    }


def _interval_of(row: Any) -> UsesPerInterval | None:
    if row.interval_uses is None:
        return None
    return UsesPerInterval(
        uses=row.interval_uses,
        seconds=row.interval_seconds,
        left=row.interval_left,
        started_at=row.interval_started_at,
    )
