"""Ports of the consent module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports import Idempotency, OpenedVersion
from domain.consent.decision import ConsentedGrant, Decision
from domain.consent.failure import FailureReason
from domain.consent.grant import Grant
from domain.consent.link import Agreed, LinkRefusal, ShareLink, TokenStanding
from domain.consent.purpose import RegisteredPurpose
from domain.consent.record import ConsentEvent, ConsentRecord
from domain.consent.terms import Terms
from domain.consent.withdrawal_policy import KeepingBasis, WithdrawalPolicy
from domain.identity import (
    Acr,
    Action,
    Caller,
    CollectionId,
    ConsentId,
    DocumentId,
    GrantId,
    PersonId,
    Purpose,
    ReleaseId,
    ResourceRef,
    RunId,
    TenantId,
    VersionRef,
)
from domain.json_pointer import Pointers

NOBODY = PersonId(UUID(int=0))
"""The owner of what does not exist."""


class EvidenceKeyMissing(Exception):
    """What is asked for has no key yet that its evidence could be sealed to."""


class Outdated(Exception):
    """What was decided on has changed meanwhile. Nothing was written: ask and decide again.

    `refused` are the grants that had no use left, if that is why.
    """

    def __init__(self, refused: frozenset[GrantId]) -> None:
        super().__init__("what was decided on has changed")
        self.refused = refused


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedVersion:
    """A version with its owner, and the grants that the asker holds on it.

    `wanted` is what was asked for, which may have been the current version, whichever that is.
    What does not exist is nobody's, and so is decided, and written down, like what is hidden.
    Nothing of it is locked. `collections` are those that hold it, and that something is granted on.
    `wait_for_log` says that its owner wants a release in the log before anything is shown.
    `text_commitment` stands for its whole text, where that is there.
    """

    wanted: VersionRef
    version: VersionRef
    owner_id: PersonId
    grants: Sequence[ConsentedGrant]
    collections: frozenset[CollectionId] = frozenset()
    wait_for_log: bool
    text_commitment: bytes | None = None
    at: datetime

    @classmethod
    def of_nobody(cls, wanted: VersionRef, at: datetime) -> AskedVersion:
        """One that does not exist."""
        nothing = VersionRef(document_id=wanted.document_id, version=0)
        return cls(
            wanted=wanted, version=nothing, owner_id=NOBODY, grants=(), wait_for_log=False, at=at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision on one version, what it was made from, and what stands for the text."""

    decision: Decision
    evidence: Mapping[str, object]
    text_commitment: bytes | None = None


class ReleaseAttempt(Protocol):
    """The gate at work: ask, decide, record, and again where what was asked has changed.

    Nothing is locked in between.
    """

    async def ask(self, versions: Sequence[VersionRef]) -> Sequence[AskedVersion]:
        """Each of them once, whether it exists or not. One clock, the database's, says when.

        Raises EvidenceKeyMissing, having decided nothing.
        """
        ...

    async def record(
        self,
        release_id: ReleaseId,
        *,
        action: Action,
        purpose: Purpose,
        at: datetime | None,
        decided: Mapping[VersionRef, Decided],
    ) -> None:
        """Write the release, or the denial where nothing is permitted, and queue it for the log.

        One transaction: it locks what the decision rests on against revocation and erasure, makes
        sure that it still stands, takes a use from each counted grant and from all that it comes
        from, and is committed. `at` is the time that was decided by; None where there was nothing
        to decide. Raises Outdated, having changed nothing, and Unavailable.
        """
        ...


