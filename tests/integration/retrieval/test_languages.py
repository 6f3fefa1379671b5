"""Documents of any language are found by their words, and by whoever may see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.embedding.hashing import HashingEmbedder
from application.retrieval.meaning import Meanings
from domain.identity import Caller, VersionRef
from domain.language import ENGLISH, Language
from domain.retrieval.likeness import Rung
from domain.retrieval.query import SearchMode, SearchQuery
from domain.vault.document import IndexMode
from tests.integration.retrieval.library import Library

DOCUMENTS = {
    "de": "Die Mieter zahlen für die Häuser eine Kaution, und sie wird ihnen zurückgegeben.",
    "fr": "Les locataires ont versé une garantie pour les maisons, et elle est rendue au départ.",
    "ru": "Жильцы платят залог за квартиры, и его возвращают им при выезде из дома.",
    "hi": "किरायेदारों ने मकानों के लिए ज़मानत दी है और वह उन्हें वापस की जाती है।",
    "zh": "租客为房屋支付押金，退租时退还。",
    "ja": "借主は家のために敷金を払い、退去のときに返されます。",
    "th": "ผู้เช่าจ่ายเงินประกันสำหรับบ้าน และจะได้คืนเมื่อย้ายออก",
    "ko": "세입자는 집의 보증금을 내고 나갈 때 돌려받습니다.",
    "pl": "Najemcy płacą za domy kaucję i jest ona zwracana, gdy się wyprowadzają.",
    "en": "The tenants paid a security for their houses, and it is returned when they leave.",
}
# Other forms of the words than the documents have, where the language is stemmed.
QUESTIONS = {
    "de": "Haus und Mieterin",
    "fr": "locataire maison",
    "ru": "квартира",
    "hi": "मकान",
    "zh": "押金",
    "ja": "敷金",
    "th": "เงินประกัน",
    "ko": "보증금",
    "pl": "kaucję",
    "en": "tenant paying",
}


@pytest.mark.parametrize("language", QUESTIONS)
async def test_a_question_finds_the_document_of_its_language(
    library: Library, language: str
) -> None:
    asha = await library.person()
    refs = {name: await library.add(asha, text) for name, text in DOCUMENTS.items()}
    page = await library.search(asha, QUESTIONS[language], mode=SearchMode.KEYWORD)
    assert page.hits[0].passage.version == refs[language]


async def test_documents_of_every_language_answer_one_question(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    german = await library.add(asha, "Die Panthers und die Broncos spielten in der Stadt.")
    chinese = await library.add(asha, "黑豹队 (Panthers) 的防守只丢了分。")
    english = await library.add(ben, "The Panthers played in the city.")
    await library.share(ben, english, asha)
    found = await library.found(asha, "panthers", mode=SearchMode.KEYWORD)
    assert found == {each.document_id for each in (german, chinese, english)}


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("My résumé lies in the café.", "resume cafe"),
        ("My resume lies in the cafe.", "résumé café"),
        ("Les élèves étudient à l'université pour être des médecins.", "eleves medecins"),
        ("Pan Łukasz jest w Łodzi, a jego dom się do tego nie nadaje.", "lukasz lodzi"),
        ("Die Müllerin aus Köln und der Bäcker sind nicht von hier.", "mullerin backer"),
        ("किसान ने ज़मीन और चाँद को देखा है और वह हिन्दी में बोला।", "जमीन हिंदी"),
        ("Ёлка и ёж — это зимой, но не летом.", "елка"),
    ],
)
async def test_accents_make_no_difference(library: Library, written: str, asked: str) -> None:
    asha = await library.person()
    ref = await library.add(asha, written)
    await library.add(asha, "Something else altogether, for comparison.")
    for word in asked.split():
        assert ref.document_id in await library.found(asha, word, mode=SearchMode.KEYWORD), word


async def test_a_stop_word_of_one_language_is_not_precious_in_another(library: Library) -> None:
    asha = await library.person()
    for number in range(12):
        await library.add(asha, f"The deposit of flat {number} was paid by the tenants in full.")
    wanted = await library.add(asha, "The lift was repaired by the caretaker.")
    await library.add(asha, "Die Band The The spielt für die Mieter und ihre Gäste, wie sie sagen.")
    page = await library.search(asha, "the lift", mode=SearchMode.KEYWORD)
    assert page.hits[0].passage.version == wanted


async def test_what_the_owner_says_about_the_language_is_believed(library: Library) -> None:
    asha = await library.person()
    refs = [await library.hand_in(asha, "Kaution Miete Vertrag") for _ in range(2)]
    await library.run(
        "UPDATE documents SET language = 'de-AT' WHERE tenant_id = :tenant AND id = :id",
        id=refs[1].document_id,
    )
    for ref in refs:
        await library.index(asha, ref)
    assert [await _indexed_as(library, ref) for ref in refs] == [
        ("en", "english"),
        ("de-AT", "german"),
    ]
    found = await library.found(asha, "Mieten", mode=SearchMode.KEYWORD)
    assert found == {refs[1].document_id}


async def test_old_words_are_found_until_they_are_brought_up_to_date(library: Library) -> None:
    """As a document was indexed before there were languages: by PostgreSQL's parser, as English."""
    asha = await library.person()
    ref = await library.add(asha, DOCUMENTS["de"] + " Das Büro ist geschlossen.", title="Miete")
    new = await _postings(library, ref)
    await _as_before(library, asha, ref)
    assert await library.found(asha, "kaution", mode=SearchMode.KEYWORD)
    assert not await library.found(asha, "haus", mode=SearchMode.KEYWORD)
    reanalyse = library.container.reanalyse_versions()
    assert await reanalyse() >= 1
    assert await _postings(library, ref) == new
    assert await _indexed_as(library, ref) == ("de", "german")
    assert await library.found(asha, "haus", mode=SearchMode.KEYWORD)
    assert await library.found(asha, "buro", mode=SearchMode.KEYWORD)
    outdated = await library.container.word_index().outdated()
    assert ref not in [version for _, version in outdated]


