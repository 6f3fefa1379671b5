"""The accounts module put together on a real database, as the container does it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.encryption.cipher import AesGcmCipher
from adapters.encryption.keyring import LocalKeyring
from adapters.identifiers import uuid7
from adapters.memory.rate_limits import MemoryRateLimits
from adapters.passwords.argon2id import Argon2Cost, Argon2idPasswords
from adapters.passwords.one_time import PyotpCodes
from adapters.postgres.accounts import PostgresAccounts
from adapters.postgres.engine import Database, transaction
from adapters.postgres.key_chain import KeyChain
from adapters.postgres.keys import PostgresKeys, PostgresOwnKeys
from adapters.postgres.second_factors import PostgresSecondFactors
from adapters.postgres.sessions import PostgresSessions
from adapters.postgres.tenants import create_tenant
from adapters.tokens.access_tokens import JwtAccessTokens
from adapters.tokens.opaque_tokens import REFRESH, PrefixedTokens
from adapters.tokens.recovery_codes import RandomRecoveryCodes
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.check_code import CODES_PER_ACCOUNT, CheckCode
from application.accounts.enrol_totp import ConfirmTotp, EnrolTotp, RemoveTotp
from application.accounts.introspect_token import (
    DescribeAccessToken,
    DescribeRefreshToken,
    IntrospectToken,
)
from application.accounts.ports import SignedIn, Tenant
from application.accounts.refresh_session import RefreshSession
from application.accounts.revoke_token import RevokeToken
from application.accounts.set_role import SetRole
from application.accounts.sign_in import SIGN_IN_PER_ACCOUNT, SIGN_IN_PER_ADDRESS, SignIn
from application.accounts.sign_out import SignOut
from application.accounts.sign_up import SIGN_UP_PER_ADDRESS, SignUp
from application.accounts.step_up_session import StepUpSession
from application.accounts.time_codes import TimeCodes
from domain.accounts.person import Person

CHEAP = Argon2Cost(memory_kib=64, passes=1)
PASSWORD = "correct horse battery"
HERE = "192.0.2.1"
ISSUER = "https://rooms.example"
RATES = {
    SIGN_UP_PER_ADDRESS: "1000/hour",
    SIGN_IN_PER_ADDRESS: "20/hour",
    SIGN_IN_PER_ACCOUNT: "5/hour",
    CODES_PER_ACCOUNT: "5/hour",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoor:
    """Everything a person passes on the way in, and one tenant that is open."""

    engine: AsyncEngine
    tenant: Tenant
    accounts: PostgresAccounts
    passwords: Argon2idPasswords
    keys: SigningKeys
    access_tokens: JwtAccessTokens
    sign_up: SignUp
    sign_in: SignIn
    sign_out: SignOut
    refresh_session: RefreshSession
    revoke_token: RevokeToken
    introspect_token: IntrospectToken
    sessions: PostgresSessions
    set_role: SetRole
    second_factors: PostgresSecondFactors
    check_code: CheckCode
    enrol_totp: EnrolTotp
    confirm_totp: ConfirmTotp
    remove_totp: RemoveTotp
    step_up_session: StepUpSession

    async def join(self, email: str = "asha@example.org") -> Person:
        return await self.sign_up(
            tenant=self.tenant.name, email=email, password=PASSWORD, name="Asha", address=HERE
        )

    async def enter(
        self,
        email: str = "asha@example.org",
        password: str = PASSWORD,
        totp: str | None = None,
    ) -> SignedIn:
        return await self.sign_in(
            tenant=self.tenant.name, email=email, password=password, totp=totp, address=HERE
        )

    async def rows(self, statement: str, **values: Any) -> list[Any]:
        async with transaction(self.engine, self.tenant.id) as connection:
            return list((await connection.execute(text(statement), values)).all())


async def front_door(database: Database, engine: AsyncEngine, directory: Path) -> FrontDoor:
    name = f"open-{uuid7()}"
    tenant_id = await create_tenant(database, name=name, sign_up_open=True)
    accounts, sessions = PostgresAccounts(engine=engine), PostgresSessions(engine=engine)
    passwords, limits = Argon2idPasswords(CHEAP), MemoryRateLimits(RATES)
    refresh_tokens = PrefixedTokens(prefix=REFRESH)
    keyring, cipher = LocalKeyring.open(directory / "keyring.json"), AesGcmCipher()
    keys = SigningKeys(signer=keyring)
    data_keys = PostgresKeys(chain=KeyChain(root=keyring, cipher=cipher), new_id=uuid7)
    second_factors = PostgresSecondFactors(engine=engine, keys=data_keys)
    codes, recovery_codes = PyotpCodes(), RandomRecoveryCodes()
    own_keys = PostgresOwnKeys(engine=engine, keys=data_keys)
    time_codes = TimeCodes(own_keys=own_keys, cipher=cipher, codes=codes)
    check_code = CheckCode(
        second_factors=second_factors,
        time_codes=time_codes,
        recovery_codes=recovery_codes,
        attempts=limits,
    )
    access_tokens = JwtAccessTokens(keys=keys, issuer=ISSUER, audience="strongroom", new_id=uuid7)
    return FrontDoor(
        engine=engine,
        tenant=Tenant(id=tenant_id, name=name, sign_up_open=True),
        accounts=accounts,
        passwords=passwords,
        keys=keys,
        access_tokens=access_tokens,
        sign_up=SignUp(accounts=accounts, passwords=passwords, limits=limits, new_id=uuid7),
        sign_in=SignIn(
            accounts=accounts,
            sessions=sessions,
            passwords=passwords,
            access_tokens=access_tokens,
            refresh_tokens=refresh_tokens,
            step_up=check_code,
            attempts=limits,
            new_id=uuid7,
        ),
        sign_out=SignOut(sessions=sessions),
        refresh_session=RefreshSession(
            sessions=sessions, access_tokens=access_tokens, refresh_tokens=refresh_tokens
        ),
        revoke_token=RevokeToken(sessions=sessions, refresh_tokens=refresh_tokens),
        introspect_token=IntrospectToken(
            describers=(
                DescribeAccessToken(access_tokens=access_tokens, sessions=sessions),
                DescribeRefreshToken(refresh_tokens=refresh_tokens, sessions=sessions),
            )
        ),
        sessions=sessions,
        set_role=SetRole(accounts=accounts),
        second_factors=second_factors,
        check_code=check_code,
        enrol_totp=EnrolTotp(
            accounts=accounts,
            second_factors=second_factors,
            time_codes=time_codes,
            codes=codes,
            cipher=cipher,
            new_id=uuid7,
        ),
        confirm_totp=ConfirmTotp(
            second_factors=second_factors,
            time_codes=time_codes,
            recovery_codes=recovery_codes,
            attempts=limits,
        ),
        remove_totp=RemoveTotp(second_factors=second_factors, step_up=check_code),
        step_up_session=StepUpSession(
            sessions=sessions, access_tokens=access_tokens, step_up=check_code
        ),
    )
