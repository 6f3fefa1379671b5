"""The grant that the same request gave when it came for the first time."""

from __future__ import annotations

from application.consent.ports import ConsentTransaction
from application.ports import Idempotency
from domain.consent.grant import Grant
from domain.identity import GrantId


async def given_before(
    tx: ConsentTransaction, idempotency: Idempotency | None, fresh: GrantId
) -> Grant | None:
    """None where it comes for the first time: it is to give `fresh`, for which its key is claimed.

    Raises as `claim` does.
    """
    claimed = GrantId(await tx.claim(idempotency, fresh))
    if claimed == fresh:
        return None
    earlier = await tx.grant(claimed)
    assert earlier is not None
    return earlier
