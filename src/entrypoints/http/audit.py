"""The transparency log over HTTP: who saw what, and the proofs of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.audit.accept_cosignatures import AcceptCosignatures
from application.audit.ports import AuditTrail, LogSigner
from application.audit.promise_entry import PromiseEntry
from application.audit.prove_consistency import ProveConsistency
from application.audit.prove_entry import ProveEntry
from domain.audit.checkpoint import log_name
from domain.audit.note import VerifierKey
from domain.errors import NotFound
from domain.identity import Caller
from entrypoints.http.audit_shapes import (
    COSIGNED_EXAMPLE,
    ConsistencyShown,
    CosignaturesShown,
    CosignedCheckpoint,
    EventShown,
    ProofShown,
    consistency_shown,
    cosignatures_shown,
    event_shown,
    proof_shown,
)
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

SIZE_MAX = 2**53 - 1
EVENTS = "audit events"

OldSize = Annotated[
    int, QueryParameter(name="from", ge=1, le=SIZE_MAX, description="The smaller size.")
]
NewSize = Annotated[
    int | None,
    QueryParameter(
        name="to", ge=1, le=SIZE_MAX, description="The larger size; else the latest checkpoint's."
    ),
]


class AuditController(Controller):
    """/v1/audit"""

    path = "/v1/audit"
    tags = ("Audit",)

    @get("/checkpoint", media_type="text/plain")
    async def get_checkpoint(
        self, caller: Injected[Caller], audit_trail: Injected[AuditTrail]
    ) -> str:
        """The latest checkpoint of the tenant's log, as a signed note. Keep one: it is evidence.

        There is none, and so 404, while nothing is in the log.
        """
        latest = await audit_trail.checkpoint(caller.tenant_id)
        if latest is None:
            raise NotFound
        return latest.note

    @get("/cosigned", media_type="text/plain")
    async def get_cosigned(
        self, caller: Injected[Caller], audit_trail: Injected[AuditTrail]
    ) -> str:
        """The latest checkpoint that a witness cosigned, with all cosignatures that it has.

        There is none, and so 404, where nobody watches.
        """
        latest = await audit_trail.cosigned(caller.tenant_id)
        if latest is None:
            raise NotFound
        return latest.note

    @post("/cosignatures", status_code=200, opt={"example": COSIGNED_EXAMPLE})
    async def accept_cosignatures(
        self,
        caller: Injected[Caller],
        accept_cosignatures: Injected[AcceptCosignatures],
        data: JSONBody[CosignedCheckpoint],
    ) -> CosignaturesShown:
        """Hand in what a witness signed. Which witnesses there are the operator says.

        409 for a checkpoint that this log signed and does not have: it was rolled back.
        """
        return cosignatures_shown(
            await accept_cosignatures(tenant_id=caller.tenant_id, note=data.checkpoint)
        )

    @get("/key", media_type="text/plain")
    async def get_key(self, caller: Injected[Caller], log_signer: Injected[LogSigner]) -> str:
        """The key that checkpoints are verified with: name, id and Ed25519 key of the log."""
        public_key = await log_signer.public_key()
        key = VerifierKey(name=log_name(caller.tenant_id), public_key=public_key)
        return f"{key.printed}\n"

    @get("/events")
    async def list_events(
        self,
        caller: Injected[Caller],
        audit_trail: Injected[AuditTrail],
        cursors: Injected[Cursors],
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
            show=event_shown,
            position=lambda entry: (str(entry.event.id),),
            cursors=cursors,
            of=EVENTS,
            tenant_id=caller.tenant_id,
        )

    @get("/events/{event_id:uuid}/proof")
    async def prove_entry(
        self,
        caller: Injected[Caller],
        prove_entry: Injected[ProveEntry],
        event_id: FromPath[UUID],
    ) -> ProofShown:
        """That an event is in the log: for whoever acted, and the owners of what it was about."""
        return proof_shown(await prove_entry(caller=caller, event_id=event_id))

    @get("/events/{event_id:uuid}/promise", media_type="text/plain")
    async def promise_entry(
        self,
        caller: Injected[Caller],
        promise_entry: Injected[PromiseEntry],
        event_id: FromPath[UUID],
    ) -> str:
        """That an event will be in the log, and by when: signed, as soon as the event is there.

        Of what one read it is also in the header `X-Release-Promise`, in base64.
        """
        return await promise_entry(caller=caller, event_id=event_id)

    @get("/consistency")
    async def prove_consistency(
        self,
        caller: Injected[Caller],
        prove_consistency: Injected[ProveConsistency],
        old: OldSize,
        new: NewSize = None,
    ) -> ConsistencyShown:
        """That a later tree begins with exactly an earlier one: nothing was rewritten."""
        proven = await prove_consistency(tenant_id=caller.tenant_id, old=old, new=new)
        return consistency_shown(proven)
