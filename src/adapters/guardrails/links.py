"""Links and images: nothing in an answer makes a reader's program ask a foreign host for anything.

Whoever writes a document that is quoted to a model may have it put what it read into an address.
An image is fetched without a click, so in Markdown its syntax is taken apart; addresses are
written so that no program takes them for one, and people can still read them: https[:]//a[.]org.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from adapters.guardrails.patterns import Pattern, PatternGuard, partly
from application.chat.guardrails import AnswerGuard, Passed
from domain.chat.event import Guardrail as Ruling
from domain.chat.prompt import Prompt

_HOST = r"[^\s/?#<>\"'()\[\]\\]{0,253}"
_SCHEMES = ("javascript", "vbscript", "data", "mailto", "blob", "about", "intent", "tel", "sms")
_NAMES = ("colon", "sol", "bsol", "period")
_NOT_WITHIN = r"(?<![A-Za-z0-9+.-])"


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """`Guardrail`. Over https, the hosts that are named are not foreign."""

    hosts: Collection[str] = ()
    name: str = "links-2"
    _patterns: tuple[Pattern, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_patterns", _patterns(frozenset(map(str.lower, self.hosts))))

    def question(self, text: str) -> Passed:
        return Passed(text=text)

    def refuses(self, prompt: Prompt) -> Ruling | None:
        return None

    def answer(self) -> AnswerGuard:
        return PatternGuard(self._patterns, Ruling(kind="links", decision="neutralised"))


def _patterns(hosts: frozenset[str]) -> tuple[Pattern, ...]:
    return (
        _inline(hosts),
        Pattern(  # [label]: address, which ![label] somewhere else then shows
            whole=re.compile(r"\](?=:)"), opening=re.compile(r"\]\Z"), change=lambda _: "] "
        ),
        Pattern(  # elements of HTML
            whole=re.compile(r"<(?=[A-Za-z/!?])"),
            opening=re.compile(r"<\Z"),
            change=lambda _: "‹",
        ),
        Pattern(  # a character by its number, which is read as that character: https&#58;//
            whole=re.compile(rf"&(?=#[0-9]|#[xX][0-9A-Fa-f]|(?:{'|'.join(_NAMES)});)"),
            opening=re.compile(rf"&(?:#[xX]?|{'|'.join(map(partly, _NAMES))})?\Z"),
            change=lambda _: "&amp;",
        ),
        Pattern(
            whole=re.compile(rf"://({_HOST})"),
            opening=re.compile(rf":(?:/(?:/{_HOST})?)?\Z"),
            change=lambda match: None if _is_known(match, hosts) else _apart(match[1]),
        ),
        Pattern(
            whole=re.compile(rf"{_NOT_WITHIN}www\.(?=[A-Za-z0-9])", re.I),
            opening=re.compile(rf"{_NOT_WITHIN}{partly('www.')}\Z", re.I),
            change=lambda match: f"{match[0][:-1]}[.]",
        ),
        Pattern(
            whole=re.compile(rf"{_NOT_WITHIN}(?:{'|'.join(_SCHEMES)}):(?=[^\s/])", re.I),
            opening=re.compile(
                rf"{_NOT_WITHIN}(?:{'|'.join(partly(f'{each}:') for each in _SCHEMES)})\Z", re.I
            ),
            change=lambda match: f"{match[0][:-1]}[:]",
        ),
    )


def _inline(hosts: frozenset[str]) -> Pattern:
    """[label](address), also of an image: taken apart, unless the address is one that is known."""
    known = [f"https://{host}" for host in sorted(hosts)]
    if not known:
        return Pattern(
            whole=re.compile(r"\](?=\()"), opening=re.compile(r"\]\Z"), change=lambda _: "] "
        )
    named = "|".join(map(re.escape, known))
    beginnings = "|".join(map(partly, known))
    return Pattern(
        whole=re.compile(rf"\](?=\()(?!\((?:{named})[/?#)\s])", re.I),
        opening=re.compile(rf"\](?:\((?:{beginnings})?)?\Z", re.I),
        change=lambda _: "] ",
    )


def _is_known(match: re.Match[str], hosts: frozenset[str]) -> bool:
    scheme = match.string[max(0, match.start() - 6) : match.start()].lower()
    is_https = re.fullmatch(r"(?:.*[^a-z0-9+.-])?https", scheme, re.S) is not None
    return is_https and match[1].lower().rstrip(".") in hosts


def _apart(host: str) -> str:
    named = re.sub(r"\.(?=.)", "[.]", host)
    return f"[:]//{named}"
