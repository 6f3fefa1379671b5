"""The transparency log over HTTP: who saw what, and the proofs of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from application.audit.list_accesses import ListAccesses
from application.audit.ports import Access, AuditTrail, Entry, LogSigner
from application.audit.prove_consistency import ProveConsistency
from application.audit.prove_entry import EntryProof, ProveEntry
from domain.audit.checkpoint import log_name
from domain.audit.leaf import Opening
from domain.audit.note import VerifierKey, to_base64
from domain.errors import NotFound
from domain.identity import Caller, DocumentId
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

SIZE_MAX = 2**53 - 1
EVENTS = "audit events"

After = Annotated[
    int, QueryParameter(ge=0, le=SIZE_MAX, description="The number of the last access seen.")
]
OldSize = Annotated[
    int, QueryParameter(name="from", ge=1, le=SIZE_MAX, description="The smaller size.")
]
NewSize = Annotated[
    int | None,
    QueryParameter(
        name="to", ge=1, le=SIZE_MAX, description="The larger size; else the latest checkpoint's."
    ),
]


class LogEmpty(NotFound):
    """Nothing is in the log yet, so there is no checkpoint."""

    code = "log_empty"


class AccessShown(msgspec.Struct, kw_only=True):
    """One release of one version. `number` is null until it is in the log."""

    number: int | None
    integrated: bool
    event_id: UUID
    at: datetime
    person_id: UUID
    display_name: str
    action: str
    purpose: str
    version: int
    grant_id: UUID | None


class AccessesShown(msgspec.Struct, kw_only=True):
    """Numbered without gaps from 1, then those not numbered yet. Go on with `?after=`."""

    items: list[AccessShown]
    next_after: int | None


class ResourceShown(msgspec.Struct, kw_only=True):
    """A version that an event is about."""

    document_id: UUID
    version: int
    grant_id: UUID | None
    number: int | None


class EventShown(msgspec.Struct, kw_only=True):
    """Something that one did. `index` is its place in the log, null until it is there."""

    id: UUID
    type: str
    at: datetime
    action: str | None
    purpose: str | None
    resources: list[ResourceShown]
    index: int | None


class OpenedActor(msgspec.Struct, kw_only=True):
    """HMAC-SHA256 under `key` over the 16 bytes of the id is the leaf's `actor_h`."""

    person_id: UUID
    key: str


class OpenedResourceShown(msgspec.Struct, kw_only=True):
    """HMAC-SHA256 under `key` over the 16 bytes of the document's id is a `resource_h`."""

    document_id: UUID
    version: int
    key: str


class OpenedBody(msgspec.Struct, kw_only=True):
    """HMAC-SHA256 under `key` over the bytes of `text` is the leaf's `body_commitment`."""

    text: str
    key: str


class OpeningShown(msgspec.Struct, kw_only=True):
    """What the commitments in the leaf were made of, as far as it concerns the caller."""

    actor: OpenedActor
    resources: list[OpenedResourceShown]
    body: OpenedBody | None


class ProofShown(msgspec.Struct, kw_only=True):
    """All that is needed, beside the log's key, to verify without asking us.

    `leaf` is the exact text that was hashed; `proof` is a c2sp.org/tlog-proof with index, hashes
    and checkpoint. `opening` is null once what was committed to has been erased.
    """

    event_id: UUID
    leaf: str
    proof: str
    opening: OpeningShown | None


class ConsistencyShown(msgspec.Struct, kw_only=True, rename={"old": "from", "new": "to"}):
    """Hashes (RFC 9162, section 2.1.4) from the tree of `from` leaves to that of `to`."""

    old: int
    new: int
    hashes: list[str]


