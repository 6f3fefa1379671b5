"""The extractive model quotes what answers, exactly, and says so."""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.models.extractive import ExtractiveModel
from application.chat.language_model import ModelLimits, Piece, Quote, Spent, Text
from domain.chat.citation import quoted
from domain.chat.excerpt import Excerpt
from domain.chat.prompt import compose
from domain.identity import DocumentId, ReleaseId, VersionRef

LEASE = (
    "This lease is made between Mara Olsen and Harbour Homes. The monthly rent is 1,250 euros. "
    "Rent is due on the first day of each month. The tenant may keep one cat. "
    "Either party may end the lease with three months' notice."
)
LETTER = (
    "Dear Mara, thank you for your letter. We received the deposit of 2,500 euros on 3 May 2021. "
    "The heating was repaired because the boiler had failed. Kind regards."
)


def excerpt(number: int, text: str, *, title: str = "Lease", score: float = 1.0) -> Excerpt:
    return Excerpt(
        id=f"e{number}",
        version=VersionRef(document_id=DocumentId(UUID(int=number)), version=1),
        start=100,
        end=100 + len(text.encode()),
        title=title,
        text=text,
        score=score,
        release_id=ReleaseId(UUID(int=9)),
        grant_id=None,
    )


async def said(
    question: str, excerpts: list[Excerpt], *, is_left_over: bool = False
) -> tuple[str, list[Quote]]:
    prompt = replace(compose(question, [], excerpts), is_left_over=is_left_over)
    pieces: list[Piece] = [piece async for piece in ExtractiveModel().stream(prompt, ModelLimits())]
    assert pieces[-1] == Spent(input_tokens=0, output_tokens=0)
    answer, quotes = "", []
    excerpts_by_id = {each.id: each for each in excerpts}
    for piece in pieces[:-1]:
        if isinstance(piece, Text):
            assert piece.text
            answer += piece.text
        elif isinstance(piece, Quote):
            assert answer.endswith(piece.quote)
            assert quoted(
                excerpts_by_id,
                piece.excerpt_id,
                start=piece.start,
                end=piece.end,
                quote=piece.quote,
                answer_start=0,
                answer_end=0,
            ).verified
            quotes.append(piece)
    return answer, quotes


ASKED = {
    "How much is the rent per month?": "The monthly rent is 1,250 euros.",
    "When did they receive the deposit?": "We received the deposit of 2,500 euros on 3 May 2021.",
    "Are cats allowed? May I keep a cat?": "The tenant may keep one cat.",
    "Why was the heating repaired?": "The heating was repaired because the boiler had failed.",
    "Who made the lease?": "This lease is made between Mara Olsen and Harbour Homes.",
    "How do I end the lease, and with what notice?": (
        "Either party may end the lease with three months' notice."
    ),
}


async def test_the_sentence_that_answers_is_quoted() -> None:
    excerpts = [excerpt(1, LEASE), excerpt(2, LETTER, title="Letter", score=0.5)]
    for question, sentence in ASKED.items():
        answer, quotes = await said(question, excerpts)
        assert sentence in [each.quote for each in quotes], question
        assert answer.startswith("From the passages you may see, word for word:\n\n“")
        assert f"“{sentence}” (" in answer


async def test_what_nothing_answers_is_said_plainly() -> None:
    answer, quotes = await said("What is the capital of Peru?", [excerpt(1, LEASE)])
    assert (answer, quotes) == ("Nothing that you may see answers this.", [])
    assert await said("What is the rent?", []) == (answer, [])


async def test_who_stands_in_for_others_shows_what_comes_closest_and_says_so() -> None:
    answer, quotes = await said("What about felines?", [excerpt(1, LEASE)], is_left_over=True)
    assert answer.startswith(
        "No language model could answer; these passages come closest, word for word:\n\n“"
    )
    assert quotes
    answer, quotes = await said("How much is the rent?", [excerpt(1, LEASE)], is_left_over=True)
    assert answer.startswith("From the passages you may see, word for word:\n\n“")
    answer, quotes = await said("What about felines?", [], is_left_over=True)
    assert (answer, quotes) == ("Nothing that you may see answers this.", [])


async def test_a_question_without_words_of_its_own_gets_the_beginning() -> None:
    _, quotes = await said("What is this about?", [excerpt(1, LEASE)])
    assert quotes[0].quote == "This lease is made between Mara Olsen and Harbour Homes."


async def test_the_same_sentence_from_overlapping_excerpts_is_quoted_once() -> None:
    _, quotes = await said("How much is the rent?", [excerpt(1, LEASE), excerpt(2, LEASE)])
    assert len({each.quote for each in quotes}) == len(quotes)


async def test_words_come_at_the_speed_that_was_set() -> None:
    model = ExtractiveModel(words_per_second=100)
    started = time.monotonic()
    pieces = [each async for each in model.stream(compose("Peru?", [], []), ModelLimits())]
    assert time.monotonic() - started >= (len(pieces) - 1) / 100


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(
            alphabet=st.one_of(
                st.characters(exclude_categories=["Cs"]), st.sampled_from(" .!?\nrent")
            ),
            min_size=1,
            max_size=300,
        ),
        max_size=4,
    ),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60),
)
async def test_whatever_the_text_every_quote_is_exact(contents: list[str], asked: str) -> None:
    excerpts = [excerpt(number, text) for number, text in enumerate(contents, start=1)]
    await said(f"rent {asked}", excerpts)
