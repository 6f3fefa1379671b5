"""Who saw a document, and who was refused: for its owner, with the proofs of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import Provide
from litestar.params import FromPath, QueryParameter

from application.audit.bundle_accesses import ENTRIES_MAX, BundleAccesses
from application.audit.list_accesses import ListAccesses
from application.audit.list_denials import ListDenials
from application.audit.ports import AccessFilter
from domain.identity import Action, Caller, DocumentId, GrantId, PersonId, Purpose
from entrypoints.http.audit import SIZE_MAX
from entrypoints.http.audit_shapes import (
    AccessesShown,
    BundleShown,
    DenialShown,
    access_shown,
    bundle_shown,
    denial_shown,
)
from entrypoints.http.injected import Injected
from entrypoints.http.instants import instant
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

After = Annotated[
    int, QueryParameter(ge=0, le=SIZE_MAX, description="The number of the last access seen.")
]
BundleLimit = Annotated[
    int,
    QueryParameter(ge=1, le=ENTRIES_MAX, description="How many releases at most in one bundle."),
]
ByPerson = Annotated[UUID | None, QueryParameter(description="Only what this person did.")]
ByAction = Annotated[Action | None, QueryParameter(description="Only what was done like this.")]
ByPurpose = Annotated[
    str | None, QueryParameter(min_length=1, max_length=64, description="Only for this purpose.")
]
ByGrant = Annotated[UUID | None, QueryParameter(description="Only what rested on this grant.")]
Since = Annotated[datetime | None, QueryParameter(description="Only from this time on.")]
Until = Annotated[datetime | None, QueryParameter(description="Only before this time.")]


def provide_filter(
    person_id: ByPerson = None,
    action: ByAction = None,
    purpose: ByPurpose = None,
    grant_id: ByGrant = None,
    since: Since = None,
    until: Until = None,
) -> AccessFilter:
    return AccessFilter(
        person_id=None if person_id is None else PersonId(person_id),
        action=action,
        purpose=None if purpose is None else Purpose(purpose),
        grant_id=None if grant_id is None else GrantId(grant_id),
        since=None if since is None else instant(since, "since"),
        until=None if until is None else instant(until, "until"),
    )


class AccessesController(Controller):
    """/v1/documents/{document_id}/accesses, and /denials"""

    path = "/v1/documents/{document_id:uuid}"
    tags = ("Audit",)
    dependencies = {"only": Provide(provide_filter, sync_to_thread=False)}  # noqa: RUF012

    @get("/accesses")
    async def list_accesses(
        self,
        caller: Injected[Caller],
        list_accesses: Injected[ListAccesses],
        only: Injected[AccessFilter],
        document_id: FromPath[UUID],
        after: After = 0,
        limit: Limit = LIMIT_DEFAULT,
    ) -> AccessesShown:
        """Every release of one's own document, record or file, numbered without gaps.

        With a filter, those that it lets through, under the numbers that they have among all.
        """
        found = await list_accesses(
            caller=caller,
            document_id=DocumentId(document_id),
            only=only,
            after=after,
            limit=limit + 1,
        )
        shown = found[:limit]
        last = shown[-1].number if len(found) > limit else None
        return AccessesShown(items=[access_shown(each) for each in shown], next_after=last)

    @get("/accesses/bundle")
    async def bundle_accesses(
        self,
        caller: Injected[Caller],
        bundle_accesses: Injected[BundleAccesses],
        only: Injected[AccessFilter],
        document_id: FromPath[UUID],
        after: After = 0,
        limit: BundleLimit = ENTRIES_MAX,
    ) -> BundleShown:
        """The releases with their proofs and evidence, for `strongroom verify` to check offline.

        Those that are not in the log yet are left out: they have no proof. With a filter, those
        that it lets through: each is proven, but not that none is missing, and `only` says so.
        """
        bundle = await bundle_accesses(
            caller=caller, only=only, document_id=DocumentId(document_id), after=after, limit=limit
        )
        return bundle_shown(bundle)

    @get("/denials")
    async def list_denials(
        self,
        caller: Injected[Caller],
        list_denials: Injected[ListDenials],
        only: Injected[AccessFilter],
        cursors: Injected[Cursors],
        document_id: FromPath[UUID],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[DenialShown]:
        """What was asked of one's own document and refused, oldest first, and why.

        Whoever asked was told nothing but that there is nothing here. Who came in vain with a link
        to it, or to a collection that holds it, is among them: a second redemption, or a wrong
        pass-code.
        """
        of = f"denials {document_id} {only}"
        position = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        found = await list_denials(
            caller=caller,
            document_id=DocumentId(document_id),
            only=only,
            after=UUID(str(position[0])) if position else None,
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=denial_shown,
            position=lambda denial: (str(denial.event_id),),
            cursors=cursors,
            of=of,
            tenant_id=caller.tenant_id,
        )
