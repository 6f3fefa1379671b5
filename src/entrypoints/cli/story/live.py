"""What moves while one watches: a wait, bars of progress, an answer being written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from entrypoints.cli.story.stage import Stage

Report = Callable[[str], None]
Advance = Callable[[str, float, str], None]
"""`advance(title, share_done, state)`, with a share from 0 to 1."""

_INDENT = "    "
_WORDS = re.compile(r"\s+|\S+")


@contextmanager
def waiting(stage: Stage, doing: str) -> Iterator[Report]:
    """Something that takes seconds, and a way to say what it is at."""
    if not stage.console.is_terminal:
        stage.tell(f"{doing} ...")
        yield lambda at: None
        return
    with stage.console.status(f"  {escape(doing)} ...") as status:
        yield lambda at: status.update(f"  {escape(doing)}: {escape(at)}")


@contextmanager
def bars(stage: Stage) -> Iterator[Advance]:
    """A bar for each title on a terminal; elsewhere a line for each that is done."""
    if not stage.console.is_terminal:
        yield _lines(stage)
        return
    columns = (
        TextColumn(_INDENT + "{task.description:<28}"),
        BarColumn(30),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=stage.console) as progress:
        tasks = {}

        def advance(title: str, share: float, state: str) -> None:
            if title not in tasks:
                tasks[title] = progress.add_task(escape(title), total=1.0, state="")
            progress.update(tasks[title], completed=share, state=state)

        yield advance


@contextmanager
def writing(stage: Stage) -> Iterator[Report]:
    """An answer as it arrives, piece by piece, broken into lines between words."""
    column, gap = 0, ""

    def put(text: str) -> None:
        stage.console.print(text, end="", style="italic", markup=False, soft_wrap=True)

    def write(piece: str) -> None:
        nonlocal column, gap
        for part in _WORDS.findall(piece):
            if part.isspace():
                gap = "\n" if "\n" in gap + part else " "
                continue
            if column and len(part) + len(gap) > stage.width - column:
                gap = "\n"
            if column and gap == "\n":
                put("\n")
                column = 0
            shown = (gap if column else _INDENT) + part
            put(shown)
            column, gap = column + len(shown), ""

    try:
        yield write
    finally:
        put("\n" if column else "")


def _lines(stage: Stage) -> Advance:
    passed: dict[str, list[str]] = {}

    def advance(title: str, share: float, state: str) -> None:
        states = passed.setdefault(title, [])
        if not states or states[-1].split()[0] != state.split()[0]:
            states.append(state)
        if share >= 1:
            stage.aside(f"{title}: {', '.join(states)}")

    return advance
