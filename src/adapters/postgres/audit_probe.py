"""Could the log be written now? Asked before what is not logged one by one.

An event is inserted as a release would be, with all that belongs to it, and rolled back: whatever
would keep a release from being written is met here as well.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.statements import statement
from domain.errors import Unavailable
from domain.identity import TenantId

TRUST_SECONDS = 1.0
PROBE_SECONDS_MAX = 1.8  # less than a health check takes, or that would not learn the reason

# The tenant of the log of checkpoints: it has no people, and it is always there.
_TENANT = TenantId(UUID(int=0))
_NOBODY = UUID(int=0)

_REASONS = {
    "42501": "not permitted",
    "53100": "no space on its disk",
    "55P03": "locked",
    "57014": "locked",
}


class _RollBack(Exception):
    """Nothing of a probe stays."""


@dataclass(slots=True, kw_only=True)
class PostgresAuditProbe:
    """`LogWritable`. One look at a time serves everybody; a good answer holds for a second."""

    engine: AsyncEngine
    _trusted_until: float = field(default=0.0, init=False)
    _looking: asyncio.Task[str | None] | None = field(default=None, init=False)

    async def __call__(self) -> None:
        if await self.look() is not None:
            raise Unavailable("The log cannot be written, so nothing is shown or stored.")

    async def look(self) -> str | None:
        """None where it could be written within the last second, else why it could not."""
        if asyncio.get_running_loop().time() < self._trusted_until:
            return None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._probe(), name="audit probe")
        return await asyncio.shield(self._looking)

    async def _probe(self) -> str | None:
        asked_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(PROBE_SECONDS_MAX):
                await self._write_and_roll_back()
        except TimeoutError:
            return "no answer: locked, or too slow"
        except (DBAPIError, Unavailable, OSError) as failure:
            return _reason(failure)
        self._trusted_until = asked_at + TRUST_SECONDS
        return None

    async def _write_and_roll_back(self) -> None:
        try:
            async with transaction(self.engine, _TENANT) as connection:
                await connection.execute(statement("record_event"), _event())
                raise _RollBack
        except _RollBack:
            return


def _event() -> dict[str, object]:
    """As big as a small release: its bytes are random, so that they take the room of evidence."""
    some = secrets.token_bytes
    return {
        "tenant": _TENANT,
        "event": uuid4(),
        "type": "probe",
        "at": None,
        "actor": _NOBODY,
        "action": None,
        "purpose": None,
        "policy_version": None,
        "actor_commitment": some(32),
        "body_commitment": some(32),
        "salt": some(32),
        "body": None,
        "body_key": None,
        "sealed_body": None,
        "documents": [_NOBODY],
        "versions": [0],
        "grants": [None],
        "epochs": [None],
        "consents": [None],
        "commitments": [some(32)],
        "evidence_commitments": [some(32)],
        "salts": [some(32)],
        "keys": [None],
        "sealed_evidence": [some(700)],
    }


def _reason(failure: Exception) -> str:
    """In a few words, and none of them out of the database's own message."""
    at: BaseException | None = failure
    while at is not None:
        state = getattr(getattr(at, "orig", None), "sqlstate", None)
        if state is not None:
            return _REASONS.get(state, f"refused by the database ({state})")
        at = at.__cause__
    return "the database does not answer"
