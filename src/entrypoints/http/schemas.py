"""Schemas over HTTP: declare what records look like, and see what others declared."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, get, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody

from application.vault.declare_schema import DeclareSchema
from application.vault.ports import Schemas
from domain.errors import PreconditionFailed
from domain.identity import Caller
from domain.vault.schema import Schema, SchemaNotFound
from entrypoints.http.etags import etag_of, expectation
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.query import AskedVersion

LIST = "schemas"
EXAMPLE = {
    "title": "Patient",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 200},
        "born": {"type": "string", "format": "date", "x-searchable": False},
        "insurance_number": {"type": "string", "x-sensitive": True},
    },
    "additionalProperties": False,
}


class SchemaListed(msgspec.Struct, kw_only=True):
    """The newest version of a schema, without its body."""

    name: str
    version: int
    title: str | None
    owner_id: UUID
    created_at: datetime


class SchemaShown(msgspec.Struct, kw_only=True):
    """One version of a schema: `schema` is JSON Schema 2020-12."""

    name: str
    version: int
    title: str | None
    owner_id: UUID
    created_at: datetime
    schema: dict[str, Any]


class SchemasController(Controller):
    """/v1/schemas"""

    path = "/v1/schemas"
    tags = ("Schemas",)

    @put(
        "/{schema_name:str}",
        responses={201: ResponseSpec(SchemaShown, description="It was declared, or anew.")},
        opt={"example": EXAMPLE},
    )
    async def put_schema(
        self,
        caller: Injected[Caller],
        schemas: Injected[Schemas],
        declare_schema: Injected[DeclareSchema],
        schema_name: FromPath[str],
        data: JSONBody[dict[str, Any]],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
    ) -> Response[SchemaShown]:
        """Declare a schema, or its next version: If-Match names the one that it follows."""
        newest = await schemas.find(caller, schema_name)
        if newest is None and if_match is not None:
            raise PreconditionFailed
        expected = None
        if newest is not None:
            expected = expectation(if_match).version or newest.ref.version
        schema = await declare_schema(
            caller=caller, name=schema_name, body=data, expected_version=expected
        )
        return _answer(schema, status=200 if newest else 201)

    @get("/{schema_name:str}")
    async def get_schema(
        self,
        caller: Injected[Caller],
        schemas: Injected[Schemas],
        schema_name: FromPath[str],
        version: AskedVersion = None,
    ) -> Response[SchemaShown]:
        """One version of a schema. Schemas are no content: everybody in the tenant sees them."""
        schema = await schemas.find(caller, schema_name, version=version)
        if schema is None:
            raise SchemaNotFound
        return _answer(schema)

    @get()
    async def list_schemas(
        self,
        caller: Injected[Caller],
        schemas: Injected[Schemas],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[SchemaListed]:
        """The newest version of every schema of the tenant, by name."""
        after = cursors.open(cursor, of=LIST, tenant_id=caller.tenant_id)
        found = await schemas.page(caller, after=str(after[0]) if after else None, limit=limit + 1)
        return page_of(
            found,
            limit=limit,
            show=_listed,
            position=lambda each: (each.ref.name,),
            cursors=cursors,
            of=LIST,
            tenant_id=caller.tenant_id,
        )


def _listed(schema: Schema) -> SchemaListed:
    return SchemaListed(
        name=schema.ref.name,
        version=schema.ref.version,
        title=schema.title,
        owner_id=schema.owner_id,
        created_at=schema.created_at,
    )


def _answer(schema: Schema, *, status: int = 200) -> Response[SchemaShown]:
    shown = SchemaShown(
        name=schema.ref.name,
        version=schema.ref.version,
        title=schema.title,
        owner_id=schema.owner_id,
        created_at=schema.created_at,
        schema=dict(schema.body),
    )
    return Response(shown, status_code=status, headers={"ETag": etag_of(schema.ref.version)})
