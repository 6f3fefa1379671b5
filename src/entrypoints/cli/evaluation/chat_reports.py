"""Reports of chats: what a set of questions was answered like, kept and compared."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from entrypoints.cli.evaluation.chat_measures import HEADINGS, Answered, judged
from entrypoints.cli.evaluation.chat_questions import Asked
from entrypoints.cli.evaluation.kept import keep_in, last_in, place_of, quantile


class QuestionMeasured(msgspec.Struct, kw_only=True):
    """One answer: its measures, what it cites, how it ended."""

    measures: dict[str, float | None]
    sources: list[str]
    ended: str
    first_token_ms: float | None


class ChatReport(msgspec.Struct, kw_only=True):
    """One evaluation. `quality` has the mean of each measure over the questions that it judges.

    `latency` is in milliseconds as the client saw them: to the first word, and to the end. `cost`
    is null where no price is known. `load_average` is the machine's: before, and after.
    """

    questions_name: str
    fingerprint: str
    at: datetime
    strongroom: str
    server: str
    model: str
    prompt_version: str
    documents: int
    documents_searchable: int
    questions: int
    answerable: int
    quality: dict[str, float]
    latency: dict[str, float]
    tokens: dict[str, int]
    cost: float | None
    not_completed: int
    load_average: tuple[float, float]
    by_question: dict[str, QuestionMeasured]

    def compares_with(self, other: object, /) -> bool:
        """Whether both asked the same of the same documents: model and prompt may differ."""
        return isinstance(other, ChatReport) and self.fingerprint == other.fingerprint


def summed_up(
    answers: Sequence[tuple[Asked, Answered]],
) -> tuple[dict[str, float], dict[str, float], dict[str, QuestionMeasured]]:
    """Quality, latency, and each question."""
    by_question = {
        asked.question: QuestionMeasured(
            measures=judged(asked, answer),
            sources=sorted({each.source for each in answer.citations if each.source}),
            ended=answer.ended,
            first_token_ms=answer.first_token_milliseconds,
        )
        for asked, answer in answers
    }
    quality = {}
    for name in HEADINGS:
        values = [each.measures[name] for each in by_question.values()]
        told = [value for value in values if value is not None]
        if told:
            quality[name] = round(statistics.fmean(told), 4)
    first = [a.first_token_milliseconds for _, a in answers]
    begun = [each for each in first if each is not None]
    whole = [answer.milliseconds for _, answer in answers]
    latency = {
        f"{what}_p{percent}_ms": round(quantile(values, percent), 1)
        for what, values in (("first_token", begun), ("whole", whole))
        if values
        for percent in (50, 95)
    }
    return quality, latency, by_question


def keep(report: ChatReport, home: Path) -> Path:
    return keep_in(_place(report, home), report)


def last_like(report: ChatReport, home: Path) -> ChatReport | None:
    return last_in(_place(report, home), report)


def _place(report: ChatReport, home: Path) -> Path:
    return place_of(home, "chat", report.questions_name)