class Releases(Protocol):
    """Where releases are written, and where their keys are had."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[ReleaseAttempt]: ...

    async def make_evidence_keys(self, caller: Caller, versions: Sequence[VersionRef]) -> None:
        """For those of these that have none: nothing is locked while the key service is asked."""
        ...

    async def until_in_log(self, caller: Caller, release_id: ReleaseId) -> None:
        """Return once the release is a leaf of the tree; the caller limits the time."""
        ...

    async def take_keys(
        self, caller: Caller, release_id: ReleaseId
    ) -> Mapping[VersionRef, OpenedVersion]:
        """The keys of a committed release: once, by the same person, within 30 seconds."""
        ...

    async def record_failure(
        self, caller: Caller, event_id: UUID, release_id: ReleaseId, reason: FailureReason
    ) -> None:
        """Log that what the caller was released could not be shown. Once for each release: does
        nothing the second time. Raises Unavailable. What was erased since is not named."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a consent."""

    person_id: PersonId
    display_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedResource:
    """What a consent is about: whose it is, how it is indexed (None: a collection), and how sure
    it must be who gives access to it; to a collection, as sure as for anything in it."""

    owner_id: PersonId
    index_mode: str | None
    approval_acr: Acr = Acr.PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedStream:
    """A run that was under way, and when it ended."""

    run_id: RunId
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What ending a consent did: grants closed, those shared onward too, and answers that rested
    on them taken back. `kept_under` says on which basis answers were kept, where any were."""

    grants: Sequence[Grant]
    streams: Sequence[StoppedStream]
    answers_hidden: int
    answers_kept: int
    kept_under: KeepingBasis | None
    last_release_numbers: Mapping[DocumentId, int]

    def claims(self) -> dict[str, object]:
        """As JSON: what is kept of it, and what receipts say."""
        return {
            "grants": [{"id": str(grant.id), "epoch": grant.epoch} for grant in self.grants],
            "streams": [
                {"run_id": str(each.run_id), "ended_at": each.ended_at.isoformat()}
                for each in self.streams
            ],
            "answers_hidden": self.answers_hidden,
            "answers_kept": self.answers_kept,
            "kept_under": self.kept_under and self.kept_under.claims(),
            "last_release_numbers": {
                str(document): number for document, number in self.last_release_numbers.items()
            },
        }


class ConsentTransaction(Protocol):
    """One transaction over consents and grants."""

    async def now(self) -> datetime: ...

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID: ...

    async def link(self, link_id: PersonId) -> tuple[ShareLink, str | None] | None:
        """One that the caller made, and the hash of its pass-code, if it has one."""
        ...

    async def is_claimed(self, idempotency: Idempotency) -> bool:
        """Whether this very request took effect. Raises KeyReused as `claim` does."""
        ...

    async def resource(self, resource: ResourceRef) -> SharedResource | None:
        """Whoever owns it: being found says nothing about being allowed."""
        ...

    async def party(self, named: str | PersonId) -> Party | None:
        """A person of this tenant, by email address or id. None for one who left."""
        ...

    async def add_grantee(self, person_id: PersonId, *, kind: str, name: str) -> Party:
        """A new grantee of kind `link` or `agent`: it has no password, and signs in nowhere."""
        ...

    async def keep_token(self, grant: Grant, token_hash: bytes) -> None:
        """With it, its grantee acts under this grant alone, and for as long as it."""
        ...

    async def keep_link(
        self, link: ShareLink, *, token_hash: bytes, pass_code_hash: str | None, attempts: int
    ) -> None: ...

    async def purpose(self, code: Purpose) -> RegisteredPurpose | None: ...

    async def withdrawal_policy(self) -> WithdrawalPolicy:
        """What the tenant does with finished answers after a withdrawal, until this transaction
        ends."""
        ...

    async def sensitive_fields(self, terms: Terms) -> Pointers:
        """Those of the fields of a record, or WHOLE where all are meant, that its schemas mark as
        sensitive. None of what has no schema, or is gone."""
        ...

    async def keep(
        self,
        record: ConsentRecord,
        event: ConsentEvent,
        grant: Grant | None,
        receipts: Mapping[PersonId, str],
    ) -> None:
        """A new consent with its first event, and the grant that follows from it at once.

        Raises GrantWiderThanParent where the database finds what is shared onward too wide.
        """
        ...

    async def append(
        self,
        record: ConsentRecord,
        event: ConsentEvent,
        grant: Grant | None,
        receipts: Mapping[PersonId, str],
    ) -> None:
        """The next event of a locked consent, and the grant that follows from it."""
        ...

    async def grant(self, grant_id: GrantId) -> Grant | None: ...

    async def grant_of(self, consent_id: ConsentId) -> Grant | None:
        """The newest grant that follows from a consent."""
        ...

    async def consent(self, consent_id: ConsentId) -> ConsentRecord | None: ...

    async def events(self, consent_id: ConsentId, *, lock: bool = False) -> Sequence[ConsentEvent]:
        """In order. With `lock`, readers in flight are waited for, and nobody else reads under
        this consent or what was shared onward from it, or appends to it, until this transaction
        ends."""
        ...

    async def end(
        self, consent_id: ConsentId, event: ConsentEvent, *, policy_applies: bool = True
    ) -> Revocation:
        """Append the event to the locked consent, close its grants and those shared onward from
        them, and hide what rests on them; finished answers are kept where the tenant's policy
        applies and says so."""
        ...

    async def revocation(self, consent_id: ConsentId) -> Revocation | None:
        """What ending the consent did, where `end` ended it."""
        ...

    async def receipt(self, consent_id: ConsentId, at: datetime) -> str | None:
        """The caller's own, of the event at that time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutConsent:
    """A consent whose time is over; `caller` is the person who gave it."""

    caller: Caller
    consent_id: ConsentId


