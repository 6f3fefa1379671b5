"""One-time codes on a real database: each time step is good once, whoever races for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.identifiers import uuid7
from adapters.memory.rate_limits import LimitReached, MemoryRateLimits
from adapters.postgres.engine import Database, transaction
from adapters.postgres.tenants import create_tenant
from application.accounts.check_code import CODES_PER_ACCOUNT
from application.accounts.ports import SignedIn, Tenant
from application.accounts.sign_in import SIGN_IN_PER_ACCOUNT, SIGN_IN_PER_ADDRESS
from application.ports import Tampered
from domain.accounts.person import CredentialsWrong
from domain.accounts.session import AccessTokenNotValid
from domain.accounts.totp import (
    CodeNotValid,
    StepUpNotEnrolled,
    StepUpRefused,
    Totp,
    TotpAlreadyEnrolled,
    TotpRefused,
    TotpRequired,
)
from domain.errors import TooMany
from domain.identity import Acr, Caller, TenantId
from entrypoints.container import Container
from tests.integration.accounts.authenticator import Authenticator
from tests.integration.accounts.front_door import FrontDoor

RACERS = 20
ROUNDS = 5


@dataclass
class Enrolled:
    """Asha, who has set up one-time codes, with her app and her recovery codes."""

    caller: Caller
    app: Authenticator
    recovery_codes: list[str]
    totp: Totp


async def _enrol(door: FrontDoor, email: str = "asha@example.org") -> Enrolled:
    person = await door.join(email)
    caller = Caller(tenant_id=door.tenant.id, person_id=person.id)
    proposed = await door.enrol_totp(caller=caller)
    app = await Authenticator.at_the_start_of_a_step(proposed.secret)
    codes = await door.confirm_totp(caller=caller, code=app.code())
    totp = await door.second_factors.find(caller)
    assert totp is not None
    return Enrolled(caller, app, list(codes), totp)


@pytest.fixture
async def asha(door: FrontDoor) -> Enrolled:
    return await _enrol(door)


async def test_without_a_code_the_right_password_opens_nothing(
    door: FrontDoor, asha: Enrolled
) -> None:
    with pytest.raises(TotpRequired):
        await door.enter()
    assert await door.rows("SELECT * FROM sessions") == []
    signed_in = await door.enter(totp=asha.app.next_code())
    authenticated = await door.access_tokens.verify(signed_in.access_token)
    assert authenticated.caller.acr is Acr.MFA
    assert await door.rows("SELECT acr FROM sessions") == [("mfa",)]


async def test_a_wrong_password_does_not_tell_of_codes_and_uses_none_up(
    door: FrontDoor, asha: Enrolled
) -> None:
    code = asha.app.next_code()
    for given_code in (None, code, "000000"):
        with pytest.raises(CredentialsWrong):
            await door.enter(password="wrong phrase", totp=given_code)
    assert await door.enter(totp=code)


async def test_refreshing_keeps_the_assurance_and_the_time_of_the_proof(
    door: FrontDoor, asha: Enrolled
) -> None:
    signed_in = await door.enter(totp=asha.app.next_code())
    first = await door.access_tokens.verify(signed_in.access_token)
    refreshed = await door.refresh_session(token=signed_in.refresh_token)
    assert await door.access_tokens.verify(refreshed.access_token) == first


async def test_of_twenty_sign_ins_with_one_code_one_succeeds(
    door: FrontDoor, database: Database
) -> None:
    rates = dict.fromkeys(
        (SIGN_IN_PER_ACCOUNT, SIGN_IN_PER_ADDRESS, CODES_PER_ACCOUNT), "1000/hour"
    )
    limits = MemoryRateLimits(rates)
    check_code = replace(door.check_code, attempts=limits)
    sign_in = replace(door.sign_in, attempts=limits, step_up=check_code)
    won = 0
    for number in range(ROUNDS):
        email = f"asha{number}@example.org"
        code = (await _enrol(door, email)).app.next_code()
        racing = replace(door, sign_in=sign_in)
        answers = await asyncio.gather(
            *(racing.enter(email, totp=code) for _ in range(RACERS)), return_exceptions=True
        )
        won += sum(isinstance(each, SignedIn) for each in answers)
        assert sum(isinstance(each, TotpRefused) for each in answers) == RACERS - 1, answers
    assert won == ROUNDS
    assert await door.rows("SELECT count(*) FROM sessions") == [(ROUNDS,)]


async def test_the_code_that_confirmed_signs_nobody_in(door: FrontDoor, asha: Enrolled) -> None:
    with pytest.raises(TotpRefused):
        await door.enter(totp=asha.app.code())


async def test_an_earlier_step_is_over_once_a_later_one_was_used(
    door: FrontDoor, asha: Enrolled
) -> None:
    await door.check_code(caller=asha.caller, code=asha.app.next_code())
    for drift in (-1, 0, 1):
        with pytest.raises(StepUpRefused):
            await door.check_code(caller=asha.caller, code=asha.app.code(drift))


@pytest.mark.parametrize(
    "spelling", [" {}", "{}\n", "{0[0]} {0[1]}{0[2]}{0[3]}{0[4]}{0[5]}", "٠{}"]
)
async def test_a_used_code_is_not_fresh_when_it_is_spelled_otherwise(
    door: FrontDoor, asha: Enrolled, spelling: str
) -> None:
    code = asha.app.next_code()
    await door.check_code(caller=asha.caller, code=code)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in code)
    for other in (spelling.format(code), wide):
        with pytest.raises(CodeNotValid):
            await door.check_code(caller=asha.caller, code=other)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(steps=st.lists(st.integers(-3, 3), min_size=1, max_size=12))
async def test_each_step_is_good_once_and_none_before_the_last(
    door: FrontDoor, steps: list[int]
) -> None:
    """The law: whatever is tried in which order, what is accepted only ever gets later."""
    asha = await _enrol(door, f"{uuid7()}@example.org")
    last = asha.app.step
    for offset in steps:
        step = asha.app.step + offset
        async with door.second_factors.begin(asha.caller) as tx:
            accepted = await tx.spend_step(asha.totp, step)
        assert accepted == (step > last)
        last = max(last, step)


@pytest.mark.slow
async def test_nobody_takes_a_used_step_back_not_even_by_sql(
    door: FrontDoor, asha: Enrolled
) -> None:
    with pytest.raises(DBAPIError, match="stays used"):
        async with transaction(door.engine, door.tenant.id) as connection:
            await connection.execute(text("UPDATE totp SET last_step = 0"))


async def test_after_some_wrong_codes_the_right_one_waits(door: FrontDoor, asha: Enrolled) -> None:
    wrong = asha.app.wrong_code()
    for _ in range(5):
        with pytest.raises(StepUpRefused):
            await door.check_code(caller=asha.caller, code=wrong)
    with pytest.raises(TooMany):
        await door.check_code(caller=asha.caller, code=asha.app.next_code())


async def test_the_right_password_forgives_no_wrong_codes(door: FrontDoor, asha: Enrolled) -> None:
    wrong = asha.app.wrong_code()
    for _ in range(4):
        with pytest.raises(TotpRefused):
            await door.enter(totp=wrong)
    with pytest.raises(StepUpRefused):
        await door.check_code(caller=asha.caller, code=wrong)
    with pytest.raises(LimitReached) as limited:
        await door.enter(totp=asha.app.next_code())
    assert limited.value.name == CODES_PER_ACCOUNT


async def test_each_recovery_code_is_good_once(door: FrontDoor, asha: Enrolled) -> None:
    assert len(set(asha.recovery_codes)) == 10
    first, second = asha.recovery_codes[:2]
    signed_in = await door.enter(totp=first)
    assert (await door.access_tokens.verify(signed_in.access_token)).caller.acr is Acr.MFA
    with pytest.raises(TotpRefused):
        await door.enter(totp=first)
    await door.check_code(caller=asha.caller, code=second)
    totp = await door.second_factors.find(asha.caller)
    assert totp is not None
    assert totp.recovery_codes_left == 8


async def test_of_twenty_with_one_recovery_code_one_succeeds(door: FrontDoor) -> None:
    asha = await _enrol(door)
    limits = MemoryRateLimits({CODES_PER_ACCOUNT: "1000/hour"})
    check = replace(door.check_code, attempts=limits)
    code = asha.recovery_codes[0]
    answers = await asyncio.gather(
        *(check(caller=asha.caller, code=code) for _ in range(RACERS)), return_exceptions=True
    )
    assert sum(each is None for each in answers) == 1
    assert sum(isinstance(each, StepUpRefused) for each in answers) == RACERS - 1


async def test_the_codes_of_one_are_nothing_for_another(door: FrontDoor, asha: Enrolled) -> None:
    ben = await _enrol(door, "ben@example.org")
    for code in (asha.app.next_code(), asha.recovery_codes[0]):
        with pytest.raises(StepUpRefused):
            await door.check_code(caller=ben.caller, code=code)
    await door.check_code(caller=asha.caller, code=asha.app.next_code())
    await door.check_code(caller=asha.caller, code=asha.recovery_codes[0])


async def test_the_person_of_another_tenant_has_none(
    door: FrontDoor, asha: Enrolled, database: Database
) -> None:
    other = await create_tenant(database, name=f"other-{uuid7()}", sign_up_open=True)
    elsewhere = replace(door, tenant=Tenant(id=other, name="", sign_up_open=True))
    moved = replace(asha.caller, tenant_id=elsewhere.tenant.id)
    with pytest.raises(StepUpNotEnrolled):
        await door.check_code(caller=moved, code=asha.app.next_code())


async def test_secret_and_recovery_codes_are_not_stored_in_the_clear(
    door: FrontDoor, asha: Enrolled
) -> None:
    kept = str(await door.rows("SELECT t::text FROM totp t"))
    kept += str(await door.rows("SELECT r::text FROM recovery_codes r"))
    assert asha.app.secret.encode().hex() not in kept
    assert asha.app.secret not in kept
    assert not any(each in kept for each in asha.recovery_codes)


async def test_the_secret_of_one_row_does_not_open_in_another(
    door: FrontDoor, asha: Enrolled
) -> None:
    ben = await _enrol(door, "ben@example.org")
    async with transaction(door.engine, door.tenant.id) as connection:
        await connection.execute(
            text(
                "UPDATE totp SET sealed_secret ="
                " (SELECT sealed_secret FROM totp WHERE person_id = :a) WHERE person_id = :b"
            ),
            {"a": asha.caller.person_id, "b": ben.caller.person_id},
        )
    with pytest.raises(Tampered):
        await door.check_code(caller=ben.caller, code=asha.app.next_code())


async def test_what_is_pending_is_not_asked_for_and_begun_again_it_is_another(
    door: FrontDoor,
) -> None:
    person = await door.join()
    caller = Caller(tenant_id=door.tenant.id, person_id=person.id)
    first = await door.enrol_totp(caller=caller)
    second = await door.enrol_totp(caller=caller)
    assert first.secret != second.secret
    assert (await door.access_tokens.verify((await door.enter()).access_token)).caller.acr is (
        Acr.PASSWORD
    )
    app = await Authenticator.at_the_start_of_a_step(second.secret)
    with pytest.raises(StepUpRefused):
        await door.confirm_totp(caller=caller, code=Authenticator(first.secret, app.step).code())
    with pytest.raises(StepUpNotEnrolled):
        await door.check_code(caller=caller, code=app.code())
    await door.confirm_totp(caller=caller, code=app.code())
    assert await door.rows("SELECT count(*) FROM data_keys WHERE kind = 'totp'") == [(1,)]


async def test_of_ten_confirmations_at_once_one_gets_recovery_codes(door: FrontDoor) -> None:
    person = await door.join()
    caller = Caller(tenant_id=door.tenant.id, person_id=person.id)
    app = await Authenticator.at_the_start_of_a_step((await door.enrol_totp(caller=caller)).secret)
    confirm = replace(
        door.confirm_totp, attempts=MemoryRateLimits({CODES_PER_ACCOUNT: "1000/hour"})
    )
    answers = await asyncio.gather(
        *(confirm(caller=caller, code=app.code()) for _ in range(10)), return_exceptions=True
    )
    assert sum(isinstance(each, list) for each in answers) == 1
    assert sum(isinstance(each, TotpAlreadyEnrolled) for each in answers) == 9
    assert await door.rows("SELECT count(*) FROM recovery_codes") == [(10,)]


async def test_what_is_set_up_is_removed_before_another_takes_its_place(
    door: FrontDoor, asha: Enrolled
) -> None:
    for refused in (door.enrol_totp(caller=asha.caller), _confirm(door, asha)):
        with pytest.raises(TotpAlreadyEnrolled):
            await refused
    with pytest.raises(StepUpRefused):
        await door.remove_totp(caller=asha.caller, code=asha.app.wrong_code())
    await door.remove_totp(caller=asha.caller, code=asha.recovery_codes[0])
    for table in ("totp", "recovery_codes", "data_keys WHERE kind = 'totp'"):
        assert await door.rows(f"SELECT count(*) FROM {table}") == [(0,)]
    assert await door.enter()
    assert (await door.enrol_totp(caller=asha.caller)).secret != asha.app.secret


async def test_stepping_up_raises_the_session_and_what_is_refreshed_from_it(
    door: FrontDoor,
) -> None:
    await door.join()
    signed_in = await door.enter()
    before = await door.access_tokens.verify(signed_in.access_token)
    assert before.caller.acr is Acr.PASSWORD
    with pytest.raises(StepUpNotEnrolled):
        await door.step_up_session(authenticated=before, code="123456")
    app = await Authenticator.at_the_start_of_a_step(
        (await door.enrol_totp(caller=before.caller)).secret
    )
    await door.confirm_totp(caller=before.caller, code=app.code())
    stepped_up = await door.step_up_session(authenticated=before, code=app.next_code())
    after = await door.access_tokens.verify(stepped_up.access_token)
    assert after == replace(
        before, caller=replace(before.caller, acr=Acr.MFA), auth_time=after.auth_time
    )
    assert after.auth_time >= before.auth_time
    refreshed = await door.refresh_session(token=signed_in.refresh_token)
    assert await door.access_tokens.verify(refreshed.access_token) == after


async def test_a_session_that_is_over_is_not_stepped_up(door: FrontDoor, asha: Enrolled) -> None:
    signed_in = await door.enter(totp=asha.app.next_code())
    authenticated = await door.access_tokens.verify(signed_in.access_token)
    await door.sign_out(authenticated=authenticated)
    with pytest.raises(AccessTokenNotValid):
        await door.step_up_session(authenticated=authenticated, code=asha.recovery_codes[0])


async def test_nobody_steps_up_the_session_of_another(door: FrontDoor, asha: Enrolled) -> None:
    await door.join("ben@example.org")
    bens = await door.access_tokens.verify((await door.enter("ben@example.org")).access_token)
    mixed = replace(bens, caller=asha.caller)
    with pytest.raises(AccessTokenNotValid):
        await door.step_up_session(authenticated=mixed, code=asha.app.next_code())
    assert await door.rows("SELECT acr FROM sessions") == [("pwd",)]


async def _confirm(door: FrontDoor, asha: Enrolled) -> None:
    await door.confirm_totp(caller=asha.caller, code=asha.app.next_code())


async def test_codes_are_good_after_every_key_above_the_secret_was_changed(
    container: Container, tenant_id: TenantId, caller_in: Callable[[TenantId], Awaitable[Caller]]
) -> None:
    caller, keykeeper = await caller_in(tenant_id), container.keykeeper()
    proposed = await container.enrol_totp()(caller=caller)
    app = await Authenticator.at_the_start_of_a_step(proposed.secret)
    await container.confirm_totp()(caller=caller, code=app.code())
    await keykeeper.rotate(tenant_id, caller.person_id)
    await keykeeper.rotate(tenant_id)
    await keykeeper.rewrap()
    found = {(each.key, each.version) for each in await keykeeper.versions(tenant_id)}
    assert ("subject", 1) not in found
    await container.step_up()(caller=caller, code=app.next_code())
