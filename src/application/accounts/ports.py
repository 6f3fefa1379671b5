"""Ports of the accounts module."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from application.ports import DataKey, NewToken, RateLimits
from domain.accounts.email_address import EmailAddress
from domain.accounts.password import Password
from domain.accounts.person import Person
from domain.accounts.session import RefreshToken, Session, SessionEnd
from domain.accounts.totp import Totp
from domain.identity import Caller, Role, SessionId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An isolated space. `sign_up_open` says whether anyone may join it."""

    id: TenantId
    name: str
    sign_up_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person, the hash that their password must match, and whether a one-time code is needed
    as well."""

    person: Person
    password_hash: str = field(repr=False)
    needs_totp: bool = False


class AccountsTransaction(Protocol):
    """One transaction over the people of one tenant."""

    async def now(self) -> datetime: ...

    async def add(self, account: Account) -> None:
        """Raises EmailTaken."""
        ...

    async def find(self, email: EmailAddress) -> Account | None: ...

    async def replace_hash(self, account: Account, password_hash: str) -> None:
        """Does nothing where the hash is no longer the one that `account` was found with."""
        ...

    async def assign_role(self, email: EmailAddress, role: Role) -> Person | None: ...


class Accounts(Protocol):
    """Tenants, and who has an account in them."""

    async def tenant_named(self, name: str) -> Tenant | None:
        """The one question that is asked before a tenant is known."""
        ...

    async def own(self, caller: Caller) -> tuple[Person, Tenant] | None: ...

    def begin(self, tenant_id: TenantId) -> AbstractAsyncContextManager[AccountsTransaction]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Whom an access token speaks for, of which session it is, and when they last proved it.

    A service client has no session: the id in its place is its own.
    """

    caller: Caller
    session_id: SessionId
    auth_time: datetime
    is_client: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PresentedToken:
    """A refresh token as it is kept, with the person it speaks for: their present role, and the
    assurance of the session."""

    token: RefreshToken
    authenticated: Authenticated


class SessionsTransaction(Protocol):
    """One transaction over the sessions of one tenant."""

    async def now(self) -> datetime: ...

    async def open(self, session: Session, token: NewToken, expires_at: datetime) -> None:
        """A new session with the first token of its family."""
        ...

    async def present(self, token_hash: bytes) -> PresentedToken | None:
        """Locks the session: whoever presents a token of the same family waits for the end."""
        ...

    async def rotate(
        self, used_hash: bytes, used_at: datetime, new: NewToken, expires_at: datetime
    ) -> None:
        """Mark a token used and put a new one of the same family in its place."""
        ...

    async def step_up(self, caller: Caller, session_id: SessionId) -> Authenticated | None:
        """Raise a session of the caller's to MFA from now on; None where it is over."""
        ...

    async def is_open(self, session_id: SessionId) -> bool: ...

    async def end(self, session_id: SessionId, reason: SessionEnd) -> None:
        """End the session, and every token of it; again is no harm."""
        ...


class Sessions(Protocol):
    """Who is signed in, and with which refresh tokens."""

    def begin(self, tenant_id: TenantId) -> AbstractAsyncContextManager[SessionsTransaction]: ...

    async def sweep(self) -> int:
        """Delete, in all tenants, some of the tokens that ran out and of the sessions that are
        over; how many it were."""
        ...


class Passwords(Protocol):
    """Slow, salted hashes of passwords. A few at a time: a flood waits, or gets Unavailable."""

    async def hash(self, password: Password) -> str: ...

    async def matches(self, password: Password, password_hash: str | None) -> bool:
        """False for None, where nobody has such an account, at the cost of a comparison."""
        ...

    def is_outdated(self, password_hash: str) -> bool:
        """Whether it was made at another cost than new ones are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """What a client holds from now on. `expires_in_seconds` is of the access token."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedUp:
    """A new access token for a session, of a higher assurance."""

    access_token: str = field(repr=False)
    expires_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An access token that is valid."""

    authenticated: Authenticated
    issued_at: datetime
    expires_at: datetime


class AccessTokens(Protocol):
    """Short-lived proofs of who somebody is, which need no database to verify.

    The price: one that was issued stays good until it ends, whatever happens to its session.
    """

    @property
    def lifetime_seconds(self) -> int: ...

    async def issue(self, authenticated: Authenticated) -> str:
        """Raises Unavailable when the key service does not sign."""
        ...

    async def read(self, text: str) -> AccessToken:
        """Raises AccessTokenNotValid, whatever is wrong with it."""
        ...

    async def verify(self, text: str) -> Authenticated:
        """Whom it speaks for; raises as `read` does."""
        ...


class Attempts(RateLimits, Protocol):
    """Rate limits that forgive: a right password ends a series of wrong ones."""

    async def forget(self, limit: str, *key: str) -> None: ...


class OneTimeCodes(Protocol):
    """Computes one-time codes (RFC 6238). A secret is text in base32."""

    def new_secret(self) -> str: ...

    def code_at(self, secret: str, step: int) -> str: ...

    def uri(self, secret: str, account: str) -> str:
        """What a QR code tells an authenticator app (otpauth://)."""
        ...


class RecoveryCodes(Protocol):
    """Makes recovery codes, and the hashes that are kept of them."""

    def new(self) -> str: ...

    def hash(self, code: str) -> bytes: ...


class SecondFactorsTransaction(Protocol):
    """One transaction over the second factor of one person."""

    async def now(self) -> datetime: ...

    async def propose(self, totp: Totp, key: DataKey) -> None:
        """Keep one that is pending, in place of one that was. Raises TotpAlreadyEnrolled."""
        ...

    async def confirm(self, totp: Totp, step: int, recovery_hashes: Sequence[bytes]) -> bool:
        """From now on it is asked for; `step` counts as used. False where it is not pending."""
        ...

    async def spend_step(self, totp: Totp, step: int) -> bool:
        """Whether this step is later than every one before it: each is good once, for ever."""
        ...

    async def spend_recovery_code(self, totp: Totp, code_hash: bytes) -> bool: ...

    async def remove(self, totp: Totp) -> None:
        """With its key and its recovery codes."""
        ...


class SecondFactors(Protocol):
    """Who has set up one-time codes, and what was used of them."""

    async def find(self, caller: Caller) -> Totp | None: ...

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[SecondFactorsTransaction]: ...
