"""One of everything that is stored sealed, for one person, and how the application reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from application.vault.keep_records import RecordDetails
from domain.chat.question import Question
from domain.identity import (
    PERSONAL_USE,
    Action,
    Caller,
    CollectionId,
    ConversationId,
    DocumentId,
    RunId,
    VersionRef,
)
from domain.retrieval.query import SearchMode, SearchQuery
from domain.vault.document import IndexMode
from entrypoints.container import Container
from tests.integration.conftest import add_text, in_pieces, index

CHUNKS = 20
"""Of the long document: two parts of its blob, and more."""

Read = Callable[[], Awaitable[bytes]]


@dataclass
class Belongings:
    """`readers` by name; `opens` tells which of them open what a data key of a resource opens."""

    container: Container
    caller: Caller
    word: str
    long: DocumentId
    short: DocumentId
    sealed: DocumentId
    record: DocumentId
    collection: CollectionId
    conversation: ConversationId
    run: RunId
    release: UUID
    change: UUID
    totp: UUID
    readers: dict[str, Read] = field(default_factory=dict)
    opens: dict[tuple[UUID, str], str] = field(default_factory=dict)


async def belongings_of(container: Container, caller: Caller, word: str) -> Belongings:
    """`word` has five letters, so that everybody's things have the same lengths."""
    long = (await add_text(container, caller, _long(word, 1), f"Long {word}")).id
    await container.replace_content()(
        caller=caller,
        document_id=long,
        expected_version=1,
        content=in_pieces(_long(word, 2).encode()),
    )
    short = await add_text(container, caller, f"A {word} stood in the reeds.", f"Short {word}")
    await index(container, caller, short)
    sealed = await add_text(
        container, caller, f"Unseen slept a {word}.", f"Under seal {word}", IndexMode.SEALED
    )
    await index(container, caller, sealed)
    await container.declare_schema()(
        caller=caller, name=f"of_{word}", body={"type": "object"}, expected_version=None
    )
    record = await container.keep_records().add(
        caller=caller, content={"bird": word}, details=RecordDetails(schema_name=f"of_{word}")
    )
    collection = await container.add_collection()(caller=caller, title=f"All {word}")
    await container.put_in_collection()(
        caller=caller, collection_id=collection, document_id=short.id
    )
    *_, change = await container.audit_trail().own_events(caller, after=None, limit=200)
    started = await container.start_conversation()(caller=caller, title=f"About {word}")
    asked = await container.ask_question()(
        caller=caller,
        conversation_id=started.id,
        question=Question(text=f"Where did the {word} stand?", purpose=PERSONAL_USE),
    )
    await container.enrol_totp()(caller=caller)
    totp = await container.second_factors().find(caller)
    assert totp is not None
    release = await container.gate()(
        caller=caller, action=Action.READ, purpose=PERSONAL_USE, versions=[short.current.ref]
    )
    mine = Belongings(
        container, caller, word, long, short.id, sealed.id, record, collection, started.id,
        asked.run.id, release.id, change.event.id, totp.id,
    )  # fmt: skip
    _furnish_with_readers(mine)
    async with asyncio.timeout(20):
        await mine.readers["answer"]()
    return mine


def _furnish_with_readers(mine: Belongings) -> None:
    mine.readers |= {
        "old version": lambda: _content(mine, mine.long, version=1),
        "new version": lambda: _content(mine, mine.long, version=2),
        "newest": lambda: _content(mine, mine.long),
        "end of the new version": lambda: _content(mine, mine.long, version=2, from_the_end=7),
        "content": lambda: _content(mine, mine.short),
        "text": lambda: _content(mine, mine.short, text=True),
        "long title": lambda: _title(mine, mine.long),
        "title": lambda: _title(mine, mine.short),
        "record": lambda: _record(mine),
        "passage": lambda: _passage(mine, mine.short),
        "sealed passage": lambda: _passage(mine, mine.sealed),
        "collection": lambda: _collection(mine),
        "conversation": lambda: _conversation(mine),
        "messages": lambda: _messages(mine),
        "answer": lambda: _answer(mine),
        "totp": lambda: _totp(mine),
        "evidence": lambda: _evidence(mine),
        "body": lambda: _body(mine),
        "storing": lambda: _storing(mine),
    }
    mine.opens |= {
        (mine.long, "content 1"): "old version",
        (mine.long, "content 2"): "new version",
        (mine.long, "metadata 0"): "long title",
        (mine.short, "content 1"): "content",
        (mine.short, "metadata 0"): "title",
        (mine.short, "evidence 0"): "evidence",
        (mine.record, "content 1"): "record",
        (mine.record, "metadata 0"): "record",
        (mine.collection, "collection 0"): "collection",
        (mine.conversation, "conversation 0"): "conversation",
        (mine.totp, "totp 0"): "totp",
    }


