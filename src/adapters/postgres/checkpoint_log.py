"""The log of checkpoints: into it go the newest checkpoints of all logs, now and then."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import Sealing
from domain.audit.checkpoint import LOG_OF_CHECKPOINTS, log_name
from domain.audit.note import to_base64
from domain.identity import OPERATOR, Caller, TenantId

_LOCK = text(
    "SELECT pg_try_advisory_xact_lock(hashtextextended('recording checkpoints', 0)) AS locked"
)
_NEW = text("SELECT tenant_id, size, root, event_id FROM checkpoints_to_log()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCheckpointLog:
    """A chore. An entry commits to a checkpoint without telling whose it is, or how large."""

    engine: AsyncEngine
    sealing: Sealing

    async def record(self) -> int:
        """How many checkpoints were recorded; none where another process is at it."""
        operator = Caller(tenant_id=LOG_OF_CHECKPOINTS, person_id=OPERATOR)
        async with transaction(self.engine, LOG_OF_CHECKPOINTS) as connection:
            if not (await connection.execute(_LOCK)).scalar_one():
                return 0
            found = (await connection.execute(_NEW)).all()
            for each in found:
                await record_event(
                    connection,
                    operator,
                    self.sealing,
                    event_id=each.event_id,
                    type="checkpoint",
                    at=None,
                    body={
                        "origin": log_name(TenantId(each.tenant_id)),
                        "size": each.size,
                        "root": to_base64(each.root),
                    },
                )
        return len(found)
