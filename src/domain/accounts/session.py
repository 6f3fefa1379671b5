"""The session: one sign-in, and the family of refresh tokens that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import NotAuthenticated
from domain.identity import Acr, PersonId, SessionId


class RefreshTokenNotValid(NotAuthenticated):
    """This refresh token is not valid, or no longer; sign in again."""

    code = "refresh_token_not_valid"


class AccessTokenNotValid(NotAuthenticated):
    """The access token is not valid, or no longer."""

    code = "invalid_token"


class SessionEnd(StrEnum):
    """Why a session is over."""

    SIGNED_OUT = "signed_out"
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    TOKEN_REUSED = "token_reused"  # noqa: S105


class Standing(StrEnum):
    """What a refresh token that is presented is worth."""

    USABLE = "usable"
    REUSED = "reused"
    VOID = "void"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A person who signed in. It ends when they sign out, or when a used token comes again.

    Its assurance is raised by a step-up, and kept when it is refreshed; `auth_time` is when the
    person last proved who they are.
    """

    id: SessionId
    person_id: PersonId
    acr: Acr
    auth_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshToken:
    """One token of a session's family, good for one use before `expires_at`."""

    session_id: SessionId
    expires_at: datetime
    used_at: datetime | None
    session_ended_at: datetime | None

    def standing_at(self, at: datetime) -> Standing:
        """REUSED is the sign of a theft (RFC 9700, section 4.14.2): the thief or the owner has
        used the token before, and nobody can tell which. That holds for expired ones too."""
        if self.session_ended_at is not None:
            return Standing.VOID
        if self.used_at is not None:
            return Standing.REUSED
        return Standing.USABLE if at < self.expires_at else Standing.VOID
