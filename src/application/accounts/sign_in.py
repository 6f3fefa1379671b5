"""Sign in: a password, and where it is set up a one-time code, against a session."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from application.accounts.ports import (
    AccessTokens,
    Account,
    Accounts,
    Attempts,
    Authenticated,
    Passwords,
    Sessions,
    SignedIn,
)
from application.ports import NewId, OpaqueTokens, StepUp
from domain.accounts.email_address import EmailAddress, email_address
from domain.accounts.password import Password, given_password
from domain.accounts.person import CredentialsWrong
from domain.accounts.session import Session
from domain.accounts.totp import StepUpRefused, TotpRefused, TotpRequired
from domain.identity import Acr, Caller, SessionId, TenantId

SIGN_IN_PER_ADDRESS = "sign_in_rate_per_address"
SIGN_IN_PER_ACCOUNT = "sign_in_rate_per_account"

_NOWHERE = TenantId(UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """Opens a session for whoever knows the password, and has the second factor if there is one.

    A wrong password, an unknown person and an unknown tenant take the same steps: the same
    questions to the database, one comparison of hashes, the same refusal. A one-time code is
    looked at, and used up, only after the right password.
    """

    accounts: Accounts
    sessions: Sessions
    passwords: Passwords
    access_tokens: AccessTokens
    refresh_tokens: OpaqueTokens
    step_up: StepUp
    attempts: Attempts
    new_id: NewId
    refresh_token_lifetime: timedelta = timedelta(days=30)

    async def __call__(
        self, *, tenant: str, email: str, password: str, totp: str | None = None, address: str
    ) -> SignedIn:
        """`tenant` is its name, `address` where the request is from.

        Raises CredentialsWrong; TotpRequired and TotpRefused once the password was right; TooMany
        before anything is hashed; Invalid for what is no email address or no password at all.
        """
        await self.attempts.attempt(SIGN_IN_PER_ADDRESS, address)
        given_email, given = email_address(email), given_password(password)
        await self.attempts.attempt(SIGN_IN_PER_ACCOUNT, tenant, given_email)
        tenant_id, account = await self._look_up(tenant, given_email)
        password_hash = None if account is None else account.password_hash
        # Nothing is held open while this takes its time.
        matches = await self.passwords.matches(given, password_hash)
        if account is None or not matches:
            raise CredentialsWrong
        caller = await self._authenticate(tenant_id, account, totp)
        await self.attempts.forget(SIGN_IN_PER_ACCOUNT, tenant, given_email)
        if self.passwords.is_outdated(account.password_hash):
            await self._hash_anew(tenant_id, account, given)
        return await self._open(caller)

    async def _look_up(self, tenant: str, email: EmailAddress) -> tuple[TenantId, Account | None]:
        found = await self.accounts.tenant_named(tenant)
        tenant_id = _NOWHERE if found is None else found.id
        async with self.accounts.begin(tenant_id) as tx:
            return tenant_id, await tx.find(email)

    async def _hash_anew(self, tenant_id: TenantId, account: Account, password: Password) -> None:
        password_hash = await self.passwords.hash(password)
        async with self.accounts.begin(tenant_id) as tx:
            await tx.replace_hash(account, password_hash)

    async def _authenticate(
        self, tenant_id: TenantId, account: Account, totp: str | None
    ) -> Caller:
        person = account.person
        caller = Caller(tenant_id=tenant_id, person_id=person.id, role=person.role)
        if not account.needs_totp:
            return caller
        if totp is None:
            raise TotpRequired
        try:
            await self.step_up(caller=caller, code=totp)
        except StepUpRefused as refused:
            raise TotpRefused from refused
        return replace(caller, acr=Acr.MFA)

    async def _open(self, caller: Caller) -> SignedIn:
        token = self.refresh_tokens.new(caller.tenant_id)
        async with self.sessions.begin(caller.tenant_id) as tx:
            now = await tx.now()
            session = Session(
                id=SessionId(self.new_id()),
                person_id=caller.person_id,
                acr=caller.acr,
                auth_time=now,
            )
            await tx.open(session, token, now + self.refresh_token_lifetime)
            # Inside the transaction: a key service that does not sign leaves no session behind.
            access_token = await self.access_tokens.issue(
                Authenticated(caller=caller, session_id=session.id, auth_time=now)
            )
        return SignedIn(
            access_token=access_token,
            refresh_token=token.text,
            expires_in_seconds=self.access_tokens.lifetime_seconds,
        )
