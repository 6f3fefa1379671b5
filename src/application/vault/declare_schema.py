"""Declare what records look like: a new schema, or the next version of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from application.vault.ports import SchemaChecker, Schemas
from domain.errors import PreconditionFailed
from domain.identity import Caller, Role
from domain.json_pointer import Json
from domain.vault.schema import NotYourSchema, Schema, SchemaNotUsable, SchemaRef, assert_name
from domain.vault.schema_rules import faults_in


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclareSchema:
    """Any member may take a new name; its next versions are theirs, or an administrator's."""

    schemas: Schemas
    checker: SchemaChecker

    async def __call__(
        self,
        *,
        caller: Caller,
        name: str,
        body: Mapping[str, Json],
        expected_version: int | None,
    ) -> Schema:
        """`expected_version` is the one that this follows; None for a new name.

        Raises SchemaNotUsable, NotYourSchema, and PreconditionFailed if it is another one.
        """
        faults = faults_in(body) or await self.checker.faults_of_schema(body)
        if faults:
            raise SchemaNotUsable(faults)
        assert_name(name)
        async with self.schemas.begin(caller) as tx:
            newest = await tx.newest(name)
            is_theirs = newest is None or newest.owner_id == caller.person_id
            if not is_theirs and caller.role is not Role.ADMIN:
                raise NotYourSchema
            if expected_version != (newest and newest.ref.version):
                raise PreconditionFailed
            schema = Schema(
                ref=SchemaRef(name=name, version=newest.ref.version + 1 if newest else 1),
                owner_id=newest.owner_id if newest else caller.person_id,
                body=body,
                created_at=await tx.now(),
            )
            await tx.add(schema)
        return schema
