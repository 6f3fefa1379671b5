"""What an answer is worth: measures from 0 to 1, more is better; None: nothing to judge.

Citations are judged as in Gao and others, "Enabling Large Language Models to Generate Text with
Citations" (2023), with two differences: that a quote is there is compared byte for byte and not
guessed by a model, and what it should rest on was said by people. Whether an answer refuses is seen
from what it does, not from its words: nothing in it is quoted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.chat.answer import FRAMES
from entrypoints.cli.evaluation.chat_questions import Asked

HEADINGS: Mapping[str, str] = {
    "citation_precision": "citation precision",
    "citation_recall": "citation recall",
    "groundedness": "groundedness",
    "facts": "facts",
    "refusal": "refusal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CitedSpan:
    """The bytes [start, end) of an answer, and the name of the document that they are from."""

    source: str | None
    verified: bool
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer as its asker got it. `sentences` are the byte spans of the manifest.

    `first_token_milliseconds` is None where nothing was said. `cost` is None where it is not known.
    """

    text: str
    citations: Sequence[CitedSpan]
    sentences: Sequence[tuple[int, int]]
    model: str
    prompt_version: str
    ended: str
    first_token_milliseconds: float | None
    milliseconds: float
    input_tokens: int
    output_tokens: int
    cost: float | None


def judged(asked: Asked, answer: Answered) -> dict[str, float | None]:
    """By the names of HEADINGS."""
    quoted = {each.source for each in answer.citations if each.verified}
    refused = not quoted
    measures: dict[str, float | None] = dict.fromkeys(HEADINGS)
    measures["refusal"] = float(refused is not asked.is_answerable)
    measures["groundedness"] = _groundedness(answer)
    if asked.is_answerable:
        wanted = set(asked.sources)
        right = sum(each.verified and each.source in wanted for each in answer.citations)
        measures["citation_precision"] = right / len(answer.citations) if answer.citations else 0.0
        measures["citation_recall"] = len(wanted & quoted) / len(wanted)
        measures["facts"] = _facts(asked, answer)
    return measures


def _groundedness(answer: Answered) -> float | None:
    """The share of what is claimed, in bytes of sentences, that overlaps a checked quote."""
    quotes = [each for each in answer.citations if each.verified]
    claims = _claims(answer)
    claimed = sum(end - start for start, end in claims)
    grounded = sum(
        end - start
        for start, end in claims
        if any(each.start < end and start < each.end for each in quotes)
    )
    return grounded / claimed if claimed else None


def _facts(asked: Asked, answer: Answered) -> float | None:
    if not asked.facts:
        return None
    content = answer.text.encode()
    said = _plain("\n".join(content[start:end].decode() for start, end in _claims(answer)))
    found = [_plain(fact) in said for fact in asked.facts]
    return float(any(found)) if asked.any_fact else sum(found) / len(found)


def _claims(answer: Answered) -> Sequence[tuple[int, int]]:
    """The sentences that say something about what was asked."""
    content = answer.text.encode()
    spans = answer.sentences
    return [(start, end) for start, end in spans if content[start:end].decode() not in FRAMES]


def _plain(text: str) -> str:
    """Without what differs in writing and not in meaning."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
