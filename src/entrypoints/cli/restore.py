"""After a restore: what ended since the backup was made is ended again, as it was ended before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from adapters.postgres.migrate import migrate
from application.audit.endings import Fence
from application.vault.keykeeper import NothingToRotate
from domain.audit.ending import Ending, EndingKind
from domain.errors import Conflict, NotAuthenticated, NotFound
from domain.identity import (
    Caller,
    CollectionId,
    ConsentId,
    ConversationId,
    DocumentId,
    PersonId,
    TenantId,
)
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.fence import told
from entrypoints.container import Container
from entrypoints.settings import Settings


async def status(settings: Settings) -> tuple[Sequence[str], bool]:
    """Lines to be read by a person, and whether the fence is open."""
    async with beside_a_server(settings) as container:
        await migrate(container.database())
        fence = await container.look_at_fence()()
    return _status(fence), not fence.closed


async def replay(settings: Settings, *, accept_lost_entries: bool) -> Sequence[str]:
    """Safe to repeat: whatever has ended already is left as it is."""
    async with beside_a_server(settings) as container:
        await migrate(container.database())
        look = container.look_at_fence()
        before = await look()
        if not before.closed:
            return _status(before)
        replayed = Counter(each.kind for each in before.missing)
        for ending in before.missing:
            await end_again(container, ending)
        sessions = await container.endings().end_every_session()
        lines = [f"ended again: {_counted(replayed)}", f"ended sessions: {sessions:,}"]
        if before.lost_entries and accept_lost_entries:
            size = await container.accept_lost_entries()(
                replayed={kind.value: count for kind, count in replayed.items()}
            )
            lines.append(f"the log goes on from {size:,} entries of the log of checkpoints")
        return [*lines, *_status(await look())]


async def end_again(container: Container, ending: Ending) -> None:
    """Whoever came after the backup was made is nobody in it, and has nothing there to end."""
    with suppress(NotAuthenticated):
        await _REPLAYS[ending.kind](container, ending)
    await container.endings().add(ending)


def _status(fence: Fence) -> Sequence[str]:
    lines = [f"the fence is {'closed' if fence.closed else 'open'}: {told(fence)}"]
    if fence.missing:
        lines += [
            f"missing: {_counted(Counter(each.kind for each in fence.missing))},"
            f" the first of {fence.missing[0].at:%Y-%m-%d %H:%M:%S} UTC",
            "`strongroom restore replay` ends them again",
        ]
    if fence.lost_entries:
        lines += [
            "whoever kept a newer checkpoint will find that the log does not continue it",
            "`strongroom restore replay --accept-lost-entries` has the log say so, and go on",
        ]
    return lines


def _counted(kinds: Mapping[EndingKind, int]) -> str:
    return ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items())) or "nothing"


# One for each kind. What is not in the backup, or has ended in it, needs no end.


async def _collection(container: Container, ending: Ending) -> None:
    with suppress(NotFound):
        await container.delete_collection()(
            caller=_whose(ending), collection_id=CollectionId(UUID(ending.what))
        )


async def _collection_item(container: Container, ending: Ending) -> None:
    with suppress(NotFound):
        await container.take_from_collection()(
            caller=_whose(ending),
            collection_id=CollectionId(UUID(ending.what)),
            document_id=DocumentId(UUID(ending.detail)),
        )


async def _consent(container: Container, ending: Ending) -> None:
    """Answers are hidden: what the tenant's policy was at the time, the backup may not know."""
    with suppress(NotFound, Conflict):
        await container.withdraw_consent()(
            caller=_whose(ending),
            consent_id=ConsentId(UUID(ending.what)),
            policy_applies=False,
        )


async def _conversation(container: Container, ending: Ending) -> None:
    with suppress(NotFound):
        await container.delete_conversation()(
            caller=_whose(ending), conversation_id=ConversationId(UUID(ending.what))
        )


async def _document(container: Container, ending: Ending) -> None:
    caller, document_id = _whose(ending), DocumentId(UUID(ending.what))
    async with container.documents().begin(caller) as tx:
        document = await tx.document(document_id)
    if document is not None:
        await container.erase_document()(caller=caller, document_id=document_id, kind=document.kind)


async def _key_version(container: Container, ending: Ending) -> None:
    """What was wrapped under it is moved on, by the server or by `strongroom keys`."""
    versions = await container.keykeeper().versions(ending.tenant_id)
    kind = "tenant" if ending.by is None else "subject"
    active = [
        each.version
        for each in versions
        if each.key == kind and each.subject_id == ending.by and each.active
    ]
    assert ending.detail is not None
    if active and active[0] > int(ending.detail):
        return
    with suppress(NothingToRotate):
        await container.keykeeper().rotate(ending.tenant_id, ending.by)


async def _person(container: Container, ending: Ending) -> None:
    await container.person_erasure().erase(_whose(ending))


async def _spent(container: Container, ending: Ending) -> None:
    await container.spent_tokens().end(ending)


_REPLAYS: Mapping[EndingKind, Callable[[Container, Ending], Awaitable[None]]] = {
    EndingKind.CLIENT: _spent,
    EndingKind.CLIENT_SECRET: _spent,
    EndingKind.COLLECTION: _collection,
    EndingKind.COLLECTION_ITEM: _collection_item,
    EndingKind.CONSENT: _consent,
    EndingKind.CONVERSATION: _conversation,
    EndingKind.DOCUMENT: _document,
    EndingKind.KEY_VERSION: _key_version,
    EndingKind.LINK: _spent,
    EndingKind.PERSON: _person,
    EndingKind.TOKEN: _spent,
}


def _whose(ending: Ending) -> Caller:
    assert ending.by is not None
    return Caller(tenant_id=TenantId(ending.tenant_id), person_id=PersonId(ending.by))