def _long(word: str, number: int) -> str:
    line = f"Line {{:05}} of version {number} tells of a {word}.\n"
    lines = CHUNKS * 16 * 1024 // len(line.format(0)) + 1
    return "".join(line.format(each) for each in range(lines))


async def _content(
    mine: Belongings,
    document_id: DocumentId,
    *,
    version: int | None = None,
    text: bool = False,
    from_the_end: int | None = None,
) -> bytes:
    """Raises AssertionError for wrong bytes that were given out before something was noticed."""
    content = await mine.container.read_content()(
        caller=mine.caller,
        document_id=document_id,
        purpose=PERSONAL_USE,
        version=version,
        text=text,
    )
    start = 0 if from_the_end is None else max(0, content.length - from_the_end)
    told = b"version %d: " % content.version.version
    expected = _expected(mine, document_id, content.version)
    given = b""
    async for piece in content.read(start, content.length):
        if not expected.startswith(piece, start + len(given)):
            raise AssertionError("wrong bytes were given out")
        given += piece
    return told + given


def _expected(mine: Belongings, document_id: DocumentId, version: VersionRef) -> bytes:
    if document_id == mine.long:
        return _long(mine.word, version.version).encode()
    return f"A {mine.word} stood in the reeds.".encode()


async def _title(mine: Belongings, document_id: DocumentId) -> bytes:
    described = await mine.container.describe_document()(
        caller=mine.caller, document_id=document_id, purpose=PERSONAL_USE
    )
    return repr(described.description).encode()


async def _record(mine: Belongings) -> bytes:
    opened = await mine.container.read_record()(
        caller=mine.caller, record_id=mine.record, purpose=PERSONAL_USE
    )
    return f"{opened.title} {opened.content}".encode()


async def _passage(mine: Belongings, document_id: DocumentId) -> bytes:
    page = await mine.container.search()(
        caller=mine.caller,
        query=SearchQuery(
            text=mine.word,
            limit=9,
            mode=SearchMode.KEYWORD,
            purpose=PERSONAL_USE,
            document_ids=frozenset({document_id}),
        ),
    )
    return " ".join(f"{each.passage.title} {each.passage.text}" for each in page.hits).encode()


async def _collection(mine: Belongings) -> bytes:
    described = await mine.container.describe_collections().one(
        caller=mine.caller, collection_id=mine.collection
    )
    return described.title.encode()


async def _storing(mine: Belongings) -> bytes:
    """Something new takes one's own key, to wrap its key with."""
    await mine.container.add_collection()(caller=mine.caller, title="New")
    return b"stored"


async def _conversation(mine: Belongings) -> bytes:
    opened = await mine.container.read_conversations().one(
        caller=mine.caller, conversation_id=mine.conversation
    )
    return opened.title.encode()


async def _messages(mine: Belongings) -> bytes:
    opened = await mine.container.read_conversations().messages(
        caller=mine.caller, conversation_id=mine.conversation, after=0, limit=9
    )
    return " / ".join(f"{each.message.role} {each.content}" for each in opened).encode()


async def _answer(mine: Belongings) -> bytes:
    """The events of the run as they are stored: it is over."""
    events = await mine.container.follow_run()(caller=mine.caller, run_id=mine.run, after=0)
    return "\n".join([f"{each.number} {each.type} {each.told}" async for each in events]).encode()


async def _totp(mine: Belongings) -> bytes:
    found = await mine.container.second_factors().find(mine.caller)
    assert found is not None
    return (await mine.container.time_codes().open(mine.caller, found)).encode()


async def _evidence(mine: Belongings) -> bytes:
    found = await mine.container.audit_trail().entries(mine.caller, [mine.release])
    return found[mine.release].event.resources[0].evidence or b""


async def _body(mine: Belongings) -> bytes:
    found = await mine.container.audit_trail().entries(mine.caller, [mine.change])
    return found[mine.change].body or b""
