"""That an answer cited a document counts in the searches of whoever asked, and in nobody else's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from adapters.inprocess.excerpts import SearchedExcerpts
from adapters.models.extractive import ExtractiveModel
from adapters.postgres.features import PostgresFeatureHistory
from domain.identity import Action, Caller, DocumentId
from domain.retrieval.query import SearchQuery
from tests.integration.chat.conftest import OpenChat
from tests.integration.retrieval.library import Library

LEASE = "The monthly rent of the harbour flat is 1,250 euros, due on the first day."


async def test_a_citation_counts_for_the_asker_alone_and_goes_with_the_answer(
    library: Library, open_chat: OpenChat
) -> None:
    asha, ben, cem = [await library.person() for _ in range(3)]
    lease = await library.add(asha, LEASE, title="Lease")
    for person in (ben, cem):
        await library.share(
            asha, lease, person, purpose="research", actions=(Action.QUOTE, Action.SEARCH)
        )
    chat = await open_chat(
        ExtractiveModel(),
        source=SearchedExcerpts(search=library.container.search()),
        keyring=library.container.key_service(),
    )
    before = [await _counted(library, person) for person in (asha, ben, cem)]
    asked = await chat.ask(ben, None, "How much is the monthly rent?")
    await chat.events(ben, asked.run.id)
    assert before == [0, 0, 0]
    assert [await _counted(library, person) for person in (asha, ben, cem)] == [0, 1, 0]

    history = PostgresFeatureHistory(engine=library.engine, settled_after=timedelta())
    told = await history.page(asha, as_of=await history.latest(), after=None, limit=10)
    assert [each.features.citations for each in told] == [0]  # whose it is does not learn of it

    erased = await library.container.erase_document()(caller=asha, document_id=lease.document_id)
    assert erased.erasure.destroyed["citations"] == 0  # the answer was taken back before
    assert await _cited(library, lease.document_id) == 0


async def test_a_citation_of_ones_own_is_told_until_the_conversation_is_deleted(
    library: Library, open_chat: OpenChat
) -> None:
    asha = await library.person()
    lease = await library.add(asha, LEASE, title="Lease")
    chat = await open_chat(
        ExtractiveModel(),
        source=SearchedExcerpts(search=library.container.search()),
        keyring=library.container.key_service(),
    )
    for _ in range(2):
        asked = await chat.ask(asha, None, "How much is the monthly rent?")
        await chat.events(asha, asked.run.id)
    assert await _counted(library, asha, purpose="personal_use") == 2
    history = PostgresFeatureHistory(engine=library.engine, settled_after=timedelta())
    told = await history.page(asha, as_of=await history.latest(), after=None, limit=10)
    assert [each.features.citations for each in told] == [2]
    delete = library.container.delete_conversation()
    await delete(caller=asha, conversation_id=asked.run.conversation_id)
    assert await _cited(library, lease.document_id) == 1


async def _counted(library: Library, caller: Caller, purpose: str = "research") -> int:
    """How often what the person finds was cited, as ranking is told."""
    search: Any = replace(library.container.search(), feature_weights={"citations": 0.5})
    found = await search.passages.candidates(
        caller,
        SearchQuery(text="monthly rent", purpose=purpose),
        Action.SEARCH,
        words="monthly rent",
        vector=None,
        model="none",
        features=True,
    )
    return sum(each.citations for each in found.features.values())


async def _cited(library: Library, document_id: DocumentId) -> int:
    rows = await library.run(
        "SELECT count(*) FROM citations WHERE tenant_id = :tenant AND document_id = :document",
        document=document_id,
    )
    return int(rows[0].count)
