"""What the reader sees: headings, what happens, and a mark for everything that was checked."""

from __future__ import annotations

import asyncio
import textwrap

from rich.console import Console
from rich.text import Text

WIDTH_MAX = 100
PAUSE_SECONDS = 1.0
SHOWN_CHARACTERS_MAX = 1_000


class DoesNotHold(Exception):
    """Something that the product promises was not so."""


class Stage:
    """Colours on a terminal; elsewhere the same lines, plainly."""

    def __init__(self, console: Console, *, fast: bool) -> None:
        self.console = console
        self.fast = fast
        self.width = min(console.width, WIDTH_MAX)
        self.checked = 0
        self._marks = ("✓", "✗") if console.encoding.startswith("utf") else ("ok", "FAILED")

    def heading(self, text: str) -> None:
        self._line("", text, "bold cyan", before="\n")

    def tell(self, text: str) -> None:
        self._line("  ", text)

    def aside(self, text: str) -> None:
        """Figures, and whatever is smaller now than it is going to be."""
        self._line("    ", text, "dim")

    def check(
        self, claim: str, *, expected: object, seen: object, holds: bool | None = None
    ) -> None:
        """Raises DoesNotHold unless `holds`; left out, it is whether the two are equal."""
        kept, broken = self._marks
        if expected == seen if holds is None else holds:
            self.checked += 1
            self._line(f"  {kept} ", claim, "green")
            return
        self._line(f"  {broken} ", claim, "bold red")
        self._line("      expected: ", str(expected)[:SHOWN_CHARACTERS_MAX])
        self._line("      seen:     ", str(seen)[:SHOWN_CHARACTERS_MAX])
        raise DoesNotHold(claim)

    async def pause(self) -> None:
        """For a reader to follow; none where nobody reads along."""
        if not self.fast:
            await asyncio.sleep(PAUSE_SECONDS)

    def _line(self, mark: str, text: str, style: str = "", before: str = "") -> None:
        """The mark alone is coloured where there is one; what is wrapped stands below the text."""
        lines = textwrap.wrap(
            text, self.width - len(mark), break_on_hyphens=False, break_long_words=False
        )
        wrapped = f"\n{' ' * len(mark)}".join(lines)
        if mark.strip():
            shown = Text.assemble(before, (mark, style), wrapped)
        else:
            shown = Text.assemble(before, mark, (wrapped, style))
        self.console.print(shown, soft_wrap=True)
