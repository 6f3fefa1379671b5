"""Ports that every module needs: the gate, keys and ciphers, time, work, wake-ups.

A module's own ports live in its own `ports.py`, in its own words.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identity import (
    Acr,
    Action,
    Caller,
    GrantId,
    PersonId,
    Purpose,
    ReleaseId,
    ResourceRef,
    Role,
    TenantId,
    VersionRef,
)
from domain.json_pointer import Pointers

NewId = Callable[[], UUID]
"""Makes a UUID of version 7."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A 256-bit key in the clear. Lives in memory only; its repr tells nothing."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedVersion:
    """What a release hands out for one version: its keys, and the grant that allowed it.

    `content` opens the version's bytes, text and passages; `metadata` the document's title.
    `grant_id` is None where the caller owns the document. `fields` are the JSON Pointers that may
    be shown of a record; None: everything. `text_commitment` stands for the whole text, as the
    release has it; None where there was none.
    """

    content: DataKey
    metadata: DataKey
    grant_id: GrantId | None
    fields: Pointers | None = None
    text_commitment: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One audited disclosure, already committed: the versions that may be opened, and no others."""

    id: ReleaseId
    opened: Mapping[VersionRef, OpenedVersion]


class ReleaseGate(Protocol):
    """The one door through which keys leave, whoever asks and for whatever use."""

    async def __call__(
        self,
        *,
        caller: Caller,
        action: Action,
        purpose: Purpose,
        versions: Sequence[VersionRef],
        fields: Mapping[VersionRef, Pointers] | None = None,
    ) -> Release:
        """Decide for each version, write the release, commit, and only then take the keys.

        `fields` names what is wanted of a record; where a version is not in it, all that may be
        had. What is opened says what it may be shown for, which may be less. Versions that
        the caller may not have are missing from `opened`: no reason is given.
        Raises NotFound when nothing remains, and Unavailable, having disclosed nothing, when
        the release cannot be written within the gate's time limit.
        """
        ...


class ReleaseFailures(Protocol):
    """Tells the log when something cannot be shown although it was released."""

    def logged(
        self, caller: Caller, releases: Collection[ReleaseId]
    ) -> AbstractAsyncContextManager[None]:
        """What is raised inside is logged as a failure of these releases, and raised unchanged.

        Which they are is asked when it fails. Each fails once. Somebody going away is no failure:
        what was sent may have been read; nor is a refusal for how something was asked. Never takes
        longer than some seconds: where the log is down too, the error carries a note of it.
        """
        ...


class LeaseLost(Exception):
    """What was being shown may not be shown any more. Too late to be a refusal."""


class Leases(Protocol):
    """Hold whoever shows something for longer than a moment to the grant that it rests on."""

    def hold(
        self, *, caller: Caller, release_id: ReleaseId, version: VersionRef
    ) -> AbstractAsyncContextManager[None]:
        """Go on as long as the grant stays what it was when the release was written.

        Raises NotFound at the door where it is not. Within a second after it ended, or after it
        could not be asked about for a second, what runs inside is cancelled wherever it waits,
        and LeaseLost is raised.
        """
        ...


Context = Sequence[bytes]
"""What a ciphertext is bound to: tenant, owner, document, version, kind, part ... in this order."""


class Tampered(Exception):
    """A ciphertext did not open: altered, cut, or bound to another context. Never a refusal."""


class Cipher(Protocol):
    """Authenticated encryption of small values and of streams with random access.

    Opening anything that was altered, cut, or bound to another context raises Tampered.
    """

    def new_key(self) -> DataKey: ...

    def seal(self, key: DataKey, plaintext: bytes, context: Context) -> bytes: ...

    def open(self, key: DataKey, sealed: bytes, context: Context) -> bytes: ...

    def seal_stream(
        self, key: DataKey, plaintext: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        """Ciphertext of a plaintext of any length, in bounded memory."""
        ...

    def open_stream(
        self,
        key: DataKey,
        read: Callable[[int, int], AsyncIterator[bytes]],
        context: Context,
        *,
        sealed_length: int,
        start: int,
        end: int,
    ) -> AsyncGenerator[bytes]:
        """The plaintext bytes [start, end), verified chunk by chunk before they are yielded.

        `read(start, end)` yields the ciphertext bytes of that half-open range, of
        `sealed_length` in all.
        """
        ...

    def plain_length(self, sealed_length: int) -> int:
        """The length of the plaintext of a stream whose ciphertext has this length, in bytes."""
        ...


class SealedBoxes(Protocol):
    """Small values that anyone can seal and one key opens: whoever seals holds no secret."""

    def new_key(self) -> tuple[DataKey, bytes]:
        """A key that opens, and its public half, 32 bytes, that seals."""
        ...

    def seal(self, public_key: bytes, plaintext: bytes, context: Context) -> bytes: ...

    def open(self, key: DataKey, sealed: bytes, context: Context) -> bytes:
        """Raises Tampered for another key, another context or altered bytes."""
        ...


class OwnKeys(Protocol):
    """Keys of what people typed themselves, titles and chats, for those who typed it; and of the
    secret of their one-time codes.

    Their owner may list titles and reread conversations without a release for each, yet not
    while the log cannot be written: then it raises Unavailable.
    """

    async def __call__(
        self, *, caller: Caller, resources: Sequence[UUID]
    ) -> Mapping[UUID, DataKey]:
        """The metadata key of each document and the key of each other thing that the caller owns.

        What the caller does not own is missing from the answer.
        """
        ...


class LogWritable(Protocol):
    """Asked before something protected is shown or stored that is not logged one by one."""

    async def __call__(self) -> None:
        """Raises Unavailable unless an event could be written within the last second."""
        ...


class EndingsKept(Protocol):
    """Asked after something was erased, withdrawn or revoked, and before that is acknowledged."""

    async def __call__(self) -> None:
        """What has ended is known outside of the database too: no backup brings it back. Never
        fails."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A request that must take effect once: the client's key, and what was asked with it.

    `request_hash` is SHA-256 over everything that the effect depends on.
    """

    route: str
    key: str
    request_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token to hand out once, and what is kept of it."""

    text: str = field(repr=False)
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadToken:
    """What a token tells by itself: where to look, and for what. Nothing is proven yet."""

    tenant_id: TenantId
    hash: bytes


