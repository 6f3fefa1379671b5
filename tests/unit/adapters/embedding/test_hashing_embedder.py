"""The embedder for unit tests keeps the contract of the real ones."""

from __future__ import annotations

import pytest

from adapters.contracts.embedder import EmbedderContract, closeness
from adapters.embedding.hashing import HashingEmbedder


class TestHashingEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self) -> HashingEmbedder:
        return HashingEmbedder()


async def test_texts_that_share_words_are_closer_than_texts_that_do_not() -> None:
    query, sharing, other = await HashingEmbedder().embed_passages(
        ["the notice period", "A notice PERIOD of three months", "photosynthesis in algae"]
    )
    assert closeness(query, sharing) > closeness(query, other) + 0.2


async def test_its_vectors_are_the_same_on_every_machine() -> None:
    vector = await HashingEmbedder(dimensions=4).embed_query("one two three")
    assert [round(number, 3) for number in vector] == [0.004, 0.447, 0.0, -0.894]
