"""What a refresh token is worth when it is presented."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from domain.accounts.session import RefreshToken, Standing
from domain.identity import SessionId

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SOON, EARLIER = NOW + timedelta(seconds=1), NOW - timedelta(seconds=1)


def token(
    expires_at: datetime, used_at: datetime | None = None, ended_at: datetime | None = None
) -> RefreshToken:
    return RefreshToken(
        session_id=SessionId(UUID(int=1)),
        expires_at=expires_at,
        used_at=used_at,
        session_ended_at=ended_at,
    )


@pytest.mark.parametrize(
    ("presented", "standing"),
    [
        (token(SOON), Standing.USABLE),
        (token(NOW), Standing.VOID),
        (token(EARLIER), Standing.VOID),
        (token(SOON, used_at=EARLIER), Standing.REUSED),
        (token(EARLIER, used_at=EARLIER), Standing.REUSED),
        (token(SOON, ended_at=EARLIER), Standing.VOID),
        (token(SOON, used_at=EARLIER, ended_at=EARLIER), Standing.VOID),
    ],
)
def test_a_token_is_good_once_before_its_end_while_its_session_lasts(
    presented: RefreshToken, standing: Standing
) -> None:
    assert presented.standing_at(NOW) is standing
