"""The service client: a program with an identity of its own in one tenant, and no person behind it.

It is given things as people are, by whoever owns them, and sees nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.accounts.person import DisplayName, DisplayNameNotValid, display_name
from domain.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, NotFound
from domain.identity import PersonId, Role

LIFETIME_MAX = timedelta(days=366)
OVERLAP_MAX = timedelta(days=7)
CLIENTS_MAX = 1_000


class ServiceClientsAreForAdministrators(NotAllowed):
    """Only administrators keep the service clients of their tenant."""

    code = "service_clients_are_for_administrators"


class ServiceClientNotFound(NotFound):
    """There is no such service client."""

    code = "service_client_not_found"


class ServiceClientOver(Conflict):
    """This service client was revoked, or has expired; make another."""

    code = "service_client_over"


class TooManyServiceClients(Conflict):
    """A tenant has at most 1,000 service clients that are not over; revoke one."""

    code = "too_many_service_clients"


class ServiceClientMustEnd(Invalid):
    """A service client ends in the future, and within 366 days; then make another."""

    code = "service_client_must_end"


class ClientNotAuthenticated(NotAuthenticated):
    """The client is unknown, its secret is wrong, or it is over."""

    code = "invalid_client"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceClient:
    """`id` is that of the principal, which grants name as they name a person."""

    id: PersonId
    name: DisplayName
    role: Role
    created_by: PersonId
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def __post_init__(self) -> None:
        """Raises ServiceClientMustEnd."""
        if not self.created_at < self.expires_at <= self.created_at + LIFETIME_MAX:
            raise ServiceClientMustEnd(field="/expires_at")

    def is_in_force(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.expires_at


def client_name(text: str) -> DisplayName:
    """As people are told it, who are asked to share. Raises DisplayNameNotValid."""
    try:
        return display_name(text)
    except DisplayNameNotValid:
        raise DisplayNameNotValid(field="/name") from None
