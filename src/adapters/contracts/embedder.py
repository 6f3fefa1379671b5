"""What every Embedder keeps to. Subclass EmbedderContract in a test module and give one fixture:

    class TestMyEmbedder(EmbedderContract):
        understands_meaning = True

        @pytest.fixture
        async def embedder(self) -> AsyncIterator[Embedder]:
            ...

The tests are coroutines: run them with pytest-asyncio, `asyncio_mode = "auto"`.
"""

from __future__ import annotations

import asyncio
import math
from typing import ClassVar
from unittest import SkipTest

from application.retrieval.embedder import Embedder, Vector

TEXTS = (
    "The tenant may end the lease with three months' notice.",
    "Invoice 4711 was paid on the second of March.",
    "Photosynthesis turns light into chemical energy, in plants, algae and some bacteria. " * 12,
    "ok",
    "",
    "Der Mietvertrag kann mit einer Frist von drei Monaten gekündigt werden.",
)

STRANGE_TEXTS = {
    "empty": "",
    "blank": " \t\r\n\u00a0\u3000",
    "emoji": "👩🏽‍🚀🚀 to the 🌕 👨‍👩‍👧‍👦🏳️‍🌈",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\u200b\u202e\ufeff\uffff",
    "lone surrogates": "before \ud83d after \udc00",
    "no spaces": "隐私数据的使用须经本人同意" * 200,
    "one endless word": "a" * 100_000,
    "a megabyte": "A quiet sentence that goes on. " * 34_000,
}


class EmbedderContract:
    """Uses the fixture `embedder`, of any scope; it is neither closed nor changed here."""

    understands_meaning: ClassVar[bool] = False
    """Declare True where paraphrases in English are closer than unrelated sentences."""

    neighbour_tolerance: ClassVar[float] = 1e-2
    """How far, as 1 - cosine, a vector may depend on what is embedded at the same time."""

    async def test_it_names_its_model_and_its_dimensions(self, embedder: Embedder) -> None:
        assert 0 < len(embedder.model) <= 100
        assert embedder.model.isprintable()
        assert embedder.dimensions >= 2

    async def test_every_vector_has_its_dimensions_and_unit_length(
        self, embedder: Embedder
    ) -> None:
        for vector in await embedder.embed_passages(TEXTS):
            _assert_well_formed(vector, embedder)
        _assert_well_formed(await embedder.embed_query("when?"), embedder)

    async def test_the_same_text_has_the_same_vector(self, embedder: Embedder) -> None:
        first, second = [await embedder.embed_passages(TEXTS) for _ in range(2)]
        for one, other in zip(first, second, strict=True):
            assert closeness(one, other) > 1 - 1e-5
        query, again = [await embedder.embed_query(TEXTS[0]) for _ in range(2)]
        assert closeness(query, again) > 1 - 1e-5

    async def test_vectors_come_in_the_order_of_the_texts_whatever_their_neighbours(
        self, embedder: Embedder
    ) -> None:
        alone = [(await embedder.embed_passages([text]))[0] for text in TEXTS]
        many = 17
        together = await embedder.embed_passages(TEXTS * many)
        assert len(together) == len(TEXTS) * many
        for one, other in zip(alone * many, together, strict=True):
            assert closeness(one, other) > 1 - self.neighbour_tolerance

    async def test_calls_at_the_same_time_do_not_mix(self, embedder: Embedder) -> None:
        alone = [await embedder.embed_query(text) for text in TEXTS]
        passages = asyncio.create_task(_embed_many(embedder))
        queries = await asyncio.gather(*(embedder.embed_query(text) for text in TEXTS))
        await passages
        for one, other in zip(alone, queries, strict=True):
            assert closeness(one, other) > 1 - self.neighbour_tolerance

    async def test_no_texts_have_no_vectors(self, embedder: Embedder) -> None:
        assert len(await embedder.embed_passages([])) == 0

    async def test_any_string_has_a_vector(self, embedder: Embedder) -> None:
        vectors = await embedder.embed_passages(list(STRANGE_TEXTS.values()))
        for name, vector in zip(STRANGE_TEXTS, vectors, strict=True):
            _assert_well_formed(vector, embedder, name)
        for name, text in STRANGE_TEXTS.items():
            _assert_well_formed(await embedder.embed_query(text), embedder, name)

    async def test_a_cancelled_call_leaves_it_working(self, embedder: Embedder) -> None:
        before = await embedder.embed_query(TEXTS[0])
        abandoned = asyncio.create_task(_embed_many(embedder))
        await asyncio.sleep(0.005)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        after = await embedder.embed_query(TEXTS[0])
        assert closeness(before, after) > 1 - self.neighbour_tolerance

    async def test_a_paraphrase_is_closer_than_something_unrelated(
        self, embedder: Embedder
    ) -> None:
        if not self.understands_meaning:
            raise SkipTest("this embedder does not declare that it understands meaning")
        query = await embedder.embed_query("How do I get out of my rental contract?")
        paraphrase, invoice, plants, *_ = await embedder.embed_passages(TEXTS)
        assert closeness(query, paraphrase) > closeness(query, invoice) + 0.1
        assert closeness(query, paraphrase) > closeness(query, plants) + 0.1


def closeness(one: Vector, other: Vector) -> float:
    """The cosine, of vectors that have unit length."""
    return math.fsum(a * b for a, b in zip(one, other, strict=True))


async def _embed_many(embedder: Embedder) -> None:
    await embedder.embed_passages(TEXTS * 40)


def _assert_well_formed(vector: Vector, embedder: Embedder, name: str = "") -> None:
    assert vector.typecode == "f", name
    assert len(vector) == embedder.dimensions, name
    assert abs(math.sqrt(closeness(vector, vector)) - 1) < 1e-3, name
