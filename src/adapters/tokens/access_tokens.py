"""Access tokens: JWTs by the profile of RFC 9068, signed with Ed25519."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry

from adapters.tokens.jws import EdDSAOnly, sign_compact
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.ports import AccessToken, Authenticated
from application.ports import NewId
from application.vault.key_service import SigningPurpose
from domain.accounts.session import AccessTokenNotValid
from domain.identity import Acr, Caller, PersonId, Role, SessionId, TenantId

LIFETIME_SECONDS = 600
TYPE = "at+jwt"

_CHARACTERS_MAX = 2048
_SKEW_SECONDS_MAX = 5
# Authentication methods by RFC 8176.
_METHODS = {Acr.PASSWORD: ["pwd"], Acr.MFA: ["pwd", "otp", "mfa"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtAccessTokens:
    """`AccessTokens`. `issuer` is the URL of this service; `now` gives seconds since 1970.

    The signing key is the key service's for tokens; its public half is kept in memory.
    """

    keys: SigningKeys
    issuer: str
    audience: str
    new_id: NewId
    now: Callable[[], float] = time.time
    lifetime_seconds: int = LIFETIME_SECONDS
    _registry: JWSRegistry = field(default_factory=EdDSAOnly, init=False, repr=False)

    async def issue(self, authenticated: Authenticated) -> str:
        key = await self.keys.current()
        at = int(self.now())
        caller = authenticated.caller
        claims: dict[str, object] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": str(caller.person_id),
            "tenant": str(caller.tenant_id),
            "role": caller.role.value,
            "sid": str(authenticated.session_id),
            "acr": caller.acr.value,
            "auth_time": int(authenticated.auth_time.timestamp()),
            "iat": at,
            "nbf": at,
            "exp": at + self.lifetime_seconds,
            "jti": str(self.new_id()),
        }
        if authenticated.is_client:  # RFC 9068, section 2.2: of what a program has no method
            claims["client_id"] = claims["sub"]
        else:
            claims["amr"] = _METHODS[caller.acr]
        header = {"typ": TYPE, "kid": key.kid}
        return await sign_compact(
            self.keys.signer, SigningPurpose.TOKENS, header=header, claims=claims
        )

    async def verify(self, text: str) -> Authenticated:
        return (await self.read(text)).authenticated

    async def read(self, text: str) -> AccessToken:
        if len(text) > _CHARACTERS_MAX or not text.isascii():
            raise AccessTokenNotValid
        try:
            return _access_token(await self._claims(text))
        except (
            JoseError,
            KeyError,
            ValueError,
            TypeError,
            AttributeError,
            OverflowError,
            OSError,
            RecursionError,
        ) as refused:
            raise AccessTokenNotValid from refused

    async def _claims(self, text: str) -> dict[str, Any]:
        header = extract_compact(text.encode(), registry=self._registry).headers()
        # RFC 9068, section 4: no other kind of JWT passes as an access token, ours neither.
        if header.get("typ") != TYPE:
            raise AccessTokenNotValid
        key = await self.keys.known(header.get("kid"))
        if key is None:
            raise AccessTokenNotValid
        claims = jwt.decode(text, key, registry=self._registry).claims
        # "exp" ends sharp; only what may not lie in the future is allowed clocks that differ.
        JWTClaimsRegistry(
            now=int(self.now()),
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            jti={"essential": True},
        ).validate({**claims, **_within_skew(claims)})
        return claims


def _within_skew(claims: dict[str, Any]) -> dict[str, Any]:
    return {
        name: claims[name] - _SKEW_SECONDS_MAX
        for name in ("iat", "nbf")
        if isinstance(claims.get(name), int)
    }


def _access_token(claims: dict[str, Any]) -> AccessToken:
    caller = Caller(
        tenant_id=TenantId(UUID(claims["tenant"])),
        person_id=PersonId(UUID(claims["sub"])),
        role=Role(claims["role"]),
        acr=Acr(claims["acr"]),
    )
    authenticated = Authenticated(
        caller=caller,
        session_id=SessionId(UUID(claims["sid"])),
        auth_time=_time(claims["auth_time"]),
        is_client="client_id" in claims,
    )
    return AccessToken(
        authenticated=authenticated,
        issued_at=_time(claims["iat"]),
        expires_at=_time(claims["exp"]),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
