"""`strongroom eval chat`: how well questions are answered, from outside."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from entrypoints.cli.evaluation.chat_asker import Asker, asker
from entrypoints.cli.evaluation.chat_measures import Answered
from entrypoints.cli.evaluation.chat_questions import Asked, QuestionSet, read_questions
from entrypoints.cli.evaluation.chat_reports import ChatReport, keep, last_like, summed_up
from entrypoints.cli.evaluation.chat_table import remarks, svg_of, table_of
from entrypoints.cli.evaluation.progress import Bar, progress_bars
from entrypoints.cli.evaluation.retrieval import OWN, WIDTH_MAX
from entrypoints.cli.evaluation.server import server
from entrypoints.settings import Settings

# Of the settings in force, those that change an answer beside those that change a search.
ANSWERING = (
    "model_url",
    "model_key",
    "model",
    "model_first_token_seconds_max",
    "model_token_seconds_max",
    "run_seconds_max",
    "history_tokens_max",
    "guardrails",
    "answer_link_hosts",
)


async def evaluate(settings: Settings, path: Path, *, url: str | None) -> None:
    """Raises EvaluationNotPossible."""
    questions = read_questions(path)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_MAX
    home = settings.data_dir.expanduser().resolve()
    async with server(settings, url, also=ANSWERING) as address, asker(address) as somebody:
        report = await _measured(questions, somebody, url or OWN)
        # Before the account leaves: what was measured is not lost with whatever happens then.
        earlier = last_like(report, home)
        kept = keep(report, home)
        plot = kept.with_suffix(".svg")
        plot.write_text(svg_of(report, earlier))
    console.print(table_of(report, earlier))
    for line in remarks(report, earlier):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"Report: {kept}\nPlot:   {plot}", soft_wrap=True, markup=False)


async def _measured(questions: QuestionSet, somebody: Asker, where: str) -> ChatReport:
    load_before = os.getloadavg()[0]
    documents = len(questions.documents)
    answers: list[tuple[Asked, Answered]] = []
    with progress_bars() as progress:
        await somebody.hand_in(questions.documents, Bar(progress, "handing in", documents))
        searchable = await somebody.until_settled(Bar(progress, "indexing", documents))
        # The first answer opens connections and plans; it is not what is measured.
        await somebody.ask(questions.questions[0].question)
        report = Bar(progress, "asking", len(questions.questions))
        # One after another, so that latency is that of an answer and not of a queue.
        for number, asked in enumerate(questions.questions, start=1):
            answers.append((asked, await somebody.ask(asked.question)))
            report(number, len(questions.questions))
    quality, latency, by_question = summed_up(answers)
    costs = [answer.cost for _, answer in answers if answer.cost is not None]
    return ChatReport(
        questions_name=questions.name,
        fingerprint=questions.fingerprint,
        at=datetime.now(UTC),
        strongroom=version("strongroom"),
        server=where,
        model=_commonest([answer.model for _, answer in answers]),
        prompt_version=_commonest([answer.prompt_version for _, answer in answers]),
        documents=documents,
        documents_searchable=searchable,
        questions=len(questions.questions),
        answerable=sum(each.is_answerable for each in questions.questions),
        quality=quality,
        latency=latency,
        tokens={
            "input": sum(answer.input_tokens for _, answer in answers),
            "output": sum(answer.output_tokens for _, answer in answers),
        },
        cost=sum(costs) if costs else None,
        not_completed=sum(answer.ended != "completed" for _, answer in answers),
        load_average=(round(load_before, 2), round(os.getloadavg()[0], 2)),
        by_question=by_question,
    )


def _commonest(names: list[str]) -> str:
    """The one that most answers are from: another may have taken over for some."""
    return Counter(names).most_common(1)[0][0]
