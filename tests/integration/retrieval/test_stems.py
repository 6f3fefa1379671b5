"""Words are cut here to what PostgreSQL's dictionaries cut them to, without asking it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.stemming.snowball import SnowballStems
from domain.language import ENGLISH
from domain.retrieval.stemming import SIMPLE, configuration_of
from domain.retrieval.words import Word, count_words
from tests.integration.retrieval.test_languages import DOCUMENTS

ROOT = Path(__file__).parents[3]
STOP_WORDS = dict(
    re.findall(r"^(\w+): (.+)$", (ROOT / "src/adapters/stemming/stop_words.txt").read_text(), re.M)
)
LEXEMES = text(
    "SELECT lexemes_of(:configuration, w, f) FROM unnest(CAST(:words AS text[]),"
    " CAST(:folded AS text[])) WITH ORDINALITY AS t (w, f, n) ORDER BY n"
)
STEMS = SnowballStems()


async def _of_the_database(
    engine: AsyncEngine, configuration: str, words: list[Word]
) -> list[list[str]]:
    values = {
        "configuration": configuration,
        "words": [each.text for each in words],
        "folded": [each.folded for each in words],
    }
    async with engine.connect() as connection:
        return [list(each) for each in (await connection.execute(LEXEMES, values)).scalars()]


@pytest.mark.parametrize("configuration", sorted(STOP_WORDS))
async def test_stop_words_are_those_of_the_server(engine: AsyncEngine, configuration: str) -> None:
    words = list(count_words(STOP_WORDS[configuration].replace("'", "")))
    ours = [list(STEMS.lexemes(configuration, each)) for each in words]
    assert ours == await _of_the_database(engine, configuration, words)
    assert sum(each == [] for each in ours) > 40


async def test_words_of_a_language_have_the_lexemes_that_the_server_gives_them(
    engine: AsyncEngine, figure: Callable[[str], None]
) -> None:
    pages = "\n".join(each.read_text() for each in sorted(ROOT.glob("*.md")))
    differing, asked = [], 0
    for configuration, said in [
        (configuration_of(ENGLISH), pages),
        (SIMPLE, pages),
        *((configuration_of(each), said) for each, said in DOCUMENTS.items()),  # type: ignore[arg-type]
    ]:
        words = list(count_words(said))
        theirs = await _of_the_database(engine, configuration, words)
        asked += len(words)
        differing += [
            (configuration, word.text, lexemes)
            for word, lexemes in zip(words, theirs, strict=True)
            if list(STEMS.lexemes(configuration, word)) != lexemes
        ]
    figure(f"{len(differing)} of {asked} words have other lexemes: {differing[:20]}")
    assert len(differing) <= asked // 100


def test_a_stop_word_of_any_language_is_known_as_one() -> None:
    assert [STEMS.is_stop_word(Word(each, each)) for each in ("there", "nicht", "three")] == [
        True,
        True,
        False,
    ]
