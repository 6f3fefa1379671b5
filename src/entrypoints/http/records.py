"""Records over HTTP: JSON that follows a schema, kept, versioned and shared like documents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.params import BodyKwarg, FromPath, HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta

from application.consent.name_purpose import NamePurpose
from application.vault.change_index_mode import ChangeIndexMode
from application.vault.describe_documents import DescribedDocument, ListDocuments
from application.vault.erase_document import EraseDocument
from application.vault.keep_records import KeepRecords, RecordDetails
from application.vault.ports import Documents
from application.vault.read_record import OpenRecord, ReadRecord
from domain.identity import PERSONAL_USE, Acr, Action, Caller, DocumentId, ResourceKind
from domain.vault.document import (
    TITLE_LENGTH_MAX,
    AuditMode,
    Document,
    IndexMode,
    Version,
    VersionState,
)
from domain.vault.record import PATCH_TYPE, RECORD_BYTES_MAX, RecordNotFound
from entrypoints.http.access import WITH_GRANT_TOKEN
from entrypoints.http.document_shapes import (
    ErasureShown,
    IndexModeChosen,
    erasure_shown,
)
from entrypoints.http.etags import etag_of, expectation
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.query import (
    AskedFields,
    AskedPurpose,
    AskedReading,
    AskedVersion,
    fields_of,
)

BODY_BYTES_MAX = RECORD_BYTES_MAX + 16 * 1024
NAME_PATTERN = "^[a-z][a-z0-9_-]{0,63}$"
EXAMPLE = {
    "schema": "patient",
    "data": {"name": "Asha Rao", "born": "1984-02-29", "insurance_number": "X-1"},
}
PATCH_EXAMPLE = {"insurance_number": None, "name": "Asha Rao-Weber"}

MergePatch = Annotated[dict[str, Any], BodyKwarg(media_type=PATCH_TYPE)]


class NewRecord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A record and the schema that it follows, in its newest version unless one is named.

    Its title is that of the schema, unless it gets one of its own.
    """

    schema: Annotated[str, Meta(pattern=NAME_PATTERN)]
    schema_version: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    data: dict[str, Any]
    title: Annotated[str, Meta(min_length=1, max_length=TITLE_LENGTH_MAX)] | None = None
    index_mode: IndexMode = IndexMode.CLEAR
    audit: AuditMode = AuditMode.COMMITTED
    approval: Acr = Acr.PASSWORD


class SchemaNamed(msgspec.Struct, kw_only=True):
    """A version of a schema."""

    name: str
    version: int


class RecordListed(msgspec.Struct, kw_only=True):
    """A record of one's own as it stands, without its data."""

    id: UUID
    owner_id: UUID
    title: str | None
    schema: SchemaNamed
    version: int
    searchable_version: int | None
    state: VersionState
    state_reason: str | None
    index_mode: IndexMode
    audit: AuditMode
    approval: Acr
    created_at: datetime
    updated_at: datetime


class RecordShown(RecordListed, kw_only=True):
    """A version of a record, as far as one may see it.

    `fields` are the JSON Pointers that were granted; null: everything. A list keeps its places,
    with null in those that were not granted. The title is for those who may see everything.
    """

    fields: list[str] | None
    data: dict[str, Any]


class RecordVersionShown(msgspec.Struct, kw_only=True):
    """One immutable version."""

    version: int
    schema: SchemaNamed
    state: VersionState
    state_reason: str | None
    content_length: int
    created_at: datetime


