"""The restore fence: it opens only for a database that is as new as what is known outside of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from adapters.encryption.signatures import ed25519_verify
from adapters.files.ending_journal import EndingJournalFile
from adapters.postgres.endings import PostgresEndings
from adapters.postgres.engine import Database, transaction
from adapters.postgres.restorations import PostgresRestorations
from adapters.postgres.tables import audit_events
from application.audit.endings import (
    AcceptLostEntries,
    Endings,
    FoundEndings,
    JournalDamaged,
    KeepEndings,
    LookAtFence,
)
from domain.audit.checkpoint import LOG_OF_CHECKPOINTS, Checkpoint, log_name, open_checkpoint
from domain.audit.ending import Ending, EndingKind
from domain.audit.note import VerifierKey
from domain.consent.terms import Terms
from domain.identity import (
    PERSONAL_USE,
    Action,
    Caller,
    PersonId,
    ResourceKind,
    ResourceRef,
    TenantId,
)
from entrypoints.cli.restore import end_again
from entrypoints.container import Container
from tests.integration.conftest import add_text

CallerIn = Callable[[TenantId], Awaitable[Caller]]


class Fenced:
    """A journal of its own, over the database of all tests."""

    def __init__(self, container: Container, directory: Path) -> None:
        self.container = container
        self.endings = PostgresEndings(engine=container.keykeeper_engine())
        self.journal = EndingJournalFile(directory=directory, secrets=container.key_service())
        trail = container.audit_trail()
        self.keep = KeepEndings(endings=self.endings, journal=self.journal, trail=trail)
        self.look = LookAtFence(
            endings=self.endings,
            journal=self.journal,
            trail=trail,
            signer=container.log_signer(),
            verify=ed25519_verify,
        )
        self.accept = AcceptLostEntries(
            journal=self.journal,
            trail=trail,
            restorations=PostgresRestorations(
                engine=container.keykeeper_engine(),
                sealing=container.evidence().for_operators,
                new_id=container.new_id(),
            ),
        )

    async def log_of_checkpoints(self, tenant_id: TenantId) -> Checkpoint:
        """As it is once it tells of all that is in this tenant's log."""
        integrate = self.container.integrate_entries()
        while (await integrate(tenant_id=tenant_id)).entries:
            pass
        await self.container.checkpoint_log().record()
        while (await integrate(tenant_id=LOG_OF_CHECKPOINTS)).entries:
            pass
        latest = await self.container.audit_trail().checkpoint(LOG_OF_CHECKPOINTS)
        assert latest is not None
        return open_checkpoint(latest.note, await self._key(), ed25519_verify)

    async def signed(self, checkpoint: Checkpoint) -> str:
        signature = await self.container.log_signer().sign(checkpoint.text.encode())
        return checkpoint.signed(await self._key(), signature)

    async def _key(self) -> VerifierKey:
        public_key = await self.container.log_signer().public_key()
        return VerifierKey(name=log_name(LOG_OF_CHECKPOINTS), public_key=public_key)


@pytest.fixture
def fenced(container: Container, tmp_path: Path) -> Fenced:
    return Fenced(container, tmp_path / "fence")


