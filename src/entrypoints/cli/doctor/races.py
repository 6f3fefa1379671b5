"""Twenty at once want what only one may have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from adapters.identifiers import uuid7
from domain.errors import NotFound
from entrypoints.cli.doctor.findings import Finding, held_if
from entrypoints.cli.doctor.patient import Patient

RACERS = 20
ROUNDS = 5


async def examine(patient: Patient) -> Sequence[Finding]:
    uses = [await _uses(patient) for _ in range(ROUNDS)]
    links = [await _links(patient) for _ in range(ROUNDS)]
    return [
        held_if(
            uses == [1] * ROUNDS,
            f"a grant for one use, raced by {RACERS}, {ROUNDS} times: used {sum(uses)} times",
        ),
        held_if(
            links == [1] * ROUNDS,
            f"a link for one redemption, raced by {RACERS}, {ROUNDS} times: "
            f"redeemed {sum(links)} times",
        ),
    ]


async def _uses(patient: Patient) -> int:
    owner, grantee = await patient.person(), await patient.person()
    document = await patient.document(owner)
    await patient.share(owner, document, grantee, max_uses=1)
    return await _race(lambda _: patient.read(grantee, document))


async def _links(patient: Patient) -> int:
    owner = await patient.person()
    document = await patient.document(owner)
    made = await patient.container.share_by_link()(caller=owner, terms=patient.terms(document))
    token = made.token
    assert token is not None, "it was made before"
    redeem = patient.container.redeem_link()
    return await _race(
        lambda n: redeem(token=token, pass_code=None, address=f"doctor {n}, {uuid7()}")
    )


async def _race(attempt: Callable[[int], Awaitable[object]]) -> int:
    """How many of them succeeded."""
    ends = await asyncio.gather(*map(attempt, range(RACERS)), return_exceptions=True)
    failed = [end for end in ends if isinstance(end, BaseException)]
    for each in failed:
        if not isinstance(each, NotFound):
            raise each
    return RACERS - len(failed)
