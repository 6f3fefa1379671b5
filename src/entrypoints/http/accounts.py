"""Accounts over HTTP: sign up, sign in, sign out, and who one is."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.di import Provide
from litestar.params import JSONBody, SkipValidation
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from adapters.memory.rate_limits import LimitReached
from application.accounts.erase_account import AccountErasure, EraseAccount
from application.accounts.ports import Accounts, Authenticated, SecondFactors, SignedIn
from application.accounts.sign_in import SignIn
from application.accounts.sign_out import SignOut
from application.accounts.sign_up import SignUp
from domain.accounts.email_address import CHARACTERS_MAX as EMAIL_CHARACTERS_MAX
from domain.accounts.password import CHARACTERS_MAX, CHARACTERS_MIN
from domain.accounts.person import DISPLAY_NAME_CHARACTERS_MAX, Person
from domain.accounts.totp import Totp, TotpState, state_of
from domain.errors import NotAuthenticated
from domain.identity import Caller, PersonId, Role
from entrypoints.http.access import PUBLIC
from entrypoints.http.authentication import provide_authenticated
from entrypoints.http.injected import Injected
from entrypoints.http.rate_limits import address_of, limit_reached
from entrypoints.http.second_factor import CodeText

TENANT_DEFAULT = "default"
SIGN_IN_EXAMPLE = {"email": "asha@example.org", "password": "a long enough secret"}

EmailText = Annotated[str, Meta(min_length=3, max_length=EMAIL_CHARACTERS_MAX)]
TenantName = Annotated[str, Meta(min_length=1, max_length=100)]


class NewAccount(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who wants an account, and in which tenant."""

    email: EmailText
    password: Annotated[str, Meta(min_length=CHARACTERS_MIN, max_length=CHARACTERS_MAX)]
    display_name: Annotated[str, Meta(min_length=1, max_length=DISPLAY_NAME_CHARACTERS_MAX)]
    tenant: TenantName = TENANT_DEFAULT


class TotpShown(msgspec.Struct, kw_only=True):
    """Whether one-time codes are set up, and how many recovery codes were not used yet."""

    state: TotpState = TotpState.NONE
    recovery_codes_left: int = 0


class AccountShown(msgspec.Struct, kw_only=True):
    """An account, as its owner sees it."""

    id: UUID
    email: str
    display_name: str
    tenant: str
    role: Role
    totp: TotpShown
    created_at: datetime


