"""Secrets: credentials of machines, known by their form, are neither shown nor sent to a model."""

from __future__ import annotations

import re
from dataclasses import dataclass

from adapters.guardrails.patterns import Pattern, PatternGuard, partly, prefixed
from application.chat.guardrails import AnswerGuard, Passed
from domain.chat.event import Guardrail as Ruling
from domain.chat.prompt import Prompt

REMOVED = "[secret removed]"


def _remove(_: re.Match[str]) -> str:
    return REMOVED


_BASE64URL = "A-Za-z0-9_-"
_PATTERNS = (
    Pattern(  # PEM (RFC 7468), to its end or to the end of everything
        whole=re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
            r"[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)"
        ),
        opening=re.compile(
            partly("-----BEGIN ", r"[A-Z0-9 ]{0,52}(?:-{1,4}|PRIVATE KEY-----[\s\S]*)?") + r"\Z"
        ),
        change=_remove,
    ),
    Pattern(  # JSON Web Tokens (RFC 7519), signed
        whole=re.compile(
            rf"(?<!\w)eyJ[{_BASE64URL}]{{8,}}\.[{_BASE64URL}]{{8,}}\.[{_BASE64URL}]{{8,}}"
        ),
        opening=re.compile(r"(?<!\w)(?:" + partly("eyJ", rf"[.{_BASE64URL}]+") + r")\Z"),
        change=_remove,
    ),
    Pattern(  # a name and a password in an address
        whole=re.compile(r"(?<=://)[^\s/:@]{1,200}:[^\s/@]{1,200}(?=@)"),
        opening=re.compile(r"(?<=://)[^\s/@]{1,400}\Z"),
        change=_remove,
    ),
    prefixed(["AKIA", "ASIA"], "A-Z0-9", at_least=16, change=_remove),
    prefixed(["AIza"], _BASE64URL, at_least=35, change=_remove),
    prefixed(["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], "A-Za-z0-9", at_least=36, change=_remove),
    prefixed(["github_pat_"], "A-Za-z0-9_", at_least=22, change=_remove),
    prefixed(["glpat-"], _BASE64URL, at_least=20, change=_remove),
    prefixed(["hf_", "npm_"], "A-Za-z0-9", at_least=30, change=_remove),
    prefixed(["pypi-"], _BASE64URL, at_least=50, change=_remove),
    prefixed(["sk-"], _BASE64URL, at_least=20, change=_remove),
    prefixed(["sk_live_", "rk_live_", "sk_test_"], "A-Za-z0-9", at_least=16, change=_remove),
    prefixed(
        ["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-"], "A-Za-z0-9-", at_least=10, change=_remove
    ),
    prefixed(["srr_", "srg_", "srl_"], _BASE64URL, at_least=72, change=_remove),  # our own
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """`Guardrail`."""

    name: str = "secrets-1"

    def question(self, text: str) -> Passed:
        guard = PatternGuard(_PATTERNS, Ruling(kind="secrets", decision="question_redacted"))
        read, rest = guard.read(text), guard.finish()
        return Passed(text=read.text + rest.text, rulings=[*read.rulings, *rest.rulings])

    def refuses(self, prompt: Prompt) -> Ruling | None:
        return None

    def answer(self) -> AnswerGuard:
        return PatternGuard(_PATTERNS, Ruling(kind="secrets", decision="redacted"))
