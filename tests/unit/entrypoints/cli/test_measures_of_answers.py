"""What an answer is worth, case by case, and reports of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from domain.chat.answer import INTRODUCTION, NOTHING_FOUND, sentences_of
from entrypoints.cli.evaluation.chat_measures import HEADINGS, Answered, CitedSpan, judged
from entrypoints.cli.evaluation.chat_questions import Asked
from entrypoints.cli.evaluation.chat_reports import ChatReport, keep, last_like, summed_up
from entrypoints.cli.evaluation.chat_table import remarks, svg_of, table_of

RENT = Asked(question="How much?", sources=["lease", "letter"], facts=["900 euros", "May"])
UNKNOWN = Asked(question="Who?")
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def answered(text: str, *citations: CitedSpan, **changed: object) -> Answered:
    answer = Answered(
        text=text,
        citations=citations,
        sentences=[(each.start, each.end) for each in sentences_of(text, ())],
        model="m",
        prompt_version="p-1",
        ended="completed",
        first_token_milliseconds=10.0,
        milliseconds=20.0,
        input_tokens=1,
        output_tokens=2,
        cost=None,
    )
    return replace(answer, **changed)  # type: ignore[arg-type]


def cited(source: str | None, start: int, end: int, *, verified: bool = True) -> CitedSpan:
    return CitedSpan(source=source, verified=verified, start=start, end=end)


QUOTED = f"{INTRODUCTION}\n“The rent is 900  EUROS.” (Lease)\nSo it goes, always."


def test_a_good_answer_and_what_it_lacks() -> None:
    at = QUOTED.encode().index("“".encode()) + 3
    answer = answered(QUOTED, cited("lease", at, at + 22), cited("recipe", at, at + 3))
    measures = judged(RENT, answer)
    sentence = len("“The rent is 900  EUROS.” (Lease)".encode())
    assert measures == {
        "citation_precision": 0.5,  # a recipe is no source of it
        "citation_recall": 0.5,  # the letter is missing
        "groundedness": pytest.approx(sentence / (sentence + len("So it goes, always."))),
        "facts": 0.5,
        "refusal": 1.0,
    }


def test_a_quote_that_is_not_there_counts_for_nothing() -> None:
    measures = judged(
        RENT, answered("The rent is 900 euros.", cited("lease", 0, 9, verified=False))
    )
    assert (measures["citation_precision"], measures["citation_recall"]) == (0.0, 0.0)
    assert (measures["groundedness"], measures["refusal"]) == (0.0, 0.0)


def test_to_refuse_is_right_where_there_is_no_answer() -> None:
    refused = answered(NOTHING_FOUND)
    assert judged(UNKNOWN, refused) == {
        "citation_precision": None,
        "citation_recall": None,
        "groundedness": None,
        "facts": None,
        "refusal": 1.0,
    }
    assert judged(RENT, refused)["refusal"] == 0.0
    assert judged(RENT, refused)["citation_precision"] == 0.0
    in_own_words = answered("I cannot tell that from the excerpts.")
    assert judged(UNKNOWN, in_own_words)["refusal"] == 1.0
    assert judged(UNKNOWN, answered("It was Ada.", cited("lease", 0, 9)))["refusal"] == 0.0


def test_one_of_several_facts_is_enough_where_it_says_so() -> None:
    asked = Asked(question="x", sources=["a"], facts=["two", "2"], any_fact=True)
    assert judged(asked, answered("There are 2."))["facts"] == 1.0
    assert judged(asked, answered("There are three."))["facts"] == 0.0


SPANS = st.builds(
    CitedSpan,
    source=st.sampled_from(["lease", "letter", "other", None]),
    verified=st.booleans(),
    start=st.integers(0, 60),
    end=st.integers(0, 60),
)


@given(
    text=st.text(st.sampled_from("ab .\nö“”"), max_size=60),
    spans=st.lists(SPANS, max_size=5),
    asked=st.sampled_from([RENT, UNKNOWN]),
)
def test_measures_lie_between_0_and_1(text: str, spans: list[CitedSpan], asked: Asked) -> None:
    measures = judged(asked, answered(text, *spans))
    assert measures.keys() == HEADINGS.keys()
    assert all(value is None or 0.0 <= value <= 1.0 for value in measures.values())


def _report(*answers: tuple[Asked, Answered], **changed: object) -> ChatReport:
    quality, latency, by_question = summed_up(answers)
    report = ChatReport(
        questions_name="<flat>",
        fingerprint="0123",
        at=AT,
        strongroom="0.1.0",
        server="an instance of its own",
        model="m",
        prompt_version="p-1",
        documents=2,
        documents_searchable=2,
        questions=2,
        answerable=1,
        quality=quality,
        latency=latency,
        tokens={"input": 2, "output": 4},
        cost=None,
        not_completed=0,
        load_average=(0.0, 0.0),
        by_question=by_question,
    )
    return msgspec.structs.replace(report, **changed)


BETTER = _report(
    (RENT, answered("It is 900 euros in May.", cited("lease", 0, 9))),
    (UNKNOWN, answered(NOTHING_FOUND, first_token_milliseconds=30.0)),
)
WORSE = _report(
    (RENT, answered("It is 900 euros.", cited("other", 0, 9))),
    (UNKNOWN, answered(NOTHING_FOUND, first_token_milliseconds=None)),
)


def test_quality_and_latency_are_summed_up_over_what_can_be_judged() -> None:
    assert BETTER.quality["refusal"] == 1.0
    assert BETTER.quality["citation_precision"] == 1.0
    assert BETTER.latency["first_token_p50_ms"] == 20.0
    assert WORSE.latency["first_token_p50_ms"] == 10.0
    assert WORSE.quality["facts"] == 0.5


def test_the_last_report_on_the_same_questions_is_found(tmp_path: Path) -> None:
    old = msgspec.structs.replace(WORSE, model="another")
    assert last_like(BETTER, tmp_path) is None
    keep(old, tmp_path)
    later = {"at": AT + timedelta(days=1)}
    keep(msgspec.structs.replace(BETTER, fingerprint="4567", **later), tmp_path)
    assert last_like(BETTER, tmp_path) == old
    assert last_like(msgspec.structs.replace(BETTER, questions_name="other"), tmp_path) is None


def test_the_difference_to_the_last_report_is_shown() -> None:
    console = Console(record=True, width=100)
    console.print(table_of(BETTER, WORSE))
    shown = console.export_text()
    assert "citation precision" in shown
    assert "+1.0000" in shown
    assert "+0.5000" in shown
    told = " ".join(remarks(BETTER, WORSE))
    assert "1 questions were answered better and 0 worse" in told
    assert "2 tokens in, 4 out, of unknown price" in told
    assert "no earlier report" in " ".join(remarks(BETTER, None))
    assert "for 0.5000" in " ".join(remarks(msgspec.structs.replace(BETTER, cost=0.5), None))


def test_the_plot_is_well_formed_and_marks_what_was_before() -> None:
    root = ElementTree.fromstring(svg_of(BETTER, WORSE))
    assert len(root.findall("{*}path")) == len(HEADINGS)
    assert ElementTree.fromstring(svg_of(BETTER, None)).findall("{*}path") == []
    assert any("<flat>" in (text.text or "") for text in root.findall("{*}text"))