class Credentials(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What one signs in with. `totp` is needed where one-time codes are set up."""

    email: EmailText
    password: Annotated[str, Meta(min_length=1, max_length=CHARACTERS_MAX)]
    totp: CodeText | None = None
    tenant: TenantName = TENANT_DEFAULT


class LastWord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Who erases an account proves again who they are."""

    password: Annotated[str, Meta(min_length=1, max_length=CHARACTERS_MAX)]
    totp: CodeText | None = None


class AccountErasureShown(msgspec.Struct, kw_only=True):
    """What an erasure destroyed, what a search for the rest found, and a signed receipt of it.

    `index_probes` words and vectors that the index had of the documents were looked for in it
    again; `index_hits` in `residue` is how often they found one. `kept` counts what others need as
    evidence: it has neither a name nor content. Until `backup_horizon` a backup may still hold the
    wrapped keys.
    """

    person_id: UUID
    destroyed: dict[str, int]
    residue: dict[str, int]
    index_probes: int
    kept: dict[str, int]
    effective_at: datetime
    backup_horizon: datetime
    receipt: str


class TokensShown(msgspec.Struct, kw_only=True):
    """The tokens of a session (RFC 6749, section 5.1). Each refresh token is good for one use."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str


class AccountsController(Controller):
    """/v1/accounts"""

    path = "/v1/accounts"
    tags = ("Accounts",)
    opt = PUBLIC
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(
        status_code=201,
        opt={"example": {**SIGN_IN_EXAMPLE, "display_name": "Asha"}},
    )
    async def sign_up(
        self,
        request: Request[Any, Any, Any],
        sign_up: Injected[SignUp],
        data: JSONBody[NewAccount],
    ) -> Response[AccountShown]:
        """Make an account. Repeated, it answers 409: there is one account per email address."""
        person = await sign_up(
            tenant=data.tenant,
            email=data.email,
            password=data.password,
            name=data.display_name,
            address=address_of(request),
        )
        shown = _account_shown(person, data.tenant)
        return Response(shown, headers={"Location": "/v1/me"})


class SessionsController(Controller):
    """/v1/sessions"""

    path = "/v1/sessions"
    tags = ("Accounts",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(status_code=201, opt={**PUBLIC, "example": SIGN_IN_EXAMPLE})
    async def sign_in(
        self,
        request: Request[Any, Any, Any],
        sign_in: Injected[SignIn],
        data: JSONBody[Credentials],
    ) -> TokensShown:
        """Sign in with email address and password, and a one-time code where they are set up."""
        signed_in = await sign_in(
            tenant=data.tenant,
            email=data.email,
            password=data.password,
            totp=data.totp,
            address=address_of(request),
        )
        return tokens_shown(signed_in)

    @delete(
        status_code=204,
        dependencies={"authenticated": Provide(provide_authenticated, sync_to_thread=False)},
    )
    async def sign_out(
        self,
        authenticated: Injected[Authenticated],
        sign_out: Injected[SignOut],
    ) -> None:
        """Sign out. The refresh token ends at once, the access token within ten minutes."""
        await sign_out(authenticated=authenticated)


@get("/v1/me", tags=["Accounts"])
async def get_me(
    caller: Injected[Caller],
    accounts: Injected[SkipValidation[Accounts]],
    second_factors: Injected[SkipValidation[SecondFactors]],
) -> AccountShown:
    """One's own account."""
    own = await accounts.own(caller)
    if own is None:
        raise NotAuthenticated
    person, tenant = own
    return _account_shown(person, tenant.name, await second_factors.find(caller))


@delete(
    "/v1/me",
    status_code=200,
    tags=["Accounts"],
    opt={"example": {"password": "a long enough secret"}},
    exception_handlers={LimitReached: limit_reached},
)
async def erase_me(
    caller: Injected[Caller],
    erase_account: Injected[EraseAccount],
    data: JSONBody[LastWord],
) -> AccountErasureShown:
    """Erase one's account: every key, every document, every chat. Not to be undone.

    What others shared is shared no longer, and answers that quote what is gone are taken back.
    """
    done = await erase_account(caller=caller, password=data.password, totp=data.totp)
    return erasure_shown(caller.person_id, done)


ACCOUNT_ROUTES: list[ControllerRouterHandler] = [AccountsController, SessionsController, get_me]


def erasure_shown(person_id: PersonId, done: AccountErasure) -> AccountErasureShown:
    return AccountErasureShown(
        person_id=person_id,
        destroyed=dict(done.erased.destroyed),
        residue=dict(done.erased.residue),
        index_probes=done.erased.index_probes,
        kept=dict(done.erased.kept),
        effective_at=done.erased.at,
        backup_horizon=done.backup_horizon,
        receipt=done.signed,
    )


def tokens_shown(signed_in: SignedIn) -> TokensShown:
    return TokensShown(
        access_token=signed_in.access_token,
        token_type="Bearer",  # noqa: S106
        expires_in=signed_in.expires_in_seconds,
        refresh_token=signed_in.refresh_token,
    )


def _account_shown(person: Person, tenant: str, totp: Totp | None = None) -> AccountShown:
    return AccountShown(
        id=person.id,
        email=person.email,
        display_name=person.display_name,
        tenant=tenant,
        role=person.role,
        totp=TotpShown(
            state=state_of(totp), recovery_codes_left=totp.recovery_codes_left if totp else 0
        ),
        created_at=person.created_at,
    )