class AuditController(Controller):
    """/v1/audit"""

    path = "/v1/audit"
    tags = ("Audit",)

    @get("/checkpoint", media_type="text/plain")
    async def get_checkpoint(
        self, caller: NamedDependency[Caller], audit_trail: NamedDependency[AuditTrail]
    ) -> str:
        """The latest checkpoint of the tenant's log, as a signed note. Keep one: it is evidence."""
        latest = await audit_trail.checkpoint(caller.tenant_id)
        if latest is None:
            raise LogEmpty
        return latest.note

    @get("/key", media_type="text/plain")
    async def get_key(
        self, caller: NamedDependency[Caller], log_signer: NamedDependency[LogSigner]
    ) -> str:
        """The key that checkpoints are verified with: name, id and Ed25519 key of the log."""
        public_key = await log_signer.public_key()
        key = VerifierKey(name=log_name(caller.tenant_id), public_key=public_key)
        return f"{key.printed}\n"

    @get("/events")
    async def list_events(
        self,
        caller: NamedDependency[Caller],
        audit_trail: NamedDependency[AuditTrail],
        cursors: NamedDependency[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[EventShown]:
        """What one did oneself, oldest first."""
        after = cursors.open(cursor, of=EVENTS, tenant_id=caller.tenant_id)
        found = await audit_trail.own_events(
            caller, after=UUID(str(after[0])) if after else None, limit=limit + 1
        )
        return page_of(
            found,
            limit=limit,
            show=_event_shown,
            position=lambda entry: (str(entry.event.id),),
            cursors=cursors,
            of=EVENTS,
            tenant_id=caller.tenant_id,
        )

    @get("/events/{event_id:uuid}/proof")
    async def prove_entry(
        self,
        caller: NamedDependency[Caller],
        prove_entry: NamedDependency[ProveEntry],
        event_id: FromPath[UUID],
    ) -> ProofShown:
        """That an event is in the log: for whoever acted, and the owners of what it was about."""
        return _proof_shown(await prove_entry(caller=caller, event_id=event_id))

    @get("/consistency")
    async def prove_consistency(
        self,
        caller: NamedDependency[Caller],
        prove_consistency: NamedDependency[ProveConsistency],
        old: OldSize,
        new: NewSize = None,
    ) -> ConsistencyShown:
        """That a later tree begins with exactly an earlier one: nothing was rewritten."""
        proven = await prove_consistency(tenant_id=caller.tenant_id, old=old, new=new)
        hashes = [to_base64(each) for each in proven.hashes]
        return ConsistencyShown(old=proven.old, new=proven.new, hashes=hashes)


@get("/v1/documents/{document_id:uuid}/accesses", tags=["Audit"])
async def list_accesses(
    caller: NamedDependency[Caller],
    list_accesses: NamedDependency[ListAccesses],
    document_id: FromPath[UUID],
    after: After = 0,
    limit: Limit = LIMIT_DEFAULT,
) -> AccessesShown:
    """Every release of one's own document, numbered without gaps."""
    found = await list_accesses(
        caller=caller, document_id=DocumentId(document_id), after=after, limit=limit + 1
    )
    shown = found[:limit]
    last = shown[-1].number if len(found) > limit else None
    return AccessesShown(items=[_access_shown(each) for each in shown], next_after=last)


def _access_shown(access: Access) -> AccessShown:
    return AccessShown(
        number=access.number,
        integrated=access.number is not None,
        event_id=access.event_id,
        at=access.at,
        person_id=access.person_id,
        display_name=access.display_name,
        action=access.action,
        purpose=access.purpose,
        version=access.version,
        grant_id=access.grant_id,
    )


def _event_shown(entry: Entry) -> EventShown:
    event = entry.event
    return EventShown(
        id=event.id,
        type=event.type,
        at=event.at,
        action=event.action,
        purpose=event.purpose,
        resources=[
            ResourceShown(
                document_id=each.document_id,
                version=each.version,
                grant_id=each.grant_id,
                number=each.release_seq,
            )
            for each in event.resources
        ],
        index=entry.index,
    )


def _proof_shown(proof: EntryProof) -> ProofShown:
    return ProofShown(
        event_id=proof.event_id,
        leaf=proof.leaf.decode(),
        proof=proof.proof.text,
        opening=None if proof.opening is None else _opening_shown(proof.opening),
    )


def _opening_shown(opening: Opening) -> OpeningShown:
    body = None
    if opening.body is not None and opening.body_key is not None:
        body = OpenedBody(text=opening.body.decode(), key=to_base64(opening.body_key))
    return OpeningShown(
        actor=OpenedActor(person_id=opening.actor_id, key=to_base64(opening.actor_key)),
        resources=[
            OpenedResourceShown(
                document_id=each.document_id, version=each.version, key=to_base64(each.key)
            )
            for each in opening.resources
        ],
        body=body,
    )
