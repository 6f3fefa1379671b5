"""Answers that have ended, with what they were made from."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.chat_rows import read_run
from adapters.postgres.engine import transaction
from adapters.postgres.statements import statement
from application.chat.ports import KeptAnswer
from domain.identity import Caller, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresKeptAnswers:
    """`KeptAnswers`."""

    engine: AsyncEngine

    async def find(self, caller: Caller, run_id: RunId) -> KeptAnswer | None:
        values = {"tenant": caller.tenant_id, "person": caller.person_id, "run": run_id}
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            run = await read_run(connection, caller, run_id)
            if run is None:
                return None
            row = (await connection.execute(statement("kept_answer"), values)).one_or_none()
        return KeptAnswer(
            run=run,
            sealed_content=None if row is None else row.sealed_content,
            sealed_manifest=None if row is None else row.sealed_manifest,
        )