async def test_a_document_that_was_erased_meanwhile_needs_no_new_words(library: Library) -> None:
    asha = await library.person()
    ref = await library.add(asha, DOCUMENTS["de"])
    index = library.container.word_index()
    attempt = await index.take_over(asha, ref)
    assert attempt is not None
    assert await index.take_over(await library.person(), ref) is None, "it is another's"
    later = await library.replace(asha, ref, DOCUMENTS["fr"])
    assert await index.take_over(asha, ref) is None
    await library.index(asha, later)
    assert await library.found(asha, "maison", mode=SearchMode.KEYWORD)


async def test_languages_of_what_is_hidden_change_no_byte_of_an_answer(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    await library.add(ben, DOCUMENTS["en"])
    before = await library.search(ben, "die the haus house 押金", limit=50)
    for text in DOCUMENTS.values():
        await library.add(asha, text)
    after = await library.search(ben, "die the haus house 押金", limit=50)
    assert [(hit.passage, hit.score) for hit in before.hits] == [
        (hit.passage, hit.score) for hit in after.hits
    ]
    assert (before.mode, before.degraded) == (after.mode, after.degraded)


async def test_what_the_embedder_does_not_read_is_ranked_by_its_words(library: Library) -> None:
    asha = await library.person()
    german = await library.add(asha, DOCUMENTS["de"])
    english = await library.add(asha, DOCUMENTS["en"])
    search = replace(library.container.search(), meanings=Meanings(embedder=_EnglishOnly()))
    page = await search(caller=asha, query=SearchQuery(text="Kaution house"))
    legs = {hit.passage.version: (hit.semantic, hit.keyword) for hit in page.hits}
    assert legs[german][0] is None
    assert legs[english][0] is not None
    assert page.mode is SearchMode.HYBRID
    assert [(each.step, each.reason) for each in page.degraded] == [
        ("semantic", "language_not_read")
    ]
    alone = SearchQuery(text="Kaution", document_ids=frozenset({german.document_id}))
    by_words = await search(caller=asha, query=alone)
    assert (by_words.mode, by_words.hits[0].score) == (SearchMode.KEYWORD, 1.0)
    by_meaning = await search(caller=asha, query=replace(alone, mode=SearchMode.SEMANTIC))
    assert len(by_meaning.hits) == 1, "whoever asks for meaning alone gets what there is"
    sealed = await library.add(asha, DOCUMENTS["de"], index_mode=IndexMode.SEALED)
    for ref in (german, sealed):
        alone = SearchQuery(
            text="Kaution",
            mode=SearchMode.SEMANTIC,
            document_ids=frozenset({ref.document_id}),
        )
        page = await search(caller=asha, query=alone)
        assert [hit.semantic is not None for hit in page.hits] == [True]
        assert [(each.step, each.reason) for each in page.degraded] == [
            ("semantic", "language_not_read")
        ]


@pytest.mark.parametrize("index_mode", [IndexMode.CLEAR, IndexMode.SEALED])
async def test_a_noun_of_one_syllable_is_found_with_its_particle(
    library: Library, index_mode: IndexMode
) -> None:
    asha = await library.person()
    ref = await library.add(asha, "우리는 오래된 집이 마음에 들었다.", index_mode=index_mode)
    page = await library.search(asha, "집", mode=SearchMode.KEYWORD)
    assert (page.rung, [hit.passage.version for hit in page.hits]) == (Rung.PREFIX, [ref])


class _EnglishOnly(HashingEmbedder):
    languages = frozenset({ENGLISH})


async def _indexed_as(library: Library, ref: VersionRef) -> tuple[Language, str]:
    (row,) = await library.run(
        "SELECT v.language, d.configuration FROM versions v JOIN documents d"
        " ON d.tenant_id = v.tenant_id AND d.id = v.document_id"
        " WHERE v.tenant_id = :tenant AND v.document_id = :document AND v.version = :version",
        document=ref.document_id,
        version=ref.version,
    )
    return row.language, row.configuration


async def _postings(library: Library, ref: VersionRef) -> list[tuple[str, int, int]]:
    rows = await library.run(
        "SELECT lexeme, frequency, length FROM postings"
        " WHERE tenant_id = :tenant AND document_id = :document ORDER BY lexeme, passage_id",
        document=ref.document_id,
    )
    return [tuple(row) for row in rows]


async def _as_before(library: Library, owner: Caller, ref: VersionRef) -> None:
    await library.run(
        "DELETE FROM postings WHERE tenant_id = :tenant AND document_id = :document",
        document=ref.document_id,
    )
    await library.run(
        "INSERT INTO postings"
        " SELECT p.tenant_id, :owner, l.lexeme, p.document_id, p.version, p.id,"
        "        cardinality(l.positions), 20"
        " FROM passages p CROSS JOIN unnest(to_tsvector('english', :words)) AS l"
        " WHERE p.tenant_id = :tenant AND p.document_id = :document",
        document=ref.document_id,
        owner=owner.person_id,
        words=f"Miete {DOCUMENTS['de']} Das Büro ist geschlossen.",
    )
    await library.run(
        "UPDATE documents SET configuration = 'english', analysis = 0"
        " WHERE tenant_id = :tenant AND id = :document",
        document=ref.document_id,
    )
