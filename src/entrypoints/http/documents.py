"""Documents over HTTP: hand in, list, read, replace, erase, and watch them being indexed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.params import FromPath, HeaderParameter, JSONBody
from litestar.response import Stream

from application.audit.promise_entry import PromiseEntry
from application.consent.name_purpose import NamePurpose
from application.ports import Signals
from application.vault.add_document import AddDocument, DocumentDetails
from application.vault.change_index_mode import ChangeIndexMode
from application.vault.describe_documents import (
    DescribedDocument,
    DescribeDocument,
    ListDocuments,
)
from application.vault.erase_document import EraseDocument
from application.vault.ports import Documents
from application.vault.read_content import ReadContent
from application.vault.replace_content import ReplaceContent
from application.vault.weigh_document import WeighDocument
from domain.errors import NotFound
from domain.identity import PERSONAL_USE, Action, Caller, DocumentId, ResourceKind
from domain.language import language
from domain.vault.document import (
    Description,
    VersionState,
)
from entrypoints.http.access import WITH_GRANT_TOKEN
from entrypoints.http.document_shapes import (
    DocumentFields,
    DocumentShown,
    DocumentWeighed,
    ErasureShown,
    IndexModeChosen,
    VersionShown,
    document_shown,
    erasure_shown,
    progress_shown,
    version_shown,
)
from entrypoints.http.downloads import PARTLY, download
from entrypoints.http.drain import Drain
from entrypoints.http.etags import etag_of, expectation
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.multipart import FormLimits, open_form
from entrypoints.http.openapi_document import Upload
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.query import (
    AfterEvent,
    AskedLanguage,
    AskedPurpose,
    AskedReading,
    AskedVersion,
)
from entrypoints.http.sse import resume_after, sse_frame
from entrypoints.http.streams import StreamLimits, open_stream

LIST = "documents"
FORM_OVERHEAD_BYTES = 512 * 1024
POLL_SECONDS = 2.0
END_STATES = (VersionState.READY, VersionState.REJECTED, VersionState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """How large a file may be, in bytes."""

    bytes_max: int

    @property
    def form(self) -> FormLimits:
        return FormLimits(body_bytes_max=self.bytes_max + FORM_OVERHEAD_BYTES)


class DocumentsController(Controller):
    """/v1/documents"""

    path = "/v1/documents"
    tags = ("Documents",)

    @post(
        status_code=202,
        opt={"upload": Upload(DocumentFields)},
        request_max_body_size=None,  # the form has a limit of its own
    )
    async def add_document(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        add_document: Injected[AddDocument],
        describe_document: Injected[DescribeDocument],
        upload_limits: Injected[UploadLimits],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[DocumentShown]:
        """Hand in a document. It is sealed at once and indexed in the background."""
        form = await open_form(request, limits=upload_limits.form)

        async def details() -> DocumentDetails:
            said = await form.fields(DocumentFields)
            description = Description(
                title=said.title or form.filename or "Untitled",
                filename=form.filename,
                metadata=said.metadata,
            )
            return DocumentDetails(
                description=description,
                index_mode=said.index_mode,
                audit_mode=said.audit,
                approval_acr=said.approval,
                language=language(said.language) if said.language else None,
            )

        document = await add_document(
            caller=caller,
            content=form.content,
            details=details,
            idempotency=idempotency_of(request, idempotency_key),
        )
        described = await describe_document(
            caller=caller, document_id=document.id, purpose=PERSONAL_USE
        )
        return _answer(described, status=202, location=f"{self.path}/{document.id}")

    @get()
    async def list_documents(
        self,
        caller: Injected[Caller],
        list_documents: Injected[ListDocuments],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[DocumentShown]:
        """One's own documents, oldest first."""
        after = cursors.open(cursor, of=LIST, tenant_id=caller.tenant_id)
        found = await list_documents(
            caller=caller,
            after=DocumentId(UUID(str(after[0]))) if after else None,
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=document_shown,
            position=lambda each: (str(each.document.id),),
            cursors=cursors,
            of=LIST,
            tenant_id=caller.tenant_id,
        )

    @get("/{document_id:uuid}", opt=WITH_GRANT_TOKEN)
    async def get_document(
        self,
        caller: Injected[Caller],
        describe_document: Injected[DescribeDocument],
        name_purpose: Injected[NamePurpose],
        document_id: FromPath[UUID],
        purpose: AskedPurpose = PERSONAL_USE,
    ) -> Response[DocumentShown]:
        """One document. Whoever is not its owner needs a grant to read; the title is content, so
        this is a release, and spends a use where uses are counted."""
        named = await name_purpose(caller=caller, code=purpose, field="/query/purpose")
        described = await describe_document(
            caller=caller, document_id=DocumentId(document_id), purpose=named
        )
        return _answer(described)

    @put(
        "/{document_id:uuid}/index-mode", status_code=202, opt={"example": {"index_mode": "sealed"}}
    )
    async def change_index_mode(
        self,
        caller: Injected[Caller],
        change_index_mode: Injected[ChangeIndexMode],
        describe_document: Injected[DescribeDocument],
        document_id: FromPath[UUID],
        data: JSONBody[IndexModeChosen],
    ) -> Response[DocumentShown]:
        """Change what the index keeps. What it kept goes at once; the document is found again once
        it was indexed anew."""
        changed = DocumentId(document_id)
        await change_index_mode(caller=caller, document_id=changed, index_mode=data.index_mode)
        described = await describe_document(
            caller=caller, document_id=changed, purpose=PERSONAL_USE
        )
        return _answer(described, status=202)

    @delete("/{document_id:uuid}", status_code=200)
    async def erase_document(
        self,
        caller: Injected[Caller],
        erase_document: Injected[EraseDocument],
        document_id: FromPath[UUID],
    ) -> ErasureShown:
        """Erase a document: its keys, its content, everything made from it. Not to be undone."""
        receipt = await erase_document(caller=caller, document_id=DocumentId(document_id))
        return erasure_shown(receipt)

    @patch("/{document_id:uuid}", opt={"example": {"weight": 2.0}})
    async def weigh_document(
        self,
        caller: Injected[Caller],
        weigh_document: Injected[WeighDocument],
        describe_document: Injected[DescribeDocument],
        document_id: FromPath[UUID],
        data: JSONBody[DocumentWeighed],
    ) -> Response[DocumentShown]:
        """Say what a document is worth beside others, in every search that may find it."""
        weighed = DocumentId(document_id)
        await weigh_document(caller=caller, document_id=weighed, weight=data.weight)
        described = await describe_document(
            caller=caller, document_id=weighed, purpose=PERSONAL_USE
        )
        return _answer(described)

    @get("/{document_id:uuid}/content", responses=PARTLY, opt=WITH_GRANT_TOKEN)
    async def get_content(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        read_content: Injected[ReadContent],
        name_purpose: Injected[NamePurpose],
        promise_entry: Injected[PromiseEntry],
        document_id: FromPath[UUID],
        version: AskedVersion = None,
        purpose: AskedPurpose = PERSONAL_USE,
        action: AskedReading = "read",
    ) -> Response[Any]:
        """The bytes of a version, whole or one range of them. Each read is a release, and spends a
        use where uses are counted. So does 304: it tells what is there at this moment, which only
        those may learn who may read it, and its owner learns that they did."""
        named = await name_purpose(caller=caller, code=purpose, field="/query/purpose")
        content = await read_content(
            caller=caller,
            document_id=DocumentId(document_id),
            purpose=named,
            version=version,
            action=Action(action),
        )
        return await download(request, caller, content, promise_entry)

    @put(
        "/{document_id:uuid}/content",
        status_code=202,
        opt={"upload": Upload()},
        request_max_body_size=None,  # an upload has a limit of its own
    )
    async def put_content(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        replace_content: Injected[ReplaceContent],
        describe_document: Injected[DescribeDocument],
        document_id: FromPath[UUID],
        if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
        written_in: AskedLanguage = None,
    ) -> Response[DocumentShown]:
        """A new version. If-Match names the version that it follows."""
        expected = expectation(if_match).version
        said = language(written_in, field="/query/language") if written_in else None
        own = await describe_document(
            caller=caller, document_id=DocumentId(document_id), purpose=PERSONAL_USE
        )
        await replace_content(
            caller=caller,
            document_id=DocumentId(document_id),
            expected_version=expected or own.document.current.ref.version,
            content=request.stream(),
            language=said,
        )
        described = await describe_document(
            caller=caller, document_id=DocumentId(document_id), purpose=PERSONAL_USE
        )
        return _answer(described, status=202)

    @get("/{document_id:uuid}/text", responses=PARTLY, opt=WITH_GRANT_TOKEN)
    async def get_text(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        read_content: Injected[ReadContent],
        name_purpose: Injected[NamePurpose],
        promise_entry: Injected[PromiseEntry],
        document_id: FromPath[UUID],
        version: AskedVersion = None,
        purpose: AskedPurpose = PERSONAL_USE,
        action: AskedReading = "read",
    ) -> Response[Any]:
        """The extracted text in UTF-8, which spans everywhere count in. Each read is a release.

        The header `X-Text-Key` opens the `text_commitment` that manifests of answers and the log
        have of this version: HMAC-SHA256 of all of the text, under this key, which is in base64.
        """
        named = await name_purpose(caller=caller, code=purpose, field="/query/purpose")
        content = await read_content(
            caller=caller,
            document_id=DocumentId(document_id),
            purpose=named,
            version=version,
            action=Action(action),
            text=True,
        )
        return await download(request, caller, content, promise_entry)

    @get("/{document_id:uuid}/versions")
    async def list_versions(
        self,
        caller: Injected[Caller],
        documents: Injected[Documents],
        document_id: FromPath[UUID],
    ) -> Page[VersionShown]:
        """All versions of one's own document, oldest first."""
        await _own(documents, caller, DocumentId(document_id))
        found = await documents.versions(caller, DocumentId(document_id))
        return Page(items=[version_shown(each) for each in found])

    @get("/{document_id:uuid}/events", media_type="text/event-stream")
    async def follow_progress(
        self,
        caller: Injected[Caller],
        documents: Injected[Documents],
        signals: Injected[Signals],
        drain: Injected[Drain],
        stream_limits: Injected[StreamLimits],
        document_id: FromPath[UUID],
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
        after: AfterEvent = None,
    ) -> Stream:
        """The progress of one's own document as server-sent events, until it is at its end."""
        number = resume_after(last_event_id, after)
        frames = _progress(documents, signals, caller, DocumentId(document_id), number)
        return await open_stream(frames, drain=drain, limits=stream_limits)


async def _progress(
    documents: Documents, signals: Signals, caller: Caller, document_id: DocumentId, after: int
) -> AsyncGenerator[bytes, None]:
    with signals.listen(f"document:{document_id}") as signal:
        document = await _own(documents, caller, document_id)
        yield b""
        while True:
            for step in await documents.progress(caller, document_id, after=after):
                after = step.number
                shown = progress_shown(step)
                yield sse_frame(shown, event=step.state, number=step.number)
                if step.state in END_STATES and step.version == document.current.ref.version:
                    return
            await signal.wait(POLL_SECONDS)
            document = await _own(documents, caller, document_id)


async def _own(documents: Documents, caller: Caller, document_id: DocumentId) -> Any:
    document = await documents.find(caller, document_id)
    if document is None or document.owner_id != caller.person_id:
        raise NotFound
    if document.kind is not ResourceKind.DOCUMENT:
        raise NotFound
    return document


def _answer(
    described: DescribedDocument, *, status: int = 200, location: str | None = None
) -> Response[DocumentShown]:
    headers = {"ETag": etag_of(described.document.current.ref.version)}
    if location is not None:
        headers["Location"] = location
    return Response(document_shown(described), status_code=status, headers=headers)
