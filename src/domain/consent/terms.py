"""Terms: what somebody asks for or offers, before it is a grant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.consent.grant import (
    Grant,
    UsesPerInterval,
    assert_future,
    assert_in_our_age,
    assert_within,
)
from domain.identity import (
    Acr,
    Action,
    ConsentId,
    GrantId,
    PersonId,
    Purpose,
    ResourceRef,
)
from domain.json_pointer import Pointers


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what, for what, until when, how often. They begin with the agreement where `not_before`
    is None; `retention` is how long the recipient may keep what was shown."""

    resource: ResourceRef
    fields: Pointers | None = None
    versions: frozenset[int] | None = None
    actions: frozenset[Action]
    purpose: Purpose
    not_before: datetime | None = None
    expires_at: datetime
    max_uses: int | None = None
    uses_per_interval: UsesPerInterval | None = None
    retention: timedelta | None = None
    required_acr: Acr | None = None

    def beginning_with(self, parent: Grant | None, now: datetime) -> Terms:
        """As they are agreed to: what is shared onward begins with its parent at the earliest."""
        if parent is None or (self.not_before or now) >= parent.not_before:
            return self
        return replace(self, not_before=parent.not_before)

    def grant(
        self,
        *,
        id: GrantId,  # noqa: A002 - the field of the grant
        consent_id: ConsentId,
        owner_id: PersonId,
        grantor_id: PersonId,
        grantee_id: PersonId,
        now: datetime,
        parent: Grant | None = None,
    ) -> Grant:
        """Raises Invalid, naming the field, for terms that nobody can be granted, and for those
        that are wider than `parent`."""
        assert_in_our_age(self.not_before)
        assert_future(self.expires_at, now)
        grant = Grant(
            id=id,
            consent_id=consent_id,
            parent_id=None if parent is None else parent.id,
            ancestors=() if parent is None else (*parent.ancestors, parent.id),
            owner_id=owner_id,
            grantor_id=grantor_id,
            grantee_id=grantee_id,
            resource=self.resource,
            fields=self.fields,
            versions=self.versions,
            actions=self.actions,
            purpose=self.purpose,
            not_before=self.not_before or now,
            expires_at=self.expires_at,
            max_uses=self.max_uses,
            uses_left=self.max_uses,
            uses_per_interval=self.uses_per_interval,
            retention=self.retention,
            required_acr=self.required_acr,
            counted_above=parent is not None and parent.is_counted,
            created_at=now,
        )
        if parent is not None:
            assert_within(grant, parent)
        return grant
