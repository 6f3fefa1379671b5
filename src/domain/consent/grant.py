"""The grant: what the gate enforces, following from a consent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from domain.errors import Conflict, Invalid, NotFound
from domain.identity import (
    Acr,
    Action,
    CollectionId,
    ConsentId,
    GrantId,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
    VersionRef,
)
from domain.json_pointer import POINTERS_MAX, Pointers, covers, parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DURATION_MAX = timedelta(days=366 * 10)
USES_MAX = 1_000_000
INTERVAL_MAX = timedelta(days=366)
VERSIONS_MAX = 100
ONWARD_MAX = 8


class GrantMustEndLater(Invalid):
    """A grant must end after it begins."""

    code = "grant_must_end_later"


class GrantMustBeginInOurAge(Invalid):
    """A grant begins in 1970 or later."""

    code = "grant_must_begin_in_our_age"


class GrantMustEndInTheFuture(Invalid):
    """A grant must end in the future, and within ten years."""

    code = "grant_must_end_in_the_future"


class GrantMustAllowSomething(Invalid):
    """A grant must allow at least one action."""

    code = "grant_must_allow_something"


class GrantUsesOutOfRange(Invalid):
    """The number of uses must be from 1 to 1,000,000."""

    code = "grant_uses_out_of_range"


class GrantIntervalOutOfRange(Invalid):
    """Uses per interval: from 1 to 1,000,000 uses, in an interval of a second to a year."""

    code = "grant_interval_out_of_range"


class GrantFieldsNotUsable(Invalid):
    """Fields are 1 to 100 JSON Pointers (RFC 6901) into one record."""

    code = "grant_fields_not_usable"


class GrantVersionsNotUsable(Invalid):
    """Versions are 1 to 100 numbers from 1 on, of one document or record."""

    code = "grant_versions_not_usable"


class GranteeIsTheOwner(Invalid):
    """The owner of a thing needs no grant for it."""

    code = "grantee_is_the_owner"


class GranteeUnknown(Invalid):
    """Nobody here has this email address or id."""

    code = "grantee_unknown"


class PurposeUnknown(Invalid):
    """This purpose is not in the registry."""

    code = "purpose_unknown"


class GrantWiderThanParent(Invalid):
    """What is shared onward is never wider than what one was given."""

    code = "grant_wider_than_parent"


class GrantNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class GrantAlreadyRevoked(Conflict):
    """The grant was revoked before."""

    code = "grant_already_revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsesPerInterval:
    """At most `uses` releases in each interval, which begins with the first release after the
    one before. `left` is of the interval that is being counted; None before the first."""

    uses: int
    seconds: int
    left: int | None = None
    started_at: datetime | None = None

    def __post_init__(self) -> None:
        if not (1 <= self.uses <= USES_MAX and 1 <= self.seconds <= INTERVAL_MAX.total_seconds()):
            raise GrantIntervalOutOfRange(field="/uses_per_interval")

    @property
    def ends_at(self) -> datetime | None:
        """When the interval that is being counted is over."""
        started = self.started_at
        return None if started is None else started + timedelta(seconds=self.seconds)

    def left_at(self, at: datetime) -> int:
        """How many uses there are, once an interval that is over has been forgotten."""
        if self.left is None or self.ends_at is None:
            return self.uses
        return self.uses if at >= self.ends_at else self.left


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A permission: by whom, to whom, on what, for what, from when until when, how often.

    The window is half-open, [not_before, expires_at). `uses_left` counts releases and is None
    where there is no limit. `fields` and `versions` are None where all of them are meant.
    `parent_id` is that of the grant it was shared onward from, and `ancestors` all above it, the
    parent last; a release spends a use of each of them, which `counted_above` says of any. `epoch`
    grows with every revocation.
    """

    id: GrantId
    consent_id: ConsentId
    parent_id: GrantId | None = None
    ancestors: tuple[GrantId, ...] = ()
    owner_id: PersonId
    grantor_id: PersonId
    grantee_id: PersonId
    resource: ResourceRef
    fields: Pointers | None = None
    versions: frozenset[int] | None = None
    actions: frozenset[Action]
    purpose: Purpose
    not_before: datetime
    expires_at: datetime
    max_uses: int | None = None
    uses_left: int | None = None
    uses_per_interval: UsesPerInterval | None = None
    retention: timedelta | None = None
    required_acr: Acr | None = None
    counted_above: bool = False
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
        if self.grantee_id in (self.owner_id, self.grantor_id):
            raise GranteeIsTheOwner(field="/grantee")
        _assert_fields(self.fields, self.resource.kind)
        _assert_versions(self.versions, self.resource.kind)

    @property
    def is_counted(self) -> bool:
        """Whether a release spends a use, of this grant or of one it comes from."""
        limited = self.max_uses is not None or self.uses_per_interval is not None
        return limited or self.counted_above

    def is_open_at(self, at: datetime) -> bool:
        return self.revoked_at is None and self.not_before <= at < self.expires_at

    def is_about(self, version: VersionRef, collections: frozenset[CollectionId]) -> bool:
        """Whether it is about this document or record, or about a collection that holds it."""
        if self.resource.kind is ResourceKind.COLLECTION:
            return CollectionId(self.resource.id) in collections
        return self.resource.id == version.document_id

    def revoked(self, at: datetime) -> Grant:
        if self.revoked_at is not None:
            raise GrantAlreadyRevoked
        return replace(self, revoked_at=at, epoch=self.epoch + 1)


