"""What a superuser moves about without touching a sealed byte: columns that say what it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from tests.integration.vault.belongings import Belongings


@dataclass(frozen=True, slots=True)
class Swap:
    """Of a column between two rows, each held by a condition; `via` where values are unique."""

    table: str
    column: str
    one: str
    two: str
    via: Any = None


@dataclass(frozen=True, slots=True)
class Move:
    """Statements and swaps, after which the reader finds nothing, or notices."""

    what: str
    reader: str
    steps: tuple[str | Swap, ...]


def moves(asha: Belongings, bela: Belongings, cora: Belongings) -> Iterator[Move]:
    """`asha` and `bela` are of one tenant, `cora` of another."""
    for other in (bela, cora):
        yield from _keys(asha, other)
        yield from _values(asha, other)
    yield from _versions(asha)
    yield from _parts(asha)
    yield from _places(asha)
    yield from _owners(asha, bela)
    yield _moved_in(asha, cora)


def _keys(asha: Belongings, other: Belongings) -> Iterator[Move]:
    for kind, name, reader in (
        ("metadata", "short", "title"),
        ("content", "record", "record"),
        ("collection", "collection", "collection"),
        ("conversation", "conversation", "messages"),
        ("totp", "totp", "totp"),
    ):
        both = [f"kind = '{kind}' AND resource_id = '{getattr(e, name)}'" for e in (asha, other)]
        yield _swap(reader, "data_keys", "wrapped", *both)
        yield _swap(reader, "data_keys", "wrapping_key_id", *both)
    subjects = [f"subject_id = '{each.caller.person_id}'" for each in (asha, other)]
    yield _swap("title", "wrapping_keys", "wrapped", *subjects)
    if other.caller.tenant_id == asha.caller.tenant_id:
        yield _swap("storing", "wrapping_keys", "subject_id", *subjects, via=uuid4())
    else:
        tenants = [
            f"subject_id IS NULL AND tenant_id = '{each.caller.tenant_id}'"
            for each in (asha, other)
        ]
        yield _swap("title", "wrapping_keys", "wrapped", *tenants)


def _values(asha: Belongings, other: Belongings) -> Iterator[Move]:
    """Each in the place of the same thing of somebody else."""
    for table, column, name, reader in (
        ("documents", "sealed_metadata", "short", "title"),
        ("documents", "sealed_metadata", "record", "record"),
        ("collections", "sealed_title", "collection", "collection"),
        ("conversations", "sealed_title", "conversation", "conversation"),
        ("totp", "sealed_secret", "totp", "totp"),
    ):
        both = [f"id = '{getattr(each, name)}'" for each in (asha, other)]
        yield _swap(reader, table, column, *both)
    for table, column, condition, reader in (
        ("versions", "content_blob_id", "document_id = '{0.long}' AND version = 1", "old version"),
        ("versions", "text_blob_id", "document_id = '{0.short}'", "text"),
        ("passages", "sealed_text", "document_id = '{0.short}'", "passage"),
        ("sealed_index", "sealed_entries", "document_id = '{0.sealed}'", "sealed passage"),
        ("messages", "sealed_content", "conversation_id = '{0.conversation}' AND sequence = 1",
         "messages"),
        ("run_events", "sealed_data", "run_id = '{0.run}' AND number = 2", "answer"),
        ("audit_openings", "sealed_evidence", "event_id = '{0.release}'", "evidence"),
        ("audit_openings", "key_id", "event_id = '{0.release}'", "evidence"),
        ("audit_bodies", "sealed_body", "event_id = '{0.change}'", "body"),
        ("audit_bodies", "key_id", "event_id = '{0.change}'", "body"),
    ):  # fmt: skip
        yield _swap(reader, table, column, condition.format(asha), condition.format(other))
    people = [f"person_id = '{each.caller.person_id}'" for each in (asha, other)]
    yield _swap("totp", "totp", "id", *people)


def _versions(asha: Belongings) -> Iterator[Move]:
    of_long = f"document_id = '{asha.long}' AND version = "
    keys = f"kind = 'content' AND resource_id = '{asha.long}' AND version = "
    for reader in ("old version", "new version"):
        both = f"{of_long}1", f"{of_long}2"
        yield _swap(reader, "versions", "content_blob_id", *both)
        yield _swap(reader, "versions", "version", *both, via=9)
        yield _swap(reader, "data_keys", "version", f"{keys}1", f"{keys}2", via=9)
        yield _swap(reader, "data_keys", "wrapped", f"{keys}1", f"{keys}2")
    old = f"SELECT {{}} FROM {{}} WHERE {of_long}1"
    rolled_back = (
        f"UPDATE versions SET content_blob_id = ({old.format('content_blob_id', 'versions')})"
        f" WHERE {of_long}2",
        f"UPDATE data_keys SET wrapped = (SELECT wrapped FROM data_keys WHERE {keys}1)"
        f" WHERE {keys}2",
    )
    yield Move("the key and the content of the version before", "new version", rolled_back)
    yield Move("the content of the version before", "new version", rolled_back[:1])
    yield Move("the key of the version before", "new version", rolled_back[1:])
    short = f"document_id = '{asha.short}'"
    text_as_content = f"UPDATE versions SET content_blob_id = text_blob_id WHERE {short}"
    yield Move("the text as the content", "content", (text_as_content,))
    content_as_text = f"UPDATE versions SET text_blob_id = content_blob_id WHERE {short}"
    yield Move("the content as the text", "text", (content_as_text,))


def _parts(asha: Belongings) -> Iterator[Move]:
    """Of the blob of the second version: its parts, and how long it is said to be."""
    blob = f"SELECT content_blob_id FROM versions WHERE document_id = '{asha.long}' AND version = 2"
    parts = f"blob_id = ({blob})"
    first, second = f"{parts} AND start = 0", f"{parts} AND start = 262144"
    yield _swap("new version", "blob_parts", "start", first, second, via=-1)
    for reader in ("new version", "end of the new version"):
        yield Move("without its second part", reader, (f"DELETE FROM blob_parts WHERE {second}",))
        yield Move("without its first part", reader, (f"DELETE FROM blob_parts WHERE {first}",))
        twice = f"UPDATE blob_parts SET bytes = (SELECT bytes FROM blob_parts WHERE {first})"
        yield Move("its first part twice", reader, (f"{twice} WHERE {second}",))
        for length in (
            "0", "1", "55", "56", "71", "72", "56 + 16400", "56 + 16400 + 16", "length - 1",
            "length - 16", "length - 16400", "length + 1", "length + 16", "length + 16400",
            f"{2**53}", f"{2**63 - 1}", "-1",
        ):  # fmt: skip
            told = f"UPDATE blobs SET length = {length} WHERE id = ({blob})"
            yield Move(f"a length of {length}", reader, (told,))


def _places(asha: Belongings) -> Iterator[Move]:
    """What is one's own in another place of one's own."""
    said = f"conversation_id = '{asha.conversation}' AND sequence = "
    yield _swap("messages", "messages", "id", f"{said}1", f"{said}2", via=uuid4())
    yield _swap("messages", "messages", "sealed_content", f"{said}1", f"{said}2")
    steps = f"run_id = '{asha.run}' AND number = "
    yield _swap("answer", "run_events", "number", f"{steps}2", f"{steps}3", via=-1)
    yield Move("another type", "answer", (
        f"UPDATE run_events SET type = 'text_delta' WHERE {steps}2",))  # fmt: skip
    yield Move("a title as a message", "messages", (
        "UPDATE messages SET sealed_content = (SELECT sealed_title FROM conversations"
        f" WHERE id = '{asha.conversation}') WHERE {said}1",))  # fmt: skip
    yield Move("a message as a title", "conversation", (
        "UPDATE conversations SET sealed_title = (SELECT sealed_content FROM messages"
        f" WHERE {said}1) WHERE id = '{asha.conversation}'",))  # fmt: skip
    passage = f"document_id = '{asha.short}'"
    yield Move("another place", "passage", (f"UPDATE passages SET ordinal = 1 WHERE {passage}",))
    entries = f"UPDATE sealed_index SET {{}} WHERE document_id = '{asha.sealed}'"
    for what, change in (
        ("entries of other passages", f"passages = ARRAY(SELECT id FROM passages WHERE {passage})"),
        ("entries of more passages", "passages = passages || passages"),
        ("entries at another place", "first_ordinal = 1"),
    ):
        yield Move(what, "sealed passage", (entries.format(change),))
    hidden = f"document_id = '{asha.sealed}'"
    yield Move("a sealed passage at another place", "sealed passage", (
        f"UPDATE passages SET ordinal = 1 WHERE {hidden}",))  # fmt: skip
    yield _swap("title", "data_keys", "kind", f"kind = 'metadata' AND resource_id = '{asha.short}'",
                f"kind = 'content' AND resource_id = '{asha.short}'")  # fmt: skip
    subject = f"subject_id = '{asha.caller.person_id}'"
    yield Move("another version of a key", "title", (
        f"UPDATE wrapping_keys SET version = 2 WHERE {subject}",))  # fmt: skip
    opening = f"event_id = '{asha.release}'"
    yield Move("another version of a document", "evidence", tuple(
        f"UPDATE {table} SET version = 2 WHERE {opening}"
        for table in ("audit_openings", "audit_resources")))  # fmt: skip
    ids = [f"id = '{each}'" for each in (asha.short, asha.long)]
    yield _swap("title", "documents", "id", *ids, via=uuid4())


def _owners(asha: Belongings, bela: Belongings) -> Iterator[Move]:
    """Bela's things said to be Asha's, in the place of hers."""
    hers, mine = bela.caller.person_id, asha.caller.person_id
    for table, name, readers in (
        ("documents", "short", ("title", "content", "text", "passage")),
        ("documents", "record", ("record",)),
        ("collections", "collection", ("collection",)),
        ("conversations", "conversation", ("conversation", "messages")),
    ):
        one, two = getattr(asha, name), getattr(bela, name)
        for reader in readers:
            away = f"UPDATE {table} SET owner_id = '{hers}' WHERE id = '{one}'"
            yield Move(f"the owner of {table}", reader, (away,))
            keys = f"UPDATE data_keys SET owner_id = '{hers}' WHERE resource_id = '{one}'"
            yield Move("the owner of keys", reader, (keys,))
        yield Move(f"{table} of somebody else under one's own id", readers[0], (
            Swap(table, "id", f"id = '{one}'", f"id = '{two}'", via=uuid4()),
            f"UPDATE {table} SET owner_id = '{mine}' WHERE id = '{one}'",
            Swap("data_keys", "resource_id", f"resource_id = '{one}'", f"resource_id = '{two}'",
                 via=uuid4()),
            f"UPDATE data_keys SET owner_id = '{mine}' WHERE resource_id = '{one}'",
        ))  # fmt: skip


def _moved_in(asha: Belongings, cora: Belongings) -> Move:
    """All rows of the other tenant in the place of one's own, with their keys."""
    away, here, spare = cora.caller.tenant_id, asha.caller.tenant_id, uuid4()
    tables = ("documents", "versions", "data_keys", "blobs", "blob_parts", "wrapping_keys")
    steps: list[str | Swap] = []
    for old, new in ((here, spare), (away, here)):
        steps += [
            f"UPDATE {each} SET tenant_id = '{new}' WHERE tenant_id = '{old}'" for each in tables
        ]
    steps += [
        f"UPDATE {table} SET {column} = '{mine}' WHERE {column} = '{theirs}'"
        for table, column, mine, theirs in (
            ("documents", "owner_id", asha.caller.person_id, cora.caller.person_id),
            ("data_keys", "owner_id", asha.caller.person_id, cora.caller.person_id),
            ("wrapping_keys", "subject_id", asha.caller.person_id, cora.caller.person_id),
            ("documents", "id", asha.short, cora.short),
            ("versions", "document_id", asha.short, cora.short),
            ("data_keys", "resource_id", asha.short, cora.short),
        )
    ]
    return Move("a whole tenant in the place of another", "title", tuple(steps))


def _swap(reader: str, table: str, column: str, one: str, two: str, via: Any = None) -> Move:
    return Move(f"{table}.{column}, swapped", reader, (Swap(table, column, one, two, via),))
