"""What an erasure says that it left behind: ciphertext, and what the index still finds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.engine import Database, transaction
from adapters.postgres.index_probe import index_hits, index_probes
from adapters.postgres.vault import find_document
from tests.integration.retrieval.library import Library

SECTIONS = "# Herons\n\nA heron stood in the reeds.\n\n# Cedars\n\nA cedar stood on the hill."

_KEPT = """
    CREATE FUNCTION keep_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RETURN NULL;
    END $$;
    CREATE TRIGGER keep_{table} BEFORE DELETE ON {table} FOR EACH ROW
        EXECUTE FUNCTION keep_{table}();
"""


@asynccontextmanager
async def kept(database: Database, table: str) -> AsyncIterator[None]:
    """Whatever is deleted from this table stays."""
    connection = await database.connect("postgres")
    try:
        await connection.execute(_KEPT.format(table=table))
        yield
        await connection.execute(f"DROP FUNCTION keep_{table} CASCADE")
    finally:
        await connection.close()


async def test_ciphertext_is_counted_when_it_goes(library: Library) -> None:
    asha = await library.person()
    gone = await library.add(asha, SECTIONS)
    receipt = await library.container.erase_document()(caller=asha, document_id=gone.document_id)
    destroyed, residue = receipt.erasure.destroyed, receipt.erasure.residue
    assert (destroyed["blobs"], destroyed["blob_parts"]) == (2, 2)  # the file, and its text
    assert (residue["blobs"], residue["blob_parts"], residue["index_hits"]) == (0, 0, 0)
    assert receipt.erasure.index_probes > 3


@pytest.mark.parametrize("table", ["blob_parts", "postings", "passage_vectors"])
async def test_what_stays_is_in_the_residue(
    library: Library, database: Database, table: str
) -> None:
    asha = await library.person()
    gone = await library.add(asha, SECTIONS)
    async with kept(database, table):
        receipt = await library.container.erase_document()(
            caller=asha, document_id=gone.document_id
        )
    residue = {name for name, count in receipt.erasure.residue.items() if count}
    own = {"blob_parts": "blob_parts", "postings": "postings", "passage_vectors": "vectors"}
    in_the_index = set() if table == "blob_parts" else {"index_hits"}
    assert residue == {own[table]} | in_the_index


async def test_what_stays_is_found_among_many_that_say_the_same(
    library: Library, database: Database
) -> None:
    asha, ben = await library.person(), await library.person()
    section = "# Herons\n\nA heron stood in the reeds.\n\n"
    await library.add(ben, section * 900)
    gone = await library.add(asha, section * 6)
    async with kept(database, "passage_vectors"):
        receipt = await library.container.erase_document()(
            caller=asha, document_id=gone.document_id
        )
    assert receipt.erasure.residue["vectors"] == 1
    assert receipt.erasure.residue["index_hits"] == 1


async def test_a_person_who_goes_is_looked_for_like_each_of_their_documents(
    library: Library, database: Database
) -> None:
    """The receipt of a person says all that those of their documents would."""
    asha, people = await library.person(), library.container.person_erasure()
    one = await library.add(asha, SECTIONS)
    alone = await library.container.erase_document()(caller=asha, document_id=one.document_id)
    for _ in range(2):
        await library.add(asha, SECTIONS)
    async with kept(database, "postings"):
        gone = await people.erase(asha)
    assert gone is not None
    assert gone.index_probes == 2 * alone.erasure.index_probes
    assert gone.residue.keys() >= alone.erasure.residue.keys()
    assert {name for name, count in gone.residue.items() if count} == {"postings", "index_hits"}


async def test_the_probes_find_what_is_there(library: Library) -> None:
    asha = await library.person()
    ref = await library.add(asha, SECTIONS)
    async with transaction(library.engine, asha.tenant_id, asha.person_id) as connection:
        document = await find_document(connection, asha, ref.document_id, lock=True)
        assert document is not None
        probes = await index_probes(connection, asha, document)
        assert probes.words
        assert probes.vectors
        assert await index_hits(connection, asha, document, probes) >= probes.count
        assert await _sorts(connection)


async def _sorts(connection: AsyncConnection) -> bool:
    """What was set for the probes does not stay set for the rest of the transaction."""
    shown = (await connection.execute(text("SHOW enable_sort"))).scalar_one()
    return bool(shown == "on")


async def test_who_leaves_waits_for_what_is_being_indexed_and_neither_fails(
    library: Library, database: Database
) -> None:
    asha, people = await library.person(), library.container.person_erasure()
    theirs = await library.add(asha, SECTIONS)
    ingesting = await database.connect("postgres")
    try:
        async with ingesting.transaction():
            held = "SELECT 1 FROM documents WHERE tenant_id = $1 AND id = $2 FOR UPDATE"
            await ingesting.execute(held, asha.tenant_id, theirs.document_id)
            leaving = asyncio.create_task(people.erase(asha))
            await asyncio.sleep(0.3)  # it waits for the document by now
            referring = "SELECT 1 FROM people WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE"
            await ingesting.execute(referring, asha.tenant_id, asha.person_id)
        erased = await leaving
    finally:
        await ingesting.close()
    assert erased is not None
    assert erased.destroyed["documents"] == 1
