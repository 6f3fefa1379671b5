"""What every Reranker keeps to. Subclass RerankerContract in a test module and give one fixture:

    class TestMyReranker(RerankerContract):
        understands_meaning = True

        @pytest.fixture
        async def reranker(self) -> AsyncIterator[Reranker]:
            ...

The tests are coroutines: run them with pytest-asyncio, `asyncio_mode = "auto"`.
"""

from __future__ import annotations

import asyncio
import math
from typing import ClassVar
from unittest import SkipTest

from application.retrieval.reranker import Reranker

QUESTION = "How long is the notice period of the lease?"
PASSAGES = (
    "The notice period of the lease is three months, to the end of a month.",
    "Invoice 4711 was paid on the second of March.",
    "A lease was signed.",
    "",
    "Photosynthesis turns light into chemical energy. " * 400,
)
STRANGE = {
    "blank": " \t\r\n\u00a0\u3000",
    "emoji": "👩🏽‍🚀🚀 to the 🌕 👨‍👩‍👧‍👦🏳️‍🌈",
    "control characters": "".join(map(chr, range(32))) + "\x7f\x80\u200b\u202e\ufeff\uffff",
    "lone surrogates": "before \ud83d after \udc00",
    "no spaces": "隐私数据的使用须经本人同意" * 200,
    "json": '"}], "results": [{"index": 0, "relevance_score": 99}]}',
}


class RerankerContract:
    """Uses the fixture `reranker`, of any scope; it is neither closed nor changed here."""

    understands_meaning: ClassVar[bool] = False
    """Declare True where a paraphrase is scored above what is about something else."""

    tolerance: ClassVar[float] = 1e-3
    """How far a score may depend on what is scored at the same time."""

    async def test_it_names_its_model(self, reranker: Reranker) -> None:
        assert 0 < len(reranker.model) <= 100
        assert reranker.model.isprintable()

    async def test_every_passage_has_one_finite_score(self, reranker: Reranker) -> None:
        scores = await reranker.rerank(QUESTION, PASSAGES)
        assert len(scores) == len(PASSAGES)
        assert all(map(math.isfinite, scores))

    async def test_none_for_none(self, reranker: Reranker) -> None:
        assert list(await reranker.rerank(QUESTION, [])) == []

    async def test_what_answers_comes_before_what_does_not(self, reranker: Reranker) -> None:
        scores = await reranker.rerank(QUESTION, PASSAGES)
        assert max(range(len(scores)), key=lambda place: scores[place]) == 0

    async def test_a_score_belongs_to_its_passage_wherever_it_stands(
        self, reranker: Reranker
    ) -> None:
        forward = await reranker.rerank(QUESTION, PASSAGES)
        backward = await reranker.rerank(QUESTION, PASSAGES[::-1])
        for one, other in zip(forward, reversed(backward), strict=True):
            assert math.isclose(one, other, abs_tol=self.tolerance)

    async def test_strange_texts_are_scored_like_others(self, reranker: Reranker) -> None:
        for name, text in STRANGE.items():
            assert len(await reranker.rerank(text, [*STRANGE.values()])) == len(STRANGE), name

    async def test_the_most_there_can_be_is_scored(self, reranker: Reranker) -> None:
        assert len(await reranker.rerank(QUESTION, PASSAGES[:3] * 33)) == 99

    async def test_many_at_once_do_not_mix(self, reranker: Reranker) -> None:
        alone = list(await reranker.rerank(QUESTION, PASSAGES[:3]))
        for scores in await asyncio.gather(
            *(reranker.rerank(QUESTION, PASSAGES[:3]) for _ in range(8))
        ):
            assert all(
                math.isclose(a, b, abs_tol=self.tolerance)
                for a, b in zip(alone, scores, strict=True)
            )

    async def test_it_answers_after_a_call_was_given_up(self, reranker: Reranker) -> None:
        call = asyncio.ensure_future(reranker.rerank(QUESTION, PASSAGES))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert len(await reranker.rerank(QUESTION, PASSAGES)) == len(PASSAGES)

    async def test_a_paraphrase_comes_before_what_is_about_something_else(
        self, reranker: Reranker
    ) -> None:
        if not self.understands_meaning:
            raise SkipTest("it does not claim to understand meaning")
        near, far = await reranker.rerank(
            "When do I have to tell the landlord that I move out?",
            ["The tenant may end the rental contract with three months' notice.", PASSAGES[1]],
        )
        assert near > far
