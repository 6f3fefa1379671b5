"""Guardrails: what is looked at before a model is asked, and in what it says before anyone sees it.

They are the second line. The first is that a model has nothing to give away: it gets the excerpts
that the asker may see, and no tools.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from domain.chat.event import Guardrail as Ruling
from domain.chat.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What may go on, and what was decided about it."""

    text: str = field(repr=False)
    rulings: Sequence[Ruling] = ()


class AnswerGuard(Protocol):
    """Reads one answer as it is written. In whatever pieces it comes, the same comes out."""

    @property
    def is_holding(self) -> bool:
        """Whether some of what was read waits for what follows it."""
        ...

    def read(self, text: str) -> Passed:
        """What may be shown by now. Holds back what may become something else, and never much."""
        ...

    def finish(self) -> Passed:
        """The rest."""
        ...


class Guardrail(Protocol):
    """One concern. It does not wait for anything, and remembers nothing from one run to another."""

    @property
    def name(self) -> str:
        """With its version, for manifests: what is decided otherwise has another name."""
        ...

    def question(self, text: str) -> Passed:
        """What a model gets to see of a question."""
        ...

    def refuses(self, prompt: Prompt) -> Ruling | None:
        """Why no model is to be asked this at all; None lets it pass."""
        ...

    def answer(self) -> AnswerGuard: ...


@dataclass(frozen=True, slots=True)
class Unguarded:
    """`AnswerGuard` that lets everything through."""

    is_holding: bool = False

    def read(self, text: str) -> Passed:
        return Passed(text=text)

    def finish(self) -> Passed:
        return Passed(text="")


@dataclass(frozen=True, slots=True)
class AllGuards:
    """`AnswerGuard`: each reads what the one before let through."""

    guards: Sequence[AnswerGuard]

    @property
    def is_holding(self) -> bool:
        return any(guard.is_holding for guard in self.guards)

    def read(self, text: str) -> Passed:
        return self._through(self.guards, text)

    def finish(self) -> Passed:
        text, rulings = "", list[Ruling]()
        for place, guard in enumerate(self.guards):
            last = guard.finish()
            rest = self._through(self.guards[place + 1 :], last.text)
            text += rest.text
            rulings += [*last.rulings, *rest.rulings]
        return Passed(text=text, rulings=rulings)

    @staticmethod
    def _through(guards: Sequence[AnswerGuard], text: str) -> Passed:
        rulings: list[Ruling] = []
        for guard in guards:
            passed = guard.read(text)
            text = passed.text
            rulings += passed.rulings
        return Passed(text=text, rulings=rulings)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """All that are in force, in their order."""

    each: Sequence[Guardrail] = ()

    @property
    def names(self) -> Sequence[str]:
        return [guardrail.name for guardrail in self.each]

    def question(self, text: str) -> Passed:
        rulings: list[Ruling] = []
        for guardrail in self.each:
            passed = guardrail.question(text)
            text = passed.text
            rulings += passed.rulings
        return Passed(text=text, rulings=rulings)

    def refuses(self, prompt: Prompt) -> Ruling | None:
        rulings = (guardrail.refuses(prompt) for guardrail in self.each)
        return next((ruling for ruling in rulings if ruling is not None), None)

    def answer(self) -> AnswerGuard:
        return AllGuards([guardrail.answer() for guardrail in self.each])

    def whole(self, text: str) -> str:
        """What is shown of a text that is all there."""
        guard = self.answer()
        return guard.read(text).text + guard.finish().text
