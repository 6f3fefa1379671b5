"""Refresh tokens: each good once, all of a family gone when one comes twice."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import timedelta

import pytest

from adapters.identifiers import uuid7
from adapters.postgres.engine import Database
from adapters.postgres.tenants import create_tenant
from adapters.tokens.access_tokens import JwtAccessTokens
from adapters.tokens.opaque_tokens import REFRESH, PrefixedTokens
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.ports import SignedIn
from application.vault.key_service import KeyServiceUnavailable, SigningPurpose
from domain.accounts.session import RefreshTokenNotValid
from domain.identity import TenantId
from tests.integration.accounts.front_door import FrontDoor

RACERS = 16
ROUNDS = 10


@pytest.fixture
async def signed_in(door: FrontDoor) -> SignedIn:
    await door.join()
    return await door.enter()


async def refused(door: FrontDoor, token: str) -> bool:
    with pytest.raises(RefreshTokenNotValid):
        await door.refresh_session(token=token)
    return True


async def ends(door: FrontDoor) -> list[str | None]:
    return [row.end_reason for row in await door.rows("SELECT end_reason FROM sessions")]


async def test_a_token_is_traded_for_another_pair(door: FrontDoor, signed_in: SignedIn) -> None:
    first = await door.access_tokens.verify(signed_in.access_token)
    token = signed_in.refresh_token
    for _ in range(5):
        fresh = await door.refresh_session(token=token)
        assert fresh.refresh_token != token
        assert await door.access_tokens.verify(fresh.access_token) == first
        token = fresh.refresh_token
    assert await ends(door) == [None]


async def test_a_token_that_comes_twice_ends_the_whole_family(
    door: FrontDoor, signed_in: SignedIn
) -> None:
    second = await door.refresh_session(token=signed_in.refresh_token)
    third = await door.refresh_session(token=second.refresh_token)
    assert await refused(door, signed_in.refresh_token)
    assert await ends(door) == ["token_reused"]
    assert await refused(door, third.refresh_token)
    assert await refused(door, second.refresh_token)


async def test_the_theft_of_one_session_leaves_the_others(
    door: FrontDoor, signed_in: SignedIn
) -> None:
    elsewhere = await door.enter()
    await door.refresh_session(token=signed_in.refresh_token)
    assert await refused(door, signed_in.refresh_token)
    assert await door.refresh_session(token=elsewhere.refresh_token)


async def test_of_sixteen_at_once_with_one_token_one_is_answered_and_the_family_ends(
    door: FrontDoor,
) -> None:
    await door.join()
    won = 0
    for _ in range(ROUNDS):
        token = (await door.enter()).refresh_token
        answers = await asyncio.gather(
            *(door.refresh_session(token=token) for _ in range(RACERS)), return_exceptions=True
        )
        winners = [answer for answer in answers if isinstance(answer, SignedIn)]
        losers = [answer for answer in answers if isinstance(answer, RefreshTokenNotValid)]
        assert (len(winners), len(losers)) == (1, RACERS - 1)
        assert await refused(door, winners[0].refresh_token)
        won += len(winners)
    assert won == ROUNDS
    assert await ends(door) == ["token_reused"] * ROUNDS


async def test_signing_out_during_a_race_leaves_no_token_that_works(
    door: FrontDoor, signed_in: SignedIn
) -> None:
    authenticated = await door.access_tokens.verify(signed_in.access_token)
    refreshed, _ = await asyncio.gather(
        door.refresh_session(token=signed_in.refresh_token),
        door.sign_out(authenticated=authenticated),
        return_exceptions=True,
    )
    left = refreshed.refresh_token if isinstance(refreshed, SignedIn) else signed_in.refresh_token
    assert await refused(door, left)


async def test_a_token_ends_when_it_is_not_used(door: FrontDoor) -> None:
    await door.join()
    sign_in = replace(door.sign_in, refresh_token_lifetime=timedelta(0))
    signed_in = await replace(door, sign_in=sign_in).enter()
    assert await refused(door, signed_in.refresh_token)
    assert await ends(door) == [None]


async def test_signing_out_ends_the_session_and_again_is_no_harm(
    door: FrontDoor, signed_in: SignedIn
) -> None:
    authenticated = await door.access_tokens.verify(signed_in.access_token)
    for _ in range(2):
        await door.sign_out(authenticated=authenticated)
    assert await refused(door, signed_in.refresh_token)
    assert await ends(door) == ["signed_out"]


async def test_revoking_any_token_of_a_family_ends_it(door: FrontDoor, signed_in: SignedIn) -> None:
    second = await door.refresh_session(token=signed_in.refresh_token)
    await door.revoke_token(token=signed_in.refresh_token)
    assert await refused(door, second.refresh_token)
    assert await ends(door) == ["token_revoked"]


async def test_made_up_tokens_and_those_of_another_tenant_do_nothing(
    door: FrontDoor, signed_in: SignedIn, database: Database
) -> None:
    other = await create_tenant(database, name=f"other-{uuid7()}", sign_up_open=True)
    tokens = PrefixedTokens(prefix=REFRESH)
    moved = _with_tenant(signed_in.refresh_token, other)
    for token in ("", "srr_", "x" * 5000, tokens.new(door.tenant.id).text, moved):
        assert await refused(door, token)
        await door.revoke_token(token=token)
    assert await ends(door) == [None]
    assert await door.refresh_session(token=signed_in.refresh_token)


class SignsNothing:
    """A key service that knows its public key and does not answer when it should sign."""

    def __init__(self, keys: SigningKeys) -> None:
        self._signer = keys.signer

    async def public_key(self, purpose: SigningPurpose) -> bytes:
        return await self._signer.public_key(purpose)

    async def sign(self, purpose: SigningPurpose, message: bytes) -> bytes:
        raise KeyServiceUnavailable


async def test_a_token_stays_good_when_the_key_service_is_down(
    door: FrontDoor, signed_in: SignedIn
) -> None:
    keys = SigningKeys(signer=SignsNothing(door.keys))
    silent: JwtAccessTokens = replace(door.access_tokens, keys=keys)
    with pytest.raises(KeyServiceUnavailable):
        await replace(door.refresh_session, access_tokens=silent)(token=signed_in.refresh_token)
    with pytest.raises(KeyServiceUnavailable):
        await replace(door, sign_in=replace(door.sign_in, access_tokens=silent)).enter()
    assert await ends(door) == [None], "no second session was left behind"
    assert await door.refresh_session(token=signed_in.refresh_token)


def _with_tenant(token: str, tenant_id: TenantId) -> str:
    """The random part of one token under the id of another tenant, with the checksum set right."""
    content = tenant_id.bytes + urlsafe_b64decode(token.removeprefix(REFRESH))[16:48]
    checksum = hashlib.sha256(REFRESH.encode() + content).digest()[:6]
    moved = REFRESH + urlsafe_b64encode(content + checksum).decode()
    assert PrefixedTokens(prefix=REFRESH).read(moved) is not None
    return moved
