"""Texts in other encodings than UTF-8 are read where they tell which, and refused elsewhere."""

from __future__ import annotations

import pytest

from adapters.extraction.content_type import (
    CSV,
    HEAD_BYTES,
    HTML,
    PDF,
    PLAIN_TEXT,
    TAIL_BYTES,
    media_type_of,
)
from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.unsupported import SUPPORTED, why_unsupported
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import NOT_UNICODE, DocumentRejected

GERMAN = "Grüße aus Köln: das Haus kostet 1.250 € – im Monat."
RUSSIAN = "Аренда квартиры заканчивается в марте."


def _type(content: bytes) -> str | None:
    return media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])


def _read(content: bytes, media_type: str) -> ExtractedText:
    assert _type(content) == media_type
    return extract_any(content, media_type, ExtractionLimits())


def _page(charset: str, said: str) -> str:
    return f"<!DOCTYPE html><html><head><meta charset={charset}></head><body><p>{said}</p>"


def test_western_text_without_a_name_is_read() -> None:
    read = _read(GERMAN.encode("cp1252"), PLAIN_TEXT)
    assert read.text == GERMAN
    (block,) = read.blocks
    assert read.text.encode()[: len(GERMAN.encode())].decode() == GERMAN
    assert read.text[block.start : block.end] == GERMAN
    assert _read("a\u00e9".encode("latin-1") * 2 + b"\nwords", PLAIN_TEXT).text == "aéaé\nwords"
    table = _read("Straße;Ort\nAm Fluß;Köln\nAllee;Bonn\n".encode("cp1252"), CSV)
    assert "Am Fluß" in table.text


def test_western_text_may_show_itself_after_the_head() -> None:
    content = b"word " * HEAD_BYTES + "Köln".encode("latin-1")
    assert _read(content, PLAIN_TEXT).text.endswith("word Köln")


@pytest.mark.parametrize(
    ("charset", "codec", "said"),
    [
        ("iso-8859-1", "cp1252", GERMAN),
        ("'windows-1251'", "cp1251", RUSSIAN),
        ('"KOI8-R"', "koi8-r", RUSSIAN),
        ("Shift_JIS", "cp932", "三月に契約が終わります。"),
        ("gb2312", "gb18030", "合同三月到期。"),
        ("euc-kr", "cp949", "계약은 삼월에 끝난다."),
        ("utf-8", "cp1252", GERMAN),
        ("klingon", "cp1252", GERMAN),
    ],
)
def test_a_page_is_read_in_the_encoding_that_it_declares(
    charset: str, codec: str, said: str
) -> None:
    assert _read(_page(charset, said).encode(codec), HTML).text == said


def test_a_page_in_utf_8_is_that_whatever_it_declares() -> None:
    assert _read(_page("iso-8859-1", RUSSIAN).encode(), HTML).text == RUSSIAN


@pytest.mark.parametrize(
    "content",
    [
        RUSSIAN.encode("cp1251"),
        "三月に契約が終わります。".encode("shift_jis"),
        GERMAN.encode("utf-16-le"),
        GERMAN.encode("utf-16-be"),
        GERMAN.encode("utf-32"),
        GERMAN.encode()[:-3] + b"\xe2\x80",
        b"words \x81 and words",
    ],
    ids=["cp1251", "shift_jis", "utf-16-le", "utf-16-be", "utf-32", "cut off", "no letter"],
)
def test_text_whose_encoding_cannot_be_told_is_refused_as_that(content: bytes) -> None:
    assert _type(content) is None
    assert why_unsupported(content, content) == NOT_UNICODE


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(64), b"MZ\x90\x00" + bytes(64), bytes(range(256)) * 9, bytes(99)],
    ids=["png", "exe", "all bytes", "zeros"],
)
def test_what_is_no_text_is_not_taken_for_one(content: bytes) -> None:
    assert _type(content) is None
    assert why_unsupported(content, content) == SUPPORTED


def test_a_pdf_with_something_before_it_is_no_western_text() -> None:
    assert _type(b"caf\xe9\n%PDF-1.4\nwords") == PDF


def test_text_that_is_damaged_after_the_head_is_rejected() -> None:
    content = b"word " * HEAD_BYTES + RUSSIAN.encode() + b"\xd0"
    assert _type(content) == PLAIN_TEXT
    with pytest.raises(DocumentRejected, match="not written in"):
        extract_any(content, PLAIN_TEXT, ExtractionLimits())
