"""What every Guardrail keeps to. Subclass GuardrailContract in a test module and give one fixture:

class TestMyGuardrail(GuardrailContract):
    changed = ("my number is 12 34",)

    @pytest.fixture
    def guardrail(self) -> Guardrail:
        ...
"""

from __future__ import annotations

from typing import ClassVar

from application.chat.guardrails import Guardrail

HELD_CHARACTERS_MAX = 20_000

HARMLESS = (
    "The lease ends on 3 May 2021; the deposit of 2,500 € is due before that.",
    "“It is not so,” she said. [e1][e2] (Letter, page 3)\n\n- one\n- two: three\n",
    "Der Mietvertrag kann mit einer Frist von drei Monaten gekündigt werden.",
    "隐私数据的使用须经本人同意。 👩🏽‍🚀 a < b, c > d; e-mail, www and http are words.",
    "-----\nA rule above - and no key: sk, AKIA, ghp_, eyJ, data, javascript.\n-----",
    "",
)


class GuardrailContract:
    """Uses the fixture `guardrail`."""

    changed: ClassVar[tuple[str, ...]] = ()
    """Texts that it does not let through as they are."""

    def test_what_is_harmless_passes_as_it_is(self, guardrail: Guardrail) -> None:
        for text in HARMLESS:
            assert _read(guardrail, [text]) == text
            assert guardrail.question(text).text == text
            assert not guardrail.question(text).rulings

    def test_what_it_is_there_for_is_changed_and_told_of(self, guardrail: Guardrail) -> None:
        for text in self.changed:
            guard = guardrail.answer()
            passed = [guard.read(f"Before. {text} After."), guard.finish()]
            shown = "".join(each.text for each in passed)
            assert text not in shown, text
            assert shown.startswith("Before. "), text
            assert shown.endswith(" After."), text
            assert [ruling for each in passed for ruling in each.rulings], text

    def test_however_it_is_cut_the_same_comes_out(self, guardrail: Guardrail) -> None:
        for text in self.changed:
            whole = f"Say “{text}” twice: {text} {text}\n({text})"
            expected = _read(guardrail, [whole])
            assert _read(guardrail, list(whole)) == expected, text
            for cut in range(len(whole)):
                assert _read(guardrail, [whole[:cut], whole[cut:]]) == expected, text

    def test_no_more_is_held_back_than_has_a_reason(self, guardrail: Guardrail) -> None:
        for text in HARMLESS:
            guard = guardrail.answer()
            shown = "".join(guard.read(character).text for character in text + " Over ")
            assert not guard.is_holding, text
            assert shown == text + " Over "

    def test_however_much_is_said_little_is_held_back(self, guardrail: Guardrail) -> None:
        for text in (*self.changed, "a", "[", "-----BEGIN PRIVATE KEY-----"):
            guard = guardrail.answer()
            given = shown = 0
            for _ in range(40):
                piece = text[: max(1, len(text) - 1)] * 20
                given += len(piece)
                shown += len(guard.read(piece).text)
            if guard.is_holding and given > HELD_CHARACTERS_MAX:
                assert shown > 0, text

    def test_two_answers_do_not_know_each_other(self, guardrail: Guardrail) -> None:
        for text in self.changed:
            one, other = guardrail.answer(), guardrail.answer()
            one.read(text[: len(text) // 2])
            assert other.read("Nothing else. ").text + other.finish().text == "Nothing else. "

    def test_it_has_a_name_with_a_version(self, guardrail: Guardrail) -> None:
        name, _, version = guardrail.name.rpartition("-")
        assert name
        assert version.isdigit()


def _read(guardrail: Guardrail, pieces: list[str]) -> str:
    guard = guardrail.answer()
    shown = [guard.read(piece).text for piece in pieces]
    shown.append(guard.finish().text)
    assert not guard.is_holding
    return "".join(shown)
