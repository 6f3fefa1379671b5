"""Personal data: addresses and numbers that name a person are not shown, where that is wanted.

Not among the guardrails that are in force by default: a chat over one's own documents is asked for
telephone numbers, and should answer. Numbers are known by their check digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.guardrails.patterns import Pattern, PatternGuard
from application.chat.guardrails import AnswerGuard, Passed
from domain.chat.event import Guardrail as Ruling
from domain.chat.prompt import Prompt

REMOVED = "[personal data removed]"
_IBAN_CHARACTERS_MIN = 15
_CARD_DIGITS_MIN = 13


def _remove(_: re.Match[str]) -> str:
    return REMOVED


def _without_iban(match: re.Match[str]) -> str | None:
    """What follows an account number may look like more of it."""
    text = match[0]
    for end in range(len(text), _IBAN_CHARACTERS_MIN - 1, -1):
        if text[end - 1] != " " and _is_iban(text[:end].replace(" ", "")):
            return REMOVED + text[end:]
    return None


def _without_card(match: re.Match[str]) -> str | None:
    digits = [int(each) for each in match[0] if each.isdigit()]
    return REMOVED if len(digits) >= _CARD_DIGITS_MIN and _luhn(digits) == 0 else None


def _is_iban(text: str) -> bool:
    """ISO 13616: with its first four characters at the end, and letters from 10 on, 1 modulo 97."""
    if len(text) < _IBAN_CHARACTERS_MIN:
        return False
    return int("".join(str(int(each, 36)) for each in text[4:] + text[:4])) % 97 == 1


def _luhn(digits: list[int]) -> int:
    """ISO/IEC 7812-1, annex B: 0 for a valid number."""
    doubled = [sum(divmod(2 * each, 10)) for each in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10


_LOCAL = r"[A-Za-z0-9._%+-]"
_PATTERNS = (
    Pattern(  # an email address
        whole=re.compile(
            rf"(?<!{_LOCAL}){_LOCAL}{{1,64}}@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{1,8}}"
        ),
        opening=re.compile(rf"(?<!{_LOCAL}){_LOCAL}{{1,64}}(?:@[A-Za-z0-9.-]{{0,300}})?\Z"),
        change=_remove,
    ),
    Pattern(  # the number of a bank account
        whole=re.compile(r"(?<![A-Z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}"),
        opening=re.compile(
            r"(?<![A-Z0-9])[A-Z](?:[A-Z](?:[0-9](?:[0-9](?: ?[A-Z0-9]){0,30} ?)?)?)?\Z"
        ),
        change=_without_iban,
    ),
    Pattern(  # a telephone number, with the code of its country
        whole=re.compile(r"\+[0-9](?:[ ()/.-]{0,2}[0-9]){7,14}(?![0-9])"),
        opening=re.compile(r"\+(?:[0-9](?:[ ()/.-]{0,2}[0-9]){0,14}[ ()/.-]{0,2})?\Z"),
        change=_remove,
    ),
    Pattern(  # the number of a payment card
        whole=re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){12,18}(?![0-9])"),
        opening=re.compile(r"(?<![0-9])[0-9](?:[ -]?[0-9]){0,18}[ -]?\Z"),
        change=_without_card,
    ),
)


@dataclass(frozen=True, slots=True)
class Personal:
    """`Guardrail`."""

    name: str = "personal-1"

    def question(self, text: str) -> Passed:
        return Passed(text=text)

    def refuses(self, prompt: Prompt) -> Ruling | None:
        return None

    def answer(self) -> AnswerGuard:
        return PatternGuard(_PATTERNS, Ruling(kind="personal", decision="redacted"))