async def test_every_ending_is_in_the_journal_once_it_is_acknowledged(
    fenced: Fenced, container: Container, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    asha = await caller_in(tenant_id)
    for n in range(5):
        document = await add_text(container, asha, f"Erased, {n}.", "A heron")
        await container.erase_document()(caller=asha, document_id=document.id)
        journalled = await container.ending_journal().read()
        assert str(document.id) in {each.what for each in journalled}
    assert not (await container.look_at_fence()()).closed


async def test_what_is_under_way_while_others_are_kept_is_not_passed_over(
    fenced: Fenced, container: Container, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    """Ids and times are taken before a commit: whoever pages by them loses those that come late."""
    asha = await caller_in(tenant_id)
    slow, quick = [await add_text(container, asha, "Erased.", "A heron") for _ in range(2)]
    async with container.documents().begin(asha) as tx:
        found = await tx.document(slow.id, lock=True)
        assert found is not None
        await tx.erase(found)
        await container.erase_document()(caller=asha, document_id=quick.id)
        await fenced.keep()
        kept = {each.what for each in await fenced.journal.read()}
        assert str(quick.id) in kept
        assert str(slow.id) not in kept
    await fenced.keep()
    assert {str(slow.id), str(quick.id)} <= {each.what for each in await fenced.journal.read()}


async def test_many_at_once_are_kept_by_few_looks(fenced: Fenced) -> None:
    looks = 0

    class Counted:
        async def since(self, position: int) -> FoundEndings:
            nonlocal looks
            looks += 1
            await asyncio.sleep(0.01)
            return await fenced.endings.since(position)

    counted: Endings = Counted()
    keep = KeepEndings(
        endings=counted, journal=fenced.journal, trail=fenced.container.audit_trail()
    )
    await asyncio.gather(*(keep() for _ in range(200)))
    assert looks <= 2, "one that had begun, and one for all who came after"


async def test_a_journal_that_cannot_be_written_is_told_and_made_good(
    fenced: Fenced, container: Container, tenant_id: TenantId, caller_in: CallerIn, tmp_path: Path
) -> None:
    blocked = tmp_path / "fence"
    blocked.write_text("no directory")
    await fenced.keep()  # does not fail: what ended has ended
    assert fenced.keep.behind == "FileExistsError"
    with pytest.raises(FileExistsError):
        await fenced.keep.sweep()
    blocked.unlink()
    asha = await caller_in(tenant_id)
    document = await add_text(container, asha, "Erased.", "A heron")
    await container.erase_document()(caller=asha, document_id=document.id)
    assert await fenced.keep.sweep() > 0
    assert fenced.keep.behind is None
    assert str(document.id) in {each.what for each in await fenced.journal.read()}


async def test_each_redemption_of_a_link_is_kept_and_taken_again(
    container: Container, tenant_id: TenantId, caller_in: CallerIn, database: Database
) -> None:
    asha = await caller_in(tenant_id)
    document = await add_text(container, asha, "For two of three.", "A heron")
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
        actions=frozenset({Action.READ}),
        purpose=PERSONAL_USE,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    made = await container.share_by_link()(caller=asha, terms=terms, redemptions_max=3)
    assert made.token is not None
    for _ in range(2):
        await container.redeem_link()(token=made.token, pass_code=None, address="192.0.2.1")
    kept = await container.ending_journal().read()
    endings = [each for each in kept if each.what == str(made.link.id)]
    assert [each.detail for each in endings] == ["2", "1"]

    connection = await database.connect("postgres")
    try:  # as the backup has it
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "UPDATE share_links SET redemptions_left = 3 WHERE id = $1", made.link.id
        )
    finally:
        await connection.close()
    for each in reversed(endings):  # in whatever order
        await container.spent_tokens().end(each)
    link = await container.links().find(asha, made.link.id)
    assert link is not None
    assert link.redemptions_left == 1


async def test_lost_entries_of_the_log_close_it_until_that_is_accepted(
    fenced: Fenced, container: Container, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    await add_text(container, await caller_in(tenant_id), "So that there is an entry.", "A heron")
    latest = await fenced.log_of_checkpoints(tenant_id)
    await fenced.keep.sweep()
    assert not (await fenced.look()).closed
    for lost in (
        Checkpoint(origin=latest.origin, size=latest.size + 3, root=latest.root),
        Checkpoint(origin=latest.origin, size=latest.size, root=bytes(32)),
    ):
        await fenced.journal.keep_checkpoint(await fenced.signed(lost))
        fence = await fenced.look()
        assert fence.lost_entries
        assert fence.closed
        assert await fenced.accept(replayed={"consent": 2}) == latest.size
        assert not (await fenced.look()).closed
    events = await _restorations(container, tenant_id)
    assert events == 2, "the tenant's log tells of both"


async def test_a_checkpoint_of_somebody_else_is_not_believed(fenced: Fenced) -> None:
    note = await fenced.signed(Checkpoint(origin="elsewhere", size=3, root=bytes(32)))
    await fenced.journal.keep_checkpoint(note)
    with pytest.raises(JournalDamaged, match="none of ours"):
        await fenced.look()


async def _restorations(container: Container, tenant_id: TenantId) -> int:
    counted = select(func.count()).where(
        audit_events.c.tenant_id == tenant_id, audit_events.c.type == "restored"
    )
    async with transaction(container.engine(), tenant_id) as connection:
        return int((await connection.execute(counted)).scalar_one())


@pytest.mark.parametrize("where", ["a tenant of before", "a tenant of after"])
@pytest.mark.parametrize("kind", EndingKind)
async def test_what_ended_of_somebody_who_came_after_the_backup_closes_it_to_nobody(
    container: Container, tenant_id: TenantId, kind: EndingKind, where: str
) -> None:
    """They are nobody in it, and what was theirs is not there; the others want to be let in."""
    hashed = kind in (EndingKind.TOKEN, EndingKind.CLIENT_SECRET)
    detail = {EndingKind.KEY_VERSION: "1", EndingKind.LINK: "0"}.get(kind, str(uuid4()))
    later = Ending(
        id=uuid4(),
        tenant_id=tenant_id if where == "a tenant of before" else TenantId(uuid4()),
        kind=kind,
        what="ab" * 32 if hashed else str(uuid4()),
        by=PersonId(uuid4()),
        detail=detail,
        at=datetime.now(UTC),
    )
    await end_again(container, later)
    assert later.id in {each.id for each in (await container.endings().since(0)).endings}
