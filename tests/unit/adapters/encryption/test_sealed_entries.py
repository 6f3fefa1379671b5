"""What passages are found by comes out of its seal as it went in, and in its own place alone."""

from __future__ import annotations

from array import array
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.embedding.half_vectors import NumpyHalfVectors
from adapters.encryption.cipher import AesGcmCipher
from adapters.stemming.snowball import SnowballStems
from application.ports import Tampered
from application.retrieval.sealed_entries import Entries, open_entries, seal_entries
from application.retrieval.sealed_index import SealedEntries
from domain.identity import DocumentId, TenantId, VersionRef
from domain.language import Language
from domain.retrieval.words import weighed

CIPHER, STEMS, HALVES = AesGcmCipher(), SnowballStems(), NumpyHalfVectors()
TENANT = TenantId(UUID(int=1))
VERSION = VersionRef(document_id=DocumentId(UUID(int=2)), version=3)
KEY = CIPHER.new_key()
words = st.lists(
    st.one_of(st.sampled_from(["the", "deposit", "deposits", "café", "押金", "42"]), st.text()),
    max_size=8,
).map(" ".join)


def _sealed(said: list[tuple[str, str]], language: str = "en", first: int = 0) -> bytes:
    return seal_entries(
        CIPHER, KEY, TENANT, VERSION, first,
        said=said,
        fields=None,
        vectors={
            "one": [array("f", [place / 7, 1.0]) for place in range(len(said))],
            "another": [array("f", [place / 9, 0.0, 1.0]) for place in range(len(said))],
        },
        language=Language(language),
        stems=STEMS,
        half_vectors=HALVES,
    )  # fmt: skip


def _stored(sealed: bytes, count: int, first: int = 0) -> SealedEntries:
    return SealedEntries(
        version=VERSION, first=first, passages=list(range(50, 50 + count)), sealed=sealed
    )


def _opened(said: list[tuple[str, str]], language: str = "en") -> Entries:
    return open_entries(CIPHER, KEY, TENANT, _stored(_sealed(said, language), len(said)))


@settings(deadline=None)  # a stemmer is made at the first use
@given(st.lists(st.tuples(words, words), min_size=1, max_size=5), st.sampled_from(["en", "zh"]))
def test_every_lexeme_is_found_in_the_passages_that_have_it_and_nothing_else(
    said: list[tuple[str, str]], language: str
) -> None:
    entries = _opened(said, language)
    configuration = STEMS.configuration(Language(language))
    expected: dict[str, Counter[int]] = {}
    lengths = []
    for place, (text, above) in enumerate(said):
        counted = weighed(text, above)
        lengths.append(
            sum(
                often
                for word, often in counted.items()
                if word.is_counted and STEMS.lexemes(configuration, word)
            )
        )
        for word, often in counted.items():
            for lexeme in STEMS.lexemes(configuration, word):
                expected.setdefault(lexeme, Counter())[place] += often
    assert entries.lengths == lengths
    for lexeme, often in expected.items():
        assert dict(entries.saying(lexeme)) == dict(often)
        assert list(entries.saying(f"{lexeme}x")) == list(expected.get(f"{lexeme}x", {}).items())
    assert set(entries.lexemes(lambda place: True)) == expected.keys()
    seen = {lexeme for lexeme, often in expected.items() if 0 in often}
    assert set(entries.lexemes(lambda place: place == 0)) == seen


def test_vectors_come_back_in_half_precision() -> None:
    entries = _opened([("one", ""), ("two", ""), ("three", "")])
    assert list(entries.vectors) == ["one", "another"]
    dimensions, packed = entries.vectors["one"]
    assert dimensions == 2
    found = HALVES.closeness(packed, array("f", [1.0, 0.0]))
    assert found == pytest.approx([0, 1 / 7, 2 / 7], abs=1e-3)
    assert list(HALVES.vector(packed, 2, 2)) == pytest.approx([2 / 7, 1], abs=1e-3)
    dimensions, packed = entries.vectors["another"]
    assert list(HALVES.vector(packed, 1, dimensions)) == pytest.approx([1 / 9, 0, 1], abs=1e-3)


def test_entries_open_in_their_own_place_and_for_their_own_passages_alone() -> None:
    sealed = _sealed([("one", ""), ("two", "")])
    with pytest.raises(Tampered):
        open_entries(CIPHER, KEY, TENANT, _stored(sealed, 3))
    with pytest.raises(Tampered):
        open_entries(CIPHER, KEY, TENANT, _stored(sealed, 2, first=2))
    with pytest.raises(Tampered):
        open_entries(CIPHER, CIPHER.new_key(), TENANT, _stored(sealed, 2))
    with pytest.raises(Tampered):
        open_entries(CIPHER, KEY, TenantId(UUID(int=9)), _stored(sealed, 2))
