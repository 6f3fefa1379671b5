"""Schemas of records: named, with immutable versions, for everybody in the tenant to see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.errors import Invalid, InvalidParts, NotAllowed, NotFound
from domain.identity import PersonId
from domain.json_pointer import Json

NAME_LENGTH_MAX = 64


class SchemaNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class SchemaNameNotUsable(Invalid):
    """A schema is named by 1 to 64 letters a-z, digits, hyphens and underscores; letter first."""

    code = "schema_name_not_usable"


class SchemaNotUsable(InvalidParts):
    """This is not a schema for records; `errors` names each part that is to blame."""

    code = "schema_not_usable"


class NotYourSchema(NotAllowed):
    """Only who made a schema, or an administrator, may add a version to it."""

    code = "not_your_schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRef:
    """One immutable version of a schema; versions count from 1."""

    name: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One version of a schema (JSON Schema 2020-12). `owner_id` made the first one.

    It is no content: it says which fields there are, to everybody in the tenant.
    """

    ref: SchemaRef
    owner_id: PersonId
    body: Mapping[str, Json]
    created_at: datetime

    @property
    def title(self) -> str | None:
        title = self.body.get("title")
        return title if isinstance(title, str) else None


def assert_name(name: str) -> None:
    """Raises SchemaNameNotUsable."""
    if not re.fullmatch(rf"[a-z][a-z0-9_-]{{0,{NAME_LENGTH_MAX - 1}}}", name):
        raise SchemaNameNotUsable
