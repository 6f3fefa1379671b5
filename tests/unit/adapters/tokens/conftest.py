"""Access tokens signed by a real keyring, at a time that tests may move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from adapters.encryption.keyring import LocalKeyring
from adapters.identifiers import uuid7
from adapters.tokens.access_tokens import JwtAccessTokens
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.ports import Authenticated
from domain.identity import Acr, Caller, PersonId, Role, SessionId, TenantId


@dataclass
class Time:
    seconds: float = 1_795_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def keyring(tmp_path: Path) -> LocalKeyring:
    return LocalKeyring.open(tmp_path / "keyring.json")


@pytest.fixture
def keys(keyring: LocalKeyring, time: Time) -> SigningKeys:
    return SigningKeys(signer=keyring, clock=time)


@pytest.fixture
def access_tokens(keys: SigningKeys, time: Time) -> JwtAccessTokens:
    return JwtAccessTokens(
        keys=keys, issuer="https://rooms.example", audience="strongroom", new_id=uuid7, now=time
    )


@pytest.fixture
def authenticated() -> Authenticated:
    caller = Caller(
        tenant_id=TenantId(UUID(int=1)),
        person_id=PersonId(UUID(int=2)),
        role=Role.AUDITOR,
        acr=Acr.MFA,
    )
    return Authenticated(
        caller=caller,
        session_id=SessionId(UUID(int=3)),
        auth_time=datetime(2026, 11, 18, 12, 0, tzinfo=UTC),
    )
