"""The second factor over HTTP: set up one-time codes, remove them, and step a session up."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, Response, delete, post
from litestar.di import Provide
from litestar.params import JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from adapters.memory.rate_limits import LimitReached
from application.accounts.enrol_totp import ConfirmTotp, EnrolTotp, RemoveTotp
from application.accounts.ports import Authenticated
from application.accounts.step_up_session import StepUpSession
from domain.accounts.totp import (
    CODE_CHARACTERS_MAX,
    CODE_CHARACTERS_MIN,
    RECOVERY_CODE_PATTERN,
    TIME_CODE_PATTERN,
)
from domain.identity import Caller
from entrypoints.http.authentication import provide_authenticated
from entrypoints.http.injected import Injected
from entrypoints.http.rate_limits import limit_reached

CodeText = Annotated[
    str,
    Meta(
        pattern=f"^(?:{TIME_CODE_PATTERN}|{RECOVERY_CODE_PATTERN})$",
        min_length=CODE_CHARACTERS_MIN,
        max_length=CODE_CHARACTERS_MAX,
        description="The present one-time code, or a recovery code that was not used yet.",
    ),
]
TimeCodeText = Annotated[str, Meta(pattern=f"^{TIME_CODE_PATTERN}$", min_length=6, max_length=6)]


class FirstCode(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The code that an authenticator app shows, once it was told the secret."""

    code: TimeCodeText


class SecondFactor(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A one-time code, or a recovery code in its place. Each is good once."""

    totp: CodeText


class ProposedTotpShown(msgspec.Struct, kw_only=True):
    """What an authenticator app needs, as text and as the URI that a QR code holds."""

    secret: str
    uri: str


class RecoveryCodesShown(msgspec.Struct, kw_only=True):
    """Each stands in for a one-time code once. They are not shown again."""

    recovery_codes: list[str]


class AccessTokenShown(msgspec.Struct, kw_only=True):
    """A new access token for the same session."""

    access_token: str
    token_type: str
    expires_in: int


class TotpController(Controller):
    """/v1/me/totp"""

    path = "/v1/me/totp"
    tags = ("Accounts",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(status_code=201)
    async def enrol(
        self, caller: Injected[Caller], enrol_totp: Injected[EnrolTotp]
    ) -> Response[ProposedTotpShown]:
        """Begin to set up one-time codes. Repeated before the first code, it starts over."""
        proposed = await enrol_totp(caller=caller)
        shown = ProposedTotpShown(secret=proposed.secret, uri=proposed.uri)
        return Response(shown, headers={"Location": "/v1/me"})

    @post("/confirm", status_code=200, opt={"example": {"code": "287082"}})
    async def confirm(
        self,
        caller: Injected[Caller],
        confirm_totp: Injected[ConfirmTotp],
        data: JSONBody[FirstCode],
    ) -> RecoveryCodesShown:
        """Finish with a first code. From now on signing in takes one; it is used up by this."""
        codes = await confirm_totp(caller=caller, code=data.code)
        return RecoveryCodesShown(recovery_codes=list(codes))

    @delete(status_code=204, opt={"example": {"totp": "287082"}})
    async def remove(
        self,
        caller: Injected[Caller],
        remove_totp: Injected[RemoveTotp],
        data: JSONBody[SecondFactor],
    ) -> None:
        """Remove one-time codes. It takes one last code, or a recovery code."""
        await remove_totp(caller=caller, code=data.totp)


@post(
    "/v1/sessions/step-up",
    status_code=200,
    tags=["Accounts"],
    opt={"example": {"totp": "287082"}},
    dependencies={"authenticated": Provide(provide_authenticated, sync_to_thread=False)},
    exception_handlers={LimitReached: limit_reached},
)
async def step_up(
    authenticated: Injected[Authenticated],
    step_up_session: Injected[StepUpSession],
    data: JSONBody[SecondFactor],
) -> AccessTokenShown:
    """Prove the second factor: a new access token, whose acr is mfa (RFC 9470)."""
    stepped_up = await step_up_session(authenticated=authenticated, code=data.totp)
    return AccessTokenShown(
        access_token=stepped_up.access_token,
        token_type="Bearer",  # noqa: S106
        expires_in=stepped_up.expires_in_seconds,
    )


SECOND_FACTOR_ROUTES: list[ControllerRouterHandler] = [TotpController, step_up]
