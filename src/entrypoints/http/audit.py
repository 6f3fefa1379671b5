"""The transparency log over HTTP: who saw what, and the proofs of it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath, QueryParameter

from application.audit.ports import AuditTrail, LogSigner
from application.audit.prove_consistency import ProveConsistency
from application.audit.prove_entry import ProveEntry
from domain.audit.checkpoint import log_name
from domain.audit.note import VerifierKey
from domain.errors import NotFound
from domain.identity import Caller
from entrypoints.http.audit_shapes import (
    ConsistencyShown,
    EventShown,
    ProofShown,
    consistency_shown,
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
