"""How far an evaluation has come, on stderr."""

from __future__ import annotations

import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from entrypoints.cli.steps import say


class Bar:
    """A bar on a terminal; elsewhere a line when it is full."""

    def __init__(self, progress: Progress, doing: str, total: int) -> None:
        self._progress = progress
        self._doing = doing
        self._task = progress.add_task(escape(doing), total=total)
        self._began = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        self._progress.update(self._task, completed=done)
        if done == of and not self._progress.console.is_terminal:
            say(f"{self._doing}: {of:,} in {time.monotonic() - self._began:.1f} s")


def progress_bars() -> Progress:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)
