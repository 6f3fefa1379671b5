"""Make an account."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.ports import Account, Accounts, Passwords
from application.ports import NewId, RateLimits
from domain.accounts.email_address import email_address
from domain.accounts.password import chosen_password
from domain.accounts.person import Person, SignUpClosed, display_name
from domain.identity import PersonId, Role

SIGN_UP_PER_ADDRESS = "sign_up_rate_per_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """Anyone may join a tenant that is open, as a member."""

    accounts: Accounts
    passwords: Passwords
    limits: RateLimits
    new_id: NewId

    async def __call__(
        self, *, tenant: str, email: str, password: str, name: str, address: str
    ) -> Person:
        """`tenant` is its name, `name` the one to display, `address` where the request is from.

        Raises SignUpClosed, for a tenant that does not exist as well; EmailTaken; TooMany; and
        Invalid naming the field. That EmailTaken tells who has an account is the price of an
        error that people understand: without sending mail, nothing else would be honest.
        """
        await self.limits.attempt(SIGN_UP_PER_ADDRESS, address)
        wanted_email = email_address(email)
        chosen = chosen_password(password, wanted_email)
        shown_name = display_name(name)
        joined = await self.accounts.tenant_named(tenant)
        if joined is None or not joined.sign_up_open:
            raise SignUpClosed
        password_hash = await self.passwords.hash(chosen)
        async with self.accounts.begin(joined.id) as tx:
            person = Person(
                id=PersonId(self.new_id()),
                email=wanted_email,
                display_name=shown_name,
                role=Role.MEMBER,
                created_at=await tx.now(),
            )
            await tx.add(Account(person=person, password_hash=password_hash))
        return person
