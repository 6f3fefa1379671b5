"""Patterns in a text that comes in pieces: found and changed the same, however it is cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from application.chat.guardrails import Passed
from domain.chat.event import Guardrail as Ruling

HELD_CHARACTERS_MAX = 16_384
_LONG = 1_024
_STEP = 256
RULINGS_MAX = 100
"""In one answer, of one guard: what is more is changed all the same, and told of no more."""
_CONTEXT_CHARACTERS = 64

Change = Callable[[re.Match[str]], str | None]
"""What stands in its place; None leaves it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What is to be changed. `opening` matches what may still become it: up to the end of a text.

    Neither looks back further than 64 characters; as long as `whole` may look ahead beyond the end,
    `opening` matches.
    """

    whole: re.Pattern[str]
    opening: re.Pattern[str]
    change: Change


class PatternGuard:
    """`AnswerGuard`. The earliest match is changed first, of two at one place the first pattern's.

    Of a match that is longer than 16,384 characters so many are held back and then judged alone.
    """

    def __init__(self, patterns: Sequence[Pattern], ruling: Ruling) -> None:
        self._patterns = patterns
        self._ruling = ruling
        self._rulings_left = RULINGS_MAX
        self._text = ""  # some context, and then what is held
        self._at = 0
        self._judged = 0

    @property
    def is_holding(self) -> bool:
        return self._at < len(self._text)

    def read(self, text: str) -> Passed:
        self._text += text
        held = len(self._text) - self._at
        if _LONG < held <= HELD_CHARACTERS_MAX and held - self._judged < _STEP:
            return Passed(text="")  # looking through much of the same again for each word is slow
        passed = self._judge(is_all=False)
        if len(self._text) - self._at <= HELD_CHARACTERS_MAX:
            return passed
        rest = self._judge(is_all=True)
        return Passed(text=passed.text + rest.text, rulings=[*passed.rulings, *rest.rulings])

    def finish(self) -> Passed:
        return self._judge(is_all=True)

    def _judge(self, *, is_all: bool) -> Passed:
        shown: list[str] = []
        rulings: list[Ruling] = []
        text, end = self._text, len(self._text)
        wholes = [_Next(each.whole) for each in self._patterns]
        openings = [] if is_all else [_Next(each.opening) for each in self._patterns]
        while True:
            held_from = min((each.start(text, self._at) for each in openings), default=end)
            place = min(range(len(wholes)), key=lambda n: wholes[n].start(text, self._at))
            match = wholes[place].match
            if match is None or match.start() >= held_from:
                break
            if match.end() == end and not is_all:
                held_from = match.start()
                break
            changed = self._patterns[place].change(match)
            shown.append(text[self._at : match.start()])
            shown.append(match[0] if changed is None else changed)
            self._at = match.end()
            if changed is not None and self._rulings_left:
                self._rulings_left -= 1
                rulings.append(self._ruling)
        shown.append(text[self._at : held_from])
        context = max(0, held_from - _CONTEXT_CHARACTERS)
        self._text, self._at = text[context:], held_from - context
        self._judged = end - held_from
        return Passed(text="".join(shown), rulings=rulings)


class _Next:
    """The next match of one expression, looked for again only once it was passed."""

    def __init__(self, expression: re.Pattern[str]) -> None:
        self._expression = expression
        self._searched = False
        self.match: re.Match[str] | None = None

    def start(self, text: str, at: int) -> int:
        """Where it begins; the length of the text where there is none."""
        passed = self.match is not None and self.match.start() < at
        if not self._searched or passed:
            self._searched = True
            self.match = self._expression.search(text, at)
        return len(text) if self.match is None else self.match.start()


def partly(literal: str, rest: str = "") -> str:
    """A regular expression for the beginnings of a literal, and for all of it and then `rest`."""
    expression = rest
    for character in reversed(literal):
        expression = re.escape(character) + (f"(?:{expression})?" if expression else "")
    return expression


def prefixed(
    literals: Sequence[str], following: str, *, at_least: int, change: Change, before: str = r"\w"
) -> Pattern:
    """Each literal and then `at_least` characters of a class, not after one of class `before`."""
    named = "|".join(map(re.escape, literals))
    beginnings = "|".join(partly(each, f"[{following}]+") for each in literals)
    return Pattern(
        whole=re.compile(rf"(?<![{before}])(?:{named})[{following}]{{{at_least},}}"),
        opening=re.compile(rf"(?<![{before}])(?:{beginnings})\Z"),
        change=change,
    )
