"""The grant: what the gate enforces, following from a consent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.errors import Conflict, Invalid, NotFound
from domain.identity import Action, ConsentId, DocumentId, GrantId, PersonId, Purpose

DURATION_MAX = timedelta(days=366 * 10)
USES_MAX = 1_000_000


class GrantMustEndLater(Invalid):
    """A grant must end after it begins."""

    code = "grant_must_end_later"


class GrantMustEndInTheFuture(Invalid):
    """A grant must end in the future, and within ten years."""

    code = "grant_must_end_in_the_future"


class GrantMustAllowSomething(Invalid):
    """A grant must allow at least one action."""

    code = "grant_must_allow_something"


class GrantUsesOutOfRange(Invalid):
    """The number of uses must be from 1 to 1,000,000."""

    code = "grant_uses_out_of_range"


class GranteeIsTheOwner(Invalid):
    """The owner of a thing needs no grant for it."""

    code = "grantee_is_the_owner"


class GranteeUnknown(Invalid):
    """Nobody here has this email address or id."""

    code = "grantee_unknown"


class PurposeUnknown(Invalid):
    """This purpose is not in the registry."""

    code = "purpose_unknown"


class GrantNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class GrantAlreadyRevoked(Conflict):
    """The grant was revoked before."""

    code = "grant_already_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission on one document: by whom, to whom, for what, from when until when.

    The window is half-open, [not_before, expires_at). `uses_left` counts releases and is None
    where there is no limit. `epoch` grows with every revocation.
    """

    id: GrantId
    consent_id: ConsentId
    grantor_id: PersonId
    grantee_id: PersonId
    document_id: DocumentId
    actions: frozenset[Action]
    purpose: Purpose
    not_before: datetime
    expires_at: datetime
    max_uses: int | None
    uses_left: int | None
    created_at: datetime
    epoch: int = 1
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.actions:
            raise GrantMustAllowSomething(field="/actions")
        if self.not_before >= self.expires_at:
            raise GrantMustEndLater(field="/expires_at")
        if self.max_uses is not None and not 1 <= self.max_uses <= USES_MAX:
            raise GrantUsesOutOfRange(field="/max_uses")
        if self.grantor_id == self.grantee_id:
            raise GranteeIsTheOwner(field="/grantee")

    def is_open_at(self, at: datetime) -> bool:
        return self.revoked_at is None and self.not_before <= at < self.expires_at

    def revoked(self, at: datetime) -> Grant:
        if self.revoked_at is not None:
            raise GrantAlreadyRevoked
        return replace(self, revoked_at=at, epoch=self.epoch + 1)


def assert_future(expires_at: datetime, now: datetime) -> None:
    """A new grant ends later than now, and not in another age."""
    if not now < expires_at <= now + DURATION_MAX:
        raise GrantMustEndInTheFuture(field="/expires_at")
