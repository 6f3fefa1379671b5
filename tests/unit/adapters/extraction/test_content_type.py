"""The type of a file is decided by its bytes."""

from __future__ import annotations

import gzip
import zipfile
from io import BytesIO

import pytest

from adapters.extraction.content_type import (
    DOCX,
    HEAD_BYTES,
    HTML,
    MARKDOWN,
    PDF,
    PLAIN_TEXT,
    PPTX,
    TAIL_BYTES,
    media_type_of,
)
from adapters.extraction.samples import samples


def _archive(*names: str) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return file.getvalue()


def _type(content: bytes) -> str | None:
    return media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])


def test_each_sample_is_what_it_is() -> None:
    for media_type, content in samples().items():
        assert _type(content) == media_type


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(64),
        b"\xff\xd8\xff\xe0" + bytes(64),
        b"MZ\x90\x00" + bytes(64),
        b"\x7fELF\x02" + bytes(64),
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        gzip.compress(b"text"),
        _archive("a.txt"),
        _archive("[Content_Types].xml", "xl/workbook.bin"),
        _archive("[Content_Types].xml", "xl/workbook.xml", "xl/vbaProject.bin"),
        _archive("[Content_Types].xml", "word/document.xml", "word/vbaProject.bin"),
        b"{\\rtf1 text}",
        b"caf\xe9 in latin 1",
        b"text with a \x00 in it",
        "text".encode("utf-32"),
    ],
    ids=str,
)
def test_what_is_not_supported_has_no_type(content: bytes) -> None:
    assert _type(content) is None


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"", PLAIN_TEXT),
        (b"just words\nand more", PLAIN_TEXT),
        (b"- milk\n- eggs\n", PLAIN_TEXT),
        (b"# comment\nkey: value\n- a\n- b\n", PLAIN_TEXT),
        (b"#!/bin/sh\n# say it\necho a\n", PLAIN_TEXT),
        (b"The file begins with %PDF-1.7, they said.", PLAIN_TEXT),
        (b"{json: [1, 2]}", PLAIN_TEXT),
        ("été".encode("utf-16"), PLAIN_TEXT),
        (b"# Title\n\nWords.\n", MARKDOWN),
        (b"Words **strong** and [a link](https://example.org).\n", MARKDOWN),
        (b"|a|b|\n|-|-|\n|1|2|\n\n- x\n- y\n", MARKDOWN),
        (b"<!DOCTYPE html><p>x", HTML),
        (b"<!-- note -->\n<h1 id='a'>x</h1>", HTML),
        (b"\xef\xbb\xbf  <html><body>x</body></html>", HTML),
        (b"\n\njunk %PDF-1.4\n\x00\x01", PDF),
    ],
    ids=str,
)
def test_text_is_told_apart_by_what_it_says(content: bytes, media_type: str) -> None:
    assert _type(content) == media_type


def test_a_head_that_ends_within_a_character_is_still_text() -> None:
    content = b"a" * (HEAD_BYTES - 1) + "é".encode()
    assert _type(content) == PLAIN_TEXT
    assert _type(content[:100] + b"\xc3") is None


def test_office_files_are_known_by_a_directory_that_only_the_tail_holds() -> None:
    for media_type, name in ((DOCX, "word/document.xml"), (PPTX, "ppt/presentation.xml")):
        content = _archive("[Content_Types].xml", name)
        assert media_type_of(content[:40], content[-TAIL_BYTES:]) == media_type
