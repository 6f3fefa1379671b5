"""Grounding: a model that was given nothing to answer from is not asked."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.guardrails import AnswerGuard, Passed, Unguarded
from domain.chat.event import Guardrail as Ruling
from domain.chat.message import MessageRole
from domain.chat.prompt import Prompt


@dataclass(frozen=True, slots=True)
class Grounding:
    """`Guardrail`. An earlier answer in the prompt is something, too: it can be asked about."""

    name: str = "grounding-1"

    def question(self, text: str) -> Passed:
        return Passed(text=text)

    def refuses(self, prompt: Prompt) -> Ruling | None:
        answered = any(each.role == MessageRole.ASSISTANT for each in prompt.instructions)
        if prompt.excerpts or answered:
            return None
        return Ruling(kind="grounding", decision="refused")

    def answer(self) -> AnswerGuard:
        return Unguarded()
