"""The model that is always there: it quotes the sentences that answer, and says that it quotes.

No weights and no network. Sentences of the excerpts are compared with the question by the words
they share, rarer words counting more (inverse document frequency over the sentences at hand);
what kind of thing is asked for, the excerpt's own score and the place in it decide between equals.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from adapters.models.english_words import content_words, words_of
from application.chat.language_model import ModelLimits, Piece, Quote, Spent, Text
from domain.chat.answer import CLOSEST, INTRODUCTION, NOTHING_FOUND
from domain.chat.excerpt import Excerpt
from domain.chat.prompt import Prompt
from domain.retrieval.segments import sentences

SENTENCES_MAX = 4
SENTENCE_CHARACTERS_MAX = 600
COVERAGE_MIN = 0.3
RELATIVE_SCORE_MIN = 0.55
LIKENESS_MAX = 0.7

_WORD = re.compile(r"\S+\s*|\s+")
_PARAGRAPH = re.compile(r"(?:[^\n]|\n(?![ \t]*\n))+")
_NUMBER = re.compile(r"\d")
_YEAR_OR_DAY = re.compile(
    r"\b(?:1\d{3}|20\d{2})\b|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b"
    r"|\b\d{1,2}[:.]\d{2}\b|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
)
_NAME = re.compile(r"(?<=[a-z,;:] )[A-Z][a-z]+")
_HINTS = (
    (re.compile(r"\bhow (?:many|much|long|far|old|often|high|large|big)\b", re.I), _NUMBER),
    (re.compile(r"\b(?:when|what (?:year|date|day|time)|since when)\b", re.I), _YEAR_OR_DAY),
    (re.compile(r"\b(?:who|whose|whom|where|which (?:person|city|country))\b", re.I), _NAME),
    (re.compile(r"\bwhy\b", re.I), re.compile(r"\b(?:because|since|due to|so that)\b", re.I)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sentence:
    """Characters [start, end) of an excerpt."""

    excerpt: Excerpt
    start: int
    end: int
    words: frozenset[str]

    @property
    def text(self) -> str:
        return self.excerpt.text[self.start : self.end]

    @property
    def bytes_before(self) -> int:
        return len(self.excerpt.text[: self.start].encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractiveModel:
    """`LanguageModel`. `words_per_second` 0 is as fast as readers are served."""

    words_per_second: float = 0.0
    name: str = "extractive-1"
    marks_sources: bool = False
    is_metered: bool = False

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        chosen, frame = choose(prompt.sought, prompt.excerpts), INTRODUCTION
        if not chosen and prompt.is_left_over:  # another model might have found an answer in them
            chosen, frame = choose(prompt.sought, prompt.excerpts, coverage_min=0.0), CLOSEST
        async for word in self._words(frame if chosen else NOTHING_FOUND):
            yield word
        for sentence in chosen:
            async for word in self._words(f"\n\n“{sentence.text}"):
                yield word
            start = sentence.excerpt.start + sentence.bytes_before
            yield Quote(
                excerpt_id=sentence.excerpt.id,
                start=start,
                end=start + len(sentence.text.encode()),
                quote=sentence.text,
            )
            title = " ".join(sentence.excerpt.title.split())
            async for word in self._words(f"” ({title})" if title else "”"):
                yield word
        yield Spent(input_tokens=0, output_tokens=0)

    async def close(self) -> None:
        """There is nothing to release."""

    async def _words(self, text: str) -> AsyncGenerator[Text, None]:
        for word in _WORD.findall(text):
            if self.words_per_second:
                await asyncio.sleep(1 / self.words_per_second)
            yield Text(word)


def choose(
    question: str, excerpts: Sequence[Excerpt], *, coverage_min: float = COVERAGE_MIN
) -> Sequence[_Sentence]:
    """The sentences to quote: the best document's first, each document's in its own order.

    Each has at least such a part of what the question asks for, by its words.
    """
    candidates = [sentence for excerpt in excerpts for sentence in _sentences_of(excerpt)]
    wanted = content_words(question)
    if not wanted:  # "what is this about?": what stands first says it best
        return candidates[:2]
    scores = _scores(question, wanted, candidates, coverage_min)
    picked: list[_Sentence] = []
    best = max(scores.values(), default=0.0)
    for index in sorted(scores, key=lambda each: (-scores[each], each)):
        if len(picked) == SENTENCES_MAX or scores[index] < best * RELATIVE_SCORE_MIN:
            break
        if all(not _is_like(candidates[index], other) for other in picked):
            picked.append(candidates[index])
    documents = list(dict.fromkeys(each.excerpt.version for each in picked))
    return sorted(
        picked,
        key=lambda each: (
            documents.index(each.excerpt.version),
            each.excerpt.start + each.bytes_before,
        ),
    )


def _scores(
    question: str, wanted: frozenset[str], candidates: Sequence[_Sentence], coverage_min: float
) -> dict[int, float]:
    """Scores of the candidates that share enough of the question, by index."""
    found = Counter(word for each in candidates for word in each.words & wanted)
    weights = {word: math.log(1 + (len(candidates) + 1) / (found[word] + 0.5)) for word in wanted}
    whole = sum(weights.values())
    hints = [pattern for asked, pattern in _HINTS if asked.search(question)]
    scores = {}
    for index, each in enumerate(candidates):
        coverage = sum(weights[word] for word in each.words & wanted) / whole
        if coverage < coverage_min:
            continue
        hinted = sum(1 for pattern in hints if pattern.search(each.text))
        length = 1 / (1 + max(0, len(each.words) - 40) / 40)
        asks = 0.5 if each.text.rstrip().endswith("?") else 1.0
        leads = 0.03 if each.start == 0 else 0.0
        score = coverage * length + 0.15 * hinted + 0.15 * each.excerpt.score + leads
        scores[index] = score * asks
    return scores


def _sentences_of(excerpt: Excerpt) -> Iterator[_Sentence]:
    """Paragraph by paragraph: a heading has no full stop, and is no part of what follows."""
    for paragraph in _PARAGRAPH.finditer(excerpt.text):
        for start, end in sentences(excerpt.text, *paragraph.span()):
            stop = _cut(excerpt.text, start, end)
            words = frozenset(words_of(excerpt.text[start:stop]))
            if words:
                yield _Sentence(excerpt=excerpt, start=start, end=stop, words=words)


def _cut(text: str, start: int, end: int) -> int:
    """The end of a sentence, or of as much of it as is worth quoting."""
    if end - start <= SENTENCE_CHARACTERS_MAX:
        return end
    space = text.rfind(" ", start, start + SENTENCE_CHARACTERS_MAX)
    return space if space > start else start + SENTENCE_CHARACTERS_MAX


def _is_like(one: _Sentence, other: _Sentence) -> bool:
    """Whether two sentences say the same: the same words, or the same place in overlapping text."""
    shared = len(one.words & other.words) / len(one.words | other.words)
    return shared > LIKENESS_MAX
