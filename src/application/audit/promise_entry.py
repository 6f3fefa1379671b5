"""Promise: that an event will be in the log, in writing, before it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from application.audit.ports import AuditTrail, Canonical, LogSigner
from domain.audit.checkpoint import log_name
from domain.audit.leaf import leaf_of
from domain.audit.note import VerifierKey
from domain.audit.promise import Promise, digest_of, unnumbered
from domain.errors import NotFound
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseEntry:
    """For the person who acted, and for the owners of what it was about.

    `within` is the maximum merge delay. A promise that was not kept is evidence against us.
    """

    trail: AuditTrail
    signer: LogSigner
    canonical: Canonical
    within: timedelta

    async def __call__(self, *, caller: Caller, event_id: UUID) -> str:
        """The signed note. Raises NotFound."""
        entry = (await self.trail.entries(caller, [event_id])).get(event_id)
        if entry is None:
            raise NotFound
        event = entry.event
        if event.actor_id != caller.person_id and not entry.own_documents:
            raise NotFound
        name = log_name(caller.tenant_id)
        body = entry.body if entry.body is not None else b"{}"
        leaf = self.canonical(unnumbered(leaf_of(name, event, body)))
        promise = Promise(
            log=name,
            event_id=event_id,
            leaf_digest=digest_of(leaf),
            at=event.at,
            within=self.within,
        )
        key = VerifierKey(name=name, public_key=await self.signer.public_key())
        return promise.signed(key, await self.signer.sign(promise.text.encode()))
