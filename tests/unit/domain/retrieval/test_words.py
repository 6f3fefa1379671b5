"""Words: the same for a document and a question, however each of them was typed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.words import WORD_CHARACTERS_MAX, count_words, folded, joined, words

WRITTEN = ["aEéßŁøñ' -.,19_", "हिन्दीकाँड़ भाषा", "黑豹队的東京タワー猫々", "สวัสดีครับน้ำ"]
WRITTEN += ["안녕하세요 각", "ёЙИ́", "عَرَبِيّ", "שָׁ"]
ANY = st.characters(max_codepoint=0x2FFFF, exclude_categories=["Cs"])
SCRIPTS = st.text(st.one_of(ANY, *map(st.sampled_from, WRITTEN)), max_size=60)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The Boundary-layer's end", "the boundary layer s end"),
        ("STRASSE Straße", "strasse strasse"),
        ("ﬁle ①", "file 1"),
        ("snake_case 3.5% ICICI1234", "snake case 3 5 icici1234"),
        ("हिन्दी में", "हिन्दी में"),
        ("黑豹", "黑 黑豹 豹"),
        ("308分", "308 分"),
        ("東京タワー", "東 東京 京 京タ タワ ワー"),
        ("ครับ", "ครั รับ"),
        ("안녕 하", "안녕 하"),
        ("co\u00adoperate", "cooperate"),
        ("… — !", ""),
    ],
)
def test_text_is_cut_into_words(text: str, found: str) -> None:
    assert " ".join(words(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Use V1.2.3-rc1, not 1.2.", "v1.2.3.rc1 1.2"),
        ("ERR-4043-B is err_4043_b", "err.4043.b err.4043.b"),
        ("John.Smith@Example.com", "john.smith.example.com"),
        ("2026-02-03, 10:30 or 2026/02/03", "2026.02.03 10.30 2026.02.03"),
        ("1,250.50 or 1,5", "1.250.50 1.5"),
        ("boundary-layer, and/or Node.js, O'Brien", ""),
        ("Größe-42 第3.1条", "grösse.42"),
        ("1,2,3,4,5,6,7,8,9", ""),
        (f"{'a' * 80}.1", "a" * WORD_CHARACTERS_MAX),
    ],
)
def test_what_is_written_together_is_a_word_besides(text: str, found: str) -> None:
    assert " ".join(joined(text)) == found


@pytest.mark.parametrize(
    ("word", "bare"),
    [
        ("résumé", "resume"),
        ("łódź", "lodz"),
        ("ёлка", "елка"),
        ("が", "が"),
        ("हिन्दी", "हिंदी"),
        ("चाँद", "चांद"),
        ("ज़मीन", "जमीन"),
        ("عَرَبِيّ", "عربي"),
        ("각", "각"),
    ],
)
def test_accents_are_taken_off_and_vowel_signs_are_not(word: str, bare: str) -> None:
    assert folded(word) == bare


@given(SCRIPTS)
def test_equivalent_spellings_have_the_same_words(text: str) -> None:
    """UAX 15: what is canonically equivalent is the same text."""
    found = list(words(text))
    assert list(words(unicodedata.normalize("NFD", text))) == found
    assert list(words(unicodedata.normalize("NFC", text))) == found


@given(SCRIPTS)
def test_words_are_found_by_asking_for_them(text: str) -> None:
    """Whatever a document was indexed by is what a question for the same text asks for."""
    asked = count_words(text)
    assert sum(asked.values()) == len(list(words(text))) + len(list(joined(text)))
    for word in asked:
        assert 1 <= len(word.text) <= WORD_CHARACTERS_MAX
        assert word.folded
        assert folded(word.folded) == word.folded
        assert not any(each.isspace() for each in word.text)


@given(SCRIPTS, SCRIPTS)
def test_what_stands_apart_does_not_change_what_stands_beside_it(left: str, right: str) -> None:
    assert list(words(f"{left} . {right}")) == [*words(left), *words(right)]
