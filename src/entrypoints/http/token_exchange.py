"""The form of a token exchange (RFC 8693), and what is answered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from application.accounts.ports import AccessTokens
from application.consent.exchange_token import ExchangedToken, ExchangeToken
from application.consent.grant_tokens import HoldGrantToken
from domain.accounts.session import AccessTokenNotValid
from domain.consent.link import TOKEN_LIFETIME
from domain.errors import Invalid, NotFound
from domain.identity import Action, Caller, GrantId, Purpose, ResourceKind, ResourceRef
from entrypoints.http.oauth_errors import OAuthRefused

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type

_RESOURCE = re.compile(
    r"(?:https?://[^/?#\s]+)?/v1/(documents|records|collections)/([0-9a-fA-F-]{36})", re.ASCII
)
_KINDS = {f"{kind.value}s": kind for kind in ResourceKind}


class ExchangedTokenShown(msgspec.Struct, kw_only=True):
    """RFC 8693, section 2.2.1. `expires_in` is in seconds, `grant_id` what to revoke it by."""

    access_token: str
    issued_token_type: str
    token_type: str
    expires_in: int
    scope: str
    grant_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenExchange:
    """One request for an exchange, answered or refused in the words of OAuth."""

    access_tokens: AccessTokens
    hold_grant_token: HoldGrantToken
    exchange_token: ExchangeToken

    async def __call__(self, fields: Mapping[str, str], now: datetime) -> ExchangedTokenShown:
        """Raises OAuthRefused, or a Refusal that OAuth has no name for (StepUpRequired)."""
        if fields.get("actor_token"):
            raise OAuthRefused("invalid_request", "An actor_token is not taken: name the `agent`.")
        for name in ("subject_token_type", "requested_token_type"):
            if fields.get(name, ACCESS_TOKEN) != ACCESS_TOKEN:
                raise OAuthRefused("invalid_request", f"{name} must be {ACCESS_TOKEN}.")
        caller, parent_id = await self._subject(fields)
        resource, actions = _resource(fields), _actions(fields)
        try:
            exchanged = await self.exchange_token(
                caller=caller,
                resource=resource,
                actions=actions,
                purpose=Purpose(fields["purpose"]) if fields.get("purpose") else None,
                name=fields.get("agent") or "An agent",
                lifetime=_lifetime(fields),
                parent_id=parent_id,
            )
        except NotFound as hidden:
            raise OAuthRefused(
                "invalid_target", "There is no such resource that you could pass on."
            ) from hidden
        except Invalid as wrong:
            error = "invalid_scope" if wrong.field == "/actions" else "invalid_request"
            where = (wrong.field or "").removeprefix("/")
            raise OAuthRefused(
                error, f"{where}: {wrong.message}" if where else wrong.message
            ) from wrong
        return _shown(exchanged, now)

    async def _subject(self, fields: Mapping[str, str]) -> tuple[Caller, GrantId | None]:
        """Whose token it is; and of a grant token, the grant: it is the one above the new one."""
        token = fields.get("subject_token")
        if not token:
            raise OAuthRefused("invalid_request", "The parameter subject_token is missing.")
        standing = await self.hold_grant_token(token)
        if standing is not None:
            return standing.caller, standing.grant.id
        try:
            caller = (await self.access_tokens.verify(token)).caller
        except AccessTokenNotValid as refused:
            raise OAuthRefused("invalid_request", "The subject_token is not valid.") from refused
        return caller, _parent(fields)


def _parent(fields: Mapping[str, str]) -> GrantId | None:
    given = fields.get("parent_id")
    if not given:
        return None
    try:
        return GrantId(UUID(given))
    except ValueError:
        raise OAuthRefused("invalid_request", "parent_id is not the id of a grant.") from None


def _resource(fields: Mapping[str, str]) -> ResourceRef:
    found = _RESOURCE.fullmatch(fields.get("resource", ""))
    try:
        if found is not None:
            return ResourceRef(kind=_KINDS[found[1]], id=UUID(found[2]))
    except ValueError:
        pass
    raise OAuthRefused(
        "invalid_target",
        "resource must be the address of one document, record or collection: /v1/documents/{id}.",
    )


def _actions(fields: Mapping[str, str]) -> frozenset[Action]:
    known = [each.value for each in Action]
    given = fields.get("scope", "").split()
    if not given or not set(given) <= set(known):
        raise OAuthRefused("invalid_scope", f"scope must be some of: {' '.join(known)}.")
    return frozenset(map(Action, given))


def _lifetime(fields: Mapping[str, str]) -> timedelta:
    given = fields.get("lifetime")
    if not given:
        return TOKEN_LIFETIME
    if not re.fullmatch(r"[0-9]{1,6}", given, re.ASCII):
        raise OAuthRefused("invalid_request", "lifetime must be a number of seconds.")
    return timedelta(seconds=int(given))


def _shown(exchanged: ExchangedToken, now: datetime) -> ExchangedTokenShown:
    return ExchangedTokenShown(
        access_token=exchanged.token,
        issued_token_type=ACCESS_TOKEN,
        token_type="Bearer",  # noqa: S106
        expires_in=max(0, int((exchanged.grant.expires_at - now).total_seconds())),
        scope=" ".join(sorted(exchanged.grant.actions)),
        grant_id=str(exchanged.grant.id),
    )
