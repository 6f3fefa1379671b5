from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.accounts.person import DisplayNameNotValid
from domain.accounts.service_client import (
    LIFETIME_MAX,
    ServiceClient,
    ServiceClientMustEnd,
    client_name,
)
from domain.identity import PersonId, Role

AT = datetime(2026, 11, 29, tzinfo=UTC)
SOMEONE = PersonId(UUID(int=1))
SECOND = timedelta(seconds=1)


def client(expires_at: datetime, revoked_at: datetime | None = None) -> ServiceClient:
    return ServiceClient(
        id=SOMEONE,
        name=client_name("Nightly import"),
        role=Role.MEMBER,
        created_by=SOMEONE,
        created_at=AT,
        expires_at=expires_at,
        revoked_at=revoked_at,
    )


def test_it_is_in_force_until_it_expires_or_is_revoked() -> None:
    ends = AT + LIFETIME_MAX
    assert client(ends).is_in_force(ends - SECOND)
    assert not client(ends).is_in_force(ends)
    assert not client(ends, revoked_at=AT).is_in_force(AT)


@pytest.mark.parametrize("ends", [AT - SECOND, AT, AT + LIFETIME_MAX + SECOND], ids=str)
def test_it_ends_in_the_future_and_within_a_year(ends: datetime) -> None:
    with pytest.raises(ServiceClientMustEnd) as refused:
        client(ends)
    assert refused.value.field == "/expires_at"


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\u202eb", "x" * 101], ids=repr)
def test_a_name_that_would_read_otherwise_than_it_is_gets_refused(name: str) -> None:
    with pytest.raises(DisplayNameNotValid) as refused:
        client_name(name)
    assert refused.value.field == "/name"
