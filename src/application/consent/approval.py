"""What may ask for a second factor before access to it is given."""

from __future__ import annotations

from dataclasses import dataclass, replace

from application.consent.ports import Consents, SharedResource
from application.ports import Idempotency, StepUp
from domain.errors import StepUpRequired
from domain.identity import Acr, Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Proves who gives access, as surely as the thing demands."""

    consents: Consents
    step_up: StepUp

    async def proven(
        self, caller: Caller, code: str | None, idempotency: Idempotency | None = None
    ) -> Caller:
        """The caller, as sure as the code makes it. Outside of any transaction: the key service
        is asked.

        A request that took effect before is repeated with a code that is used up by now, and is
        answered as it was: then the code is not looked at.
        """
        if code is None:
            return caller
        if idempotency is not None:
            async with self.consents.begin(caller) as tx:
                if await tx.is_claimed(idempotency):
                    return caller
        await self.step_up(caller=caller, code=code)
        return replace(caller, acr=Acr.MFA)


def assert_sure(caller: Caller, resource: SharedResource) -> None:
    """Raises StepUpRequired where the resource demands more of who gives access to it."""
    if resource.approval_acr is Acr.MFA and caller.acr is not Acr.MFA:
        raise StepUpRequired