def assert_in_our_age(not_before: datetime | None) -> None:
    """Databases and languages hold the first and the last years of all for other things."""
    if not_before is not None and not_before < EPOCH:
        raise GrantMustBeginInOurAge(field="/not_before")


def assert_future(expires_at: datetime, now: datetime) -> None:
    """A new grant ends later than now, and not in another age."""
    if not now < expires_at <= now + DURATION_MAX:
        raise GrantMustEndInTheFuture(field="/expires_at")


def assert_within(child: Grant, parent: Grant) -> None:
    """What is shared onward is never wider; the database holds the same, whoever asks."""
    limits = {
        "/actions": child.actions <= parent.actions,
        "/purpose": child.purpose == parent.purpose,
        "/resource": child.resource == parent.resource,
        "/fields": parent.fields is None
        or (child.fields is not None and all(covers(parent.fields, f) for f in child.fields)),
        "/versions": parent.versions is None
        or (child.versions is not None and child.versions <= parent.versions),
        "/not_before": child.not_before >= parent.not_before,
        "/expires_at": child.expires_at <= parent.expires_at,
        "/max_uses": _at_most(child.max_uses, parent.max_uses),
        "/uses_per_interval": parent.uses_per_interval is None
        or (
            child.uses_per_interval is not None
            and child.uses_per_interval.uses <= parent.uses_per_interval.uses
            and child.uses_per_interval.seconds >= parent.uses_per_interval.seconds
        ),
        "/retention_seconds": parent.retention is None
        or (child.retention is not None and child.retention <= parent.retention),
        "/required_acr": parent.required_acr in (None, child.required_acr),
        "/parent_id": len(child.ancestors) <= ONWARD_MAX,
    }
    for field, holds in limits.items():
        if not holds:
            raise GrantWiderThanParent(field=field)


def _at_most(narrower: int | None, wider: int | None) -> bool:
    return wider is None or (narrower is not None and narrower <= wider)


def _assert_fields(fields: Pointers | None, kind: ResourceKind) -> None:
    if fields is None:
        return
    if kind is not ResourceKind.RECORD or not 1 <= len(fields) <= POINTERS_MAX:
        raise GrantFieldsNotUsable(field="/fields")
    for pointer in fields:
        parse(pointer, field="/fields")


def _assert_versions(versions: frozenset[int] | None, kind: ResourceKind) -> None:
    if versions is None:
        return
    fits = kind is not ResourceKind.COLLECTION and 1 <= len(versions) <= VERSIONS_MAX
    if not fits or min(versions) < 1:
        raise GrantVersionsNotUsable(field="/versions")
