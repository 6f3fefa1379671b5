"""Mail: who wrote to whom, what, and what was attached, each part by its IMAP number."""

from __future__ import annotations

import email.policy
from email.message import EmailMessage

import pytest

from adapters.extraction.content_type import EML, HEAD_BYTES, TAIL_BYTES, media_type_of
from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.sample_sheets import xlsx_of
from adapters.extraction.samples import pdf_of
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import DocumentRejected

_PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def _message(subject: str = "Grüße") -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"] = subject, "Jürgen <j@example.org>"
    message["To"], message["Date"] = "b@example.org", "Tue, 03 Feb 2026 10:00:00 +0100"
    return message


def _read(message: EmailMessage | bytes, **limits: int) -> ExtractedText:
    raw = message if isinstance(message, bytes) else message.as_bytes(policy=email.policy.SMTP)
    assert media_type_of(raw[:HEAD_BYTES], raw[-TAIL_BYTES:]) == EML
    return extract_any(raw, EML, ExtractionLimits(**limits))


def _blocks(extracted: ExtractedText) -> list[tuple[str, int, str, str | None]]:
    return [
        (block.kind.value, block.level, extracted.text[block.start : block.end], block.place.part)
        for block in extracted.blocks
    ]


_HEADER = "From: Jürgen <j@example.org>\nTo: b@example.org\nDate: Tue, 03 Feb 2026 10:00:00 +0100"


@pytest.mark.parametrize("cte", ["quoted-printable", "base64", "8bit"])
@pytest.mark.parametrize("charset", ["latin-1", "utf-8", "windows-1252"])
def test_a_plain_message_is_its_header_and_its_text(charset: str, cte: str) -> None:
    message = _message()
    message.set_content("Hällo.\n\nZwei.\n", charset=charset, cte=cte)
    assert _blocks(_read(message)) == [
        ("heading", 1, "Grüße", None),
        ("paragraph", 0, _HEADER, None),
        ("paragraph", 0, "Hällo.", "1"),
        ("paragraph", 0, "Zwei.", "1"),
    ]


def test_of_alternatives_the_richest_is_read_and_images_within_it_say_nothing() -> None:
    message = _message()
    message.set_content("plain")
    message.add_alternative("<h1>Rich</h1><p>text <img src=cid:i></p>", subtype="html")
    message.get_payload()[1].add_related(_PNG, "image", "png", cid="<i>", filename="i.png")  # type: ignore[union-attr,index]
    assert _blocks(_read(message))[2:] == [
        ("heading", 2, "Rich", "2.1"),
        ("paragraph", 0, "text", "2.1"),
    ]
    message = _message()
    message.set_content("plain")
    message.add_alternative("<script>x</script>", subtype="html")
    assert _blocks(_read(message))[2:] == [("paragraph", 0, "plain", "1")]


def test_attachments_are_read_by_their_content_with_all_their_places() -> None:
    inner = _message("Inner")
    inner.set_content("inner words")
    inner.add_attachment("a,b\n1,2\n", subtype="csv", filename="t.csv")
    message = _message("Outer")
    message.set_content("see below")
    attached = xlsx_of({"Prices": [["Item", "Price"], ["Chair", "12"]]})
    message.add_attachment(attached, "application", "octet-stream", filename="préis.bin")
    message.add_attachment(pdf_of([["Page one."], ["Page two."]]), "image", "png", filename="x.png")
    message.add_attachment(inner)
    message.add_attachment(_PNG, "image", "png", filename="photo.png")
    message.add_attachment(b"PK\x03\x04" + bytes(50), "application", "zip", filename="a.zip")
    extracted = _read(message)
    assert _blocks(extracted)[2:] == [
        ("paragraph", 0, "see below", "1"),
        ("heading", 2, "préis.bin", "2"),
        ("heading", 3, "Prices", "2"),
        ("table_row", 0, "Item | Price", "2"),
        ("table_row", 0, "Item: Chair | Price: 12", "2"),
        ("heading", 2, "x.png", "3"),
        ("paragraph", 0, "Page one.", "3"),
        ("paragraph", 0, "Page two.", "3"),
        ("heading", 2, "Inner", "4"),
        ("paragraph", 0, _HEADER, "4"),
        ("paragraph", 0, "inner words", "4.1"),
        ("heading", 3, "t.csv", "4.2"),
        ("table_row", 0, "a | b", "4.2"),
        ("table_row", 0, "a: 1 | b: 2", "4.2"),
        ("paragraph", 0, "Attachment: photo.png", "5"),
        ("paragraph", 0, "Attachment: a.zip", "6"),
    ]
    places = {extracted.text[b.start : b.end]: b.place for b in extracted.blocks}
    assert places["Item: Chair | Price: 12"].known() == {"sheet": "Prices", "row": 2, "part": "2"}
    assert places["Page two."].known() == {"page": 2, "part": "3"}


def test_a_raw_message_of_another_age_is_read() -> None:
    raw = (
        b"Received: by x\r\nFROM: =?iso-8859-1?q?J=FCrgen?= <j@x>\r\nSubject: =?x-unknown?q?a?=\r\n"
        b" folded\r\nContent-Type: text/plain; charset=punycode\r\n\r\ncaf\xe9 \x80\r\n"
    )
    extracted = _read(raw)
    assert extracted.text == "a folded\n\nFrom: Jürgen <j@x>\n\ncafé €"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "a note"),
        (b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nlost", "a note"),
        (b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\ncut short", "cut short"),
        (b"Content-Transfer-Encoding: base64\r\n\r\n!!!SGk=", "Hi"),
        (b"Content-Transfer-Encoding: x-own\r\n\r\nwords", "a note"),
        (b"Content-Type: text/plain; charset*=a\x00b''c\r\n\r\nwords", "words"),
        (b"Content-Disposition: inline; filename*=a\x00b''c\r\n\r\nwords", "words"),
    ],
)
def test_what_is_broken_is_read_as_far_as_it_goes(raw: bytes, said: str) -> None:
    message = b"From: \r\nDate: \r\nSubject: a note\r\n" + raw + (b"" if raw else b"\r\n")
    assert media_type_of(message) == EML
    assert extract_any(message, EML, ExtractionLimits()).text.endswith(said)


def _nested(levels: int) -> bytes:
    head = b"From: a@x\nDate: x\nTo: b@x\nContent-Type: %s\n\n"
    message = head % b"text/plain" + b"deep"
    for _ in range(levels):
        message = head % b"message/rfc822" + message
    return message


def test_nesting_parts_and_headers_are_limited() -> None:
    assert _read(_nested(20)).text.endswith("deep")
    with pytest.raises(DocumentRejected, match="more than 30 levels"):
        _read(_nested(1_000))
    message = _message()
    message.set_content("x")
    for _ in range(5):
        message.add_attachment("y", filename="y.txt")
    with pytest.raises(DocumentRejected, match="more than 5 parts"):
        _read(message, message_parts_max=5)
    long = b"From: a@x\nDate: x\nTo: b@x\n" + b"X: y\n" * 60_000
    with pytest.raises(DocumentRejected, match="more than 262,144 bytes in one header"):
        _read(long + b"\nx")