class RecordsController(Controller):
    """/v1/records"""

    path = "/v1/records"
    tags = ("Records",)

    @post(status_code=201, request_max_body_size=BODY_BYTES_MAX, opt={"example": EXAMPLE})
    async def add_record(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        keep_records: Injected[KeepRecords],
        read_record: Injected[ReadRecord],
        data: JSONBody[NewRecord],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[RecordShown]:
        """Hand a record in. What its schema does not allow is refused, by the field."""
        details = RecordDetails(
            schema_name=data.schema,
            schema_version=data.schema_version,
            title=data.title,
            index_mode=data.index_mode,
            audit_mode=data.audit,
            approval_acr=data.approval,
        )
        made = await keep_records.add(
            caller=caller,
            content=data.data,
            details=details,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        opened = await read_record(caller=caller, record_id=made, purpose=PERSONAL_USE)
        return _answer(opened, status=201, location=f"{self.path}/{made}")

    @get()
    async def list_records(
        self,
        caller: Injected[Caller],
        list_documents: Injected[ListDocuments],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[RecordListed]:
        """One's own records, in the order in which they came. What is in them is not read."""
        after = cursors.open(cursor, of="records", tenant_id=caller.tenant_id)
        found = await list_documents(
            caller=caller,
            after=DocumentId(UUID(str(after[0]))) if after else None,
            limit=limit + 1,
            kind=ResourceKind.RECORD,
        )
        return page_of(
            found,
            limit=limit,
            show=_listed,
            position=lambda each: (str(each.document.id),),
            cursors=cursors,
            of="records",
            tenant_id=caller.tenant_id,
        )

    @get("/{record_id:uuid}", opt=WITH_GRANT_TOKEN)
    async def get_record(
        self,
        caller: Injected[Caller],
        read_record: Injected[ReadRecord],
        name_purpose: Injected[NamePurpose],
        record_id: FromPath[UUID],
        version: AskedVersion = None,
        fields: AskedFields = None,
        purpose: AskedPurpose = PERSONAL_USE,
        action: AskedReading = "read",
    ) -> Response[RecordShown]:
        """A record, or the fields of it that one was granted. Each read is a release."""
        named = await name_purpose(caller=caller, code=purpose, field="/query/purpose")
        opened = await read_record(
            caller=caller,
            record_id=DocumentId(record_id),
            purpose=named,
            version=version,
            fields=fields_of(fields),
            action=Action(action),
        )
        return _answer(opened)

    @patch(
        "/{record_id:uuid}", request_max_body_size=BODY_BYTES_MAX, opt={"example": PATCH_EXAMPLE}
    )
    async def patch_record(
        self,
        caller: Injected[Caller],
        keep_records: Injected[KeepRecords],
        read_record: Injected[ReadRecord],
        record_id: FromPath[UUID],
        data: MergePatch,
        schema_version: Annotated[
            int | None,
            QueryParameter(
                ge=1, le=2**31 - 1, description="The version of its schema to follow from now on."
            ),
        ] = None,
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
    ) -> Response[RecordShown]:
        """Change fields by a merge patch (RFC 7396), null removes one: the next version.

        If-Match names the version that it changes.
        """
        changed = DocumentId(record_id)
        await keep_records.patch(
            caller=caller,
            record_id=changed,
            expected_version=expectation(if_match).version,
            patch=data,
            schema_version=schema_version,
        )
        return _answer(await read_record(caller=caller, record_id=changed, purpose=PERSONAL_USE))

    @put("/{record_id:uuid}/index-mode", status_code=202, opt={"example": {"index_mode": "sealed"}})
    async def change_index_mode(
        self,
        caller: Injected[Caller],
        change_index_mode: Injected[ChangeIndexMode],
        read_record: Injected[ReadRecord],
        record_id: FromPath[UUID],
        data: JSONBody[IndexModeChosen],
    ) -> Response[RecordShown]:
        """Change what the index keeps. What it kept goes at once; the record is found again once it
        was indexed anew."""
        changed = DocumentId(record_id)
        await change_index_mode(
            caller=caller,
            document_id=changed,
            index_mode=data.index_mode,
            kind=ResourceKind.RECORD,
        )
        opened = await read_record(caller=caller, record_id=changed, purpose=PERSONAL_USE)
        return _answer(opened, status=202)

    @delete("/{record_id:uuid}", status_code=200)
    async def erase_record(
        self,
        caller: Injected[Caller],
        erase_document: Injected[EraseDocument],
        record_id: FromPath[UUID],
    ) -> ErasureShown:
        """Erase a record: its keys, its content, everything made from it. Not to be undone."""
        receipt = await erase_document(
            caller=caller, document_id=DocumentId(record_id), kind=ResourceKind.RECORD
        )
        return erasure_shown(receipt)

    @get("/{record_id:uuid}/versions")
    async def list_versions(
        self,
        caller: Injected[Caller],
        documents: Injected[Documents],
        record_id: FromPath[UUID],
    ) -> Page[RecordVersionShown]:
        """All versions of one's own record, oldest first."""
        document = await documents.find(caller, DocumentId(record_id))
        if document is None or document.owner_id != caller.person_id:
            raise RecordNotFound
        if document.kind is not ResourceKind.RECORD:
            raise RecordNotFound
        found = await documents.versions(caller, DocumentId(record_id))
        return Page(items=[_version_shown(each) for each in found])


def _answer(
    opened: OpenRecord, *, status: int = 200, location: str | None = None
) -> Response[RecordShown]:
    headers = {"ETag": etag_of(opened.version.ref.version)}
    if location is not None:
        headers["Location"] = location
    assert isinstance(opened.content, dict)
    shown = RecordShown(
        **_facts(opened.document, opened.version),
        title=opened.title,
        fields=None if opened.fields is None else sorted(opened.fields),
        data=opened.content,
    )
    return Response(shown, status_code=status, headers=headers)


def _listed(described: DescribedDocument) -> RecordListed:
    document = described.document
    return RecordListed(**_facts(document, document.current), title=described.description.title)


def _facts(document: Document, version: Version) -> dict[str, Any]:
    return {
        "id": document.id,
        "owner_id": document.owner_id,
        "schema": _schema(version),
        "version": version.ref.version,
        "searchable_version": document.searchable_version,
        "state": version.state,
        "state_reason": version.state_reason,
        "index_mode": document.index_mode,
        "audit": document.audit_mode,
        "approval": document.approval_acr,
        "created_at": document.created_at,
        "updated_at": version.created_at,
    }


def _schema(version: Version) -> SchemaNamed:
    assert version.schema is not None
    return SchemaNamed(name=version.schema.name, version=version.schema.version)


def _version_shown(version: Version) -> RecordVersionShown:
    return RecordVersionShown(
        version=version.ref.version,
        schema=_schema(version),
        state=version.state,
        state_reason=version.state_reason,
        content_length=version.content_length,
        created_at=version.created_at,
    )
