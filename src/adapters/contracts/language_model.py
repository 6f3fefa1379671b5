"""What every LanguageModel keeps to. Subclass LanguageModelContract in a test module, and give one
fixture:

    class TestMyModel(LanguageModelContract):
        @pytest.fixture
        async def model(self) -> AsyncIterator[LanguageModel]:
            ...

The model must be able to answer QUESTION from EXCERPT, well or badly. The tests are coroutines: run
them with pytest-asyncio, `asyncio_mode = "auto"`.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import ClassVar
from unittest import SkipTest
from uuid import UUID

from application.chat.language_model import LanguageModel, ModelLimits, Piece, Quote, Spent, Text
from domain.chat.excerpt import Excerpt
from domain.chat.prompt import compose
from domain.identity import DocumentId, ReleaseId, VersionRef

SENTENCE = "The deposit of the flat is 2,500 euros."
QUESTION = "How much is the deposit of the flat?"
EXCERPT = Excerpt(
    id="e1",
    version=VersionRef(document_id=DocumentId(UUID(int=1)), version=1),
    start=0,
    end=len(SENTENCE),
    title="Lease",
    text=SENTENCE,
    score=1.0,
    release_id=ReleaseId(UUID(int=2)),
    grant_id=None,
)
PROMPT = compose(QUESTION, [], [EXCERPT])
LIMITS = ModelLimits(output_tokens_max=24)


class LanguageModelContract:
    """Uses the fixture `model`, of any scope; it is not closed here."""

    answer_seconds_max: ClassVar[float] = 120.0
    """Of one short answer, on a machine with other things to do."""

    keeps_output_limit: ClassVar[bool] = True
    """Declare False where an answer has its own length, whatever it may take."""

    async def test_it_has_a_name_that_can_be_shown(self, model: LanguageModel) -> None:
        assert 0 < len(model.name) <= 100
        assert model.name.isprintable()

    async def test_an_answer_is_text_and_says_at_its_end_what_it_took(
        self, model: LanguageModel
    ) -> None:
        pieces = await self._answer(model)
        texts = [piece.text for piece in pieces if isinstance(piece, Text)]
        assert "".join(texts).strip()
        assert all(texts), "an empty piece tells nobody anything"
        spent = [piece for piece in pieces if isinstance(piece, Spent)]
        if spent:
            assert pieces[-1] == spent[-1]
            assert 0 <= spent[-1].cached_tokens <= spent[-1].input_tokens
            assert (spent[-1].output_tokens > 0) == model.is_metered

    async def test_quotes_repeat_what_was_said_and_what_is_written(
        self, model: LanguageModel
    ) -> None:
        said = ""
        for piece in await self._answer(model):
            if isinstance(piece, Text):
                said += piece.text
            elif isinstance(piece, Quote):
                assert not model.marks_sources
                assert piece.excerpt_id == EXCERPT.id
                assert said.endswith(piece.quote)
                assert SENTENCE[piece.start : piece.end] == piece.quote

    async def test_an_answer_keeps_to_its_limit(self, model: LanguageModel) -> None:
        if not self.keeps_output_limit:
            raise SkipTest("this model does not declare that it keeps an output limit")
        pieces = await self._answer(model, ModelLimits(output_tokens_max=3))
        assert sum(len(piece.text.split()) for piece in pieces if isinstance(piece, Text)) <= 3

    async def test_an_answer_that_is_given_up_leaves_the_model_working(
        self, model: LanguageModel
    ) -> None:
        async with aclosing(model.stream(PROMPT, LIMITS)) as pieces:
            await anext(pieces)
        assert await self._answer(model)

    async def test_an_asker_who_goes_away_leaves_the_model_working(
        self, model: LanguageModel
    ) -> None:
        asking = asyncio.create_task(self._answer(model))
        await asyncio.sleep(0.02)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await self._answer(model)

    async def test_answers_at_the_same_time_do_not_mix(self, model: LanguageModel) -> None:
        both = await asyncio.gather(self._answer(model), self._answer(model))
        assert all(any(isinstance(piece, Text) for piece in pieces) for pieces in both)

    async def test_neither_question_nor_excerpt_is_in_what_it_shows_of_itself(
        self, model: LanguageModel
    ) -> None:
        await self._answer(model)
        shown = f"{model!r} {model}"
        assert QUESTION not in shown
        assert SENTENCE not in shown

    async def _answer(self, model: LanguageModel, limits: ModelLimits = LIMITS) -> list[Piece]:
        async with asyncio.timeout(self.answer_seconds_max):
            return [piece async for piece in model.stream(PROMPT, limits)]
