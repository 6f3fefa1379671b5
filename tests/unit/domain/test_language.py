"""Languages are named by tags of BCP 47, in their usual spelling."""

from __future__ import annotations

import pytest

from domain.language import LanguageNotUsable, language, primary


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("pt-br", "pt-BR"),
        ("ZH-hant-tw", "zh-Hant-TW"),
        ("es-419", "es-419"),
        ("de-1996", "de-1996"),
        ("sl-ROZAJ-biske", "sl-rozaj-biske"),
        ("haw", "haw"),
    ],
)
def test_a_tag_is_spelled_as_usual(said: str, meant: str) -> None:
    assert language(said) == meant
    assert primary(language(said)) == meant.split("-")[0]


@pytest.mark.parametrize(
    "said",
    ["", "d", "xx", "english", "de_DE", "de-", "-de", "1", "x-own", "i-klingon", "de-a", "ｄｅ"],
)
def test_what_names_no_language_is_refused_with_its_field(said: str) -> None:
    with pytest.raises(LanguageNotUsable) as refused:
        language(said, field="/there")
    assert refused.value.field == "/there"


def test_a_tag_is_one_line_of_at_most_35_characters() -> None:
    for said in ("de\n", "de" + "-abcde" * 6):
        with pytest.raises(LanguageNotUsable):
            language(said)