class OpaqueTokens(Protocol):
    """Makes and reads the tokens of one kind; a token names its tenant."""

    def new(self, tenant_id: TenantId) -> NewToken: ...

    def derived(self, tenant_id: TenantId, *, secret: str, label: str) -> NewToken:
        """The token that follows from a secret of 256 bits and a label: the same each time."""
        ...

    def read(self, text: str) -> ReadToken | None:
        """None for what nobody can have been given."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDescription:
    """What a token that works is good for (RFC 7662, section 2.2).

    `token_type` is how it is sent (RFC 6749, section 5.1); None for what gets no access by itself.
    The rest is told of tokens that act under one grant.
    """

    tenant_id: TenantId
    person_id: PersonId
    token_type: str | None
    expires_at: datetime
    issued_at: datetime | None = None
    role: Role | None = None
    acr: Acr | None = None
    auth_time: datetime | None = None
    not_before: datetime | None = None
    actions: frozenset[Action] = frozenset()
    purpose: Purpose | None = None
    resource: ResourceRef | None = None
    grant_id: GrantId | None = None


class TokenDescriber(Protocol):
    """Knows the tokens of one kind. Describing a token does not use it."""

    async def __call__(self, token: str) -> TokenDescription | None:
        """None for what does not work, whyever: of another kind, malformed, unknown, expired,
        used or revoked."""
        ...


class TokenRevoker(Protocol):
    """Ends the tokens of one kind, for whoever holds one."""

    async def __call__(self, *, token: str) -> None:
        """Does nothing for what is none of its own."""
        ...


class Jobs(Protocol):
    """Work to be done after, and only if, the surrounding transaction commits. At least once."""

    async def enqueue(self, name: str, payload: Mapping[str, str]) -> None: ...


class Signal(Protocol):
    """One listener's view of a topic."""

    async def wait(self, seconds_max: float) -> None:
        """Return at the next wake-up since the last wait, or after `seconds_max`."""
        ...


class Signals(Protocol):
    """Wake-ups between processes. They may be late, merged or lost: always look, then wait."""

    def listen(self, topic: str) -> AbstractContextManager[Signal]: ...


class RateLimits(Protocol):
    """Counts attempts per key in a moving window."""

    async def attempt(self, limit: str, *key: str) -> None:
        """Count one attempt; raises TooMany when `limit` (a setting's name) is used up."""
        ...


class StepUp(Protocol):
    """A second factor, proven at the moment of what it allows."""

    async def __call__(self, *, caller: Caller, code: str) -> None:
        """Accept a one-time or a recovery code of the caller's: each once, for ever.

        Raises StepUpRefused for a code that is wrong or was used, StepUpNotEnrolled where the
        caller has none, TooMany after some wrong ones, and Invalid for what is no code.
        """
        ...