class Consents(Protocol):
    """Consent records, their events and receipts, and the grants that follow from them."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[ConsentTransaction]: ...

    async def grants(
        self, caller: Caller, *, given: bool, after: GrantId | None, limit: int
    ) -> Sequence[Grant]: ...

    async def consents(
        self, caller: Caller, *, after: ConsentId | None, limit: int
    ) -> Sequence[tuple[ConsentRecord, Sequence[ConsentEvent]]]: ...

    async def run_out(self) -> Sequence[RunOutConsent]:
        """Some consents of any tenant whose time is over and that do not say so yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAttempt:
    """A link that somebody came with, and what their pass-code is compared with."""

    link_id: PersonId
    pass_code_hash: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRedeemed:
    """The grant that a token acts under, until when, and what was agreed."""

    grant: Grant
    expires_at: datetime
    agreed: Agreed


class Links(Protocol):
    """Share links, for their creator and for whoever has one."""

    async def find(self, caller: Caller, link_id: PersonId) -> ShareLink | None:
        """The caller's own."""
        ...

    async def made(
        self, caller: Caller, *, after: PersonId | None, limit: int
    ) -> Sequence[ShareLink]: ...

    async def attempt(self, tenant_id: TenantId, token_hash: bytes) -> LinkAttempt | None:
        """Count an attempt, where a pass-code is asked for; None for a link that is unknown or
        locked. Committed before anything is compared, so that a crash gives no attempt back."""
        ...

    async def redeem(
        self, tenant_id: TenantId, link_id: PersonId, grant_token: bytes
    ) -> LinkRedeemed | LinkRefusal:
        """Take one redemption and keep the token, in one guarded statement; give the attempts
        back. The same token again takes nothing."""
        ...

    async def refused(self, tenant_id: TenantId, link_id: PersonId, reason: LinkRefusal) -> None:
        """Tell that somebody came in vain: on the link, in the log, and among the denials of what
        is shared by it, as long as that is there."""
        ...


class GrantTokens(Protocol):
    """Tokens that act under one grant."""

    async def find(self, tenant_id: TenantId, token_hash: bytes) -> TokenStanding | None:
        """None where the token, or its grant, is over."""
        ...

    async def revoke(self, tenant_id: TenantId, token_hash: bytes) -> None: ...


class PassCodes(Protocol):
    """Slow, salted hashes of pass-codes, and comparing with them."""

    async def hash(self, pass_code: str) -> str: ...

    async def matches(self, pass_code: str, pass_code_hash: str | None) -> bool:
        """False for None, at the cost of a comparison."""
        ...


class Purposes(Protocol):
    """The tenant's registry of purposes."""

    async def all(self, caller: Caller) -> Sequence[RegisteredPurpose]:
        """In the order of their codes."""
        ...

    async def has(self, caller: Caller, code: Purpose) -> bool:
        """Whether it is registered, and it stays so: there is no way out of the registry."""
        ...

    async def put(self, caller: Caller, purpose: RegisteredPurpose) -> None:
        """Add it, or change how it is told. What was agreed keeps the notice it was told in."""
        ...


class WithdrawalPolicies(Protocol):
    """What each tenant does with finished answers when a consent is withdrawn."""

    async def of(self, caller: Caller) -> WithdrawalPolicy:
        """That of the caller's tenant; answers are hidden where it never said anything."""
        ...

    async def put(self, caller: Caller, policy: WithdrawalPolicy) -> None:
        """From now on, and into the log. The caller may be the operator."""
        ...


class ReceiptSigner(Protocol):
    """Signs what is handed to both sides, so that either can show it to anyone."""

    async def sign(self, kind: str, claims: Mapping[str, object]) -> str:
        """A JWS (RFC 7515) in compact form, by Ed25519, over these claims."""
        ...
