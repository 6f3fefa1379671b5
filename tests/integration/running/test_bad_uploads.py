"""Forms and files that are not what they should be: refused at once, or rejected with a reason."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator

import pytest

from adapters.extraction.samples import pdf_of
from tests.integration.running.conftest import UPLOAD_BYTES_MAX
from tests.integration.running.people import Person, problem_of

PATH = "/v1/documents"
EDGE = "a1b2c3"
FORM = {"Content-Type": f"multipart/form-data; boundary={EDGE}"}
NOT_SUPPORTED = {
    "png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64),
    "exe": b"MZ\x90\x00\x03\x00\x00\x00" + bytes(512),
    "elf": b"\x7fELF\x02\x01\x01" + bytes(512),
    "gzip": b"\x1f\x8b\x08\x00" + bytes(64),
    "jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(64),
    "no unicode": "Аренда".encode("cp1251"),
}
ENCRYPTION = (
    "<< /Filter /Standard /V 1 /R 2 /P -44 /Length 40 "
    f"/O <{'5a' * 32}> /U <{'a5' * 32}> >>"
)  # fmt: skip


@pytest.fixture
async def _nothing_new(asha: Person) -> AsyncIterator[None]:
    before = await asha.everything()
    yield
    assert await asha.everything() == before


def _part(name: str, value: str, extra: str = "") -> str:
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head + value + "\r\n"


FILE = _part("file", "Hello.", '; filename="a.txt"')
END = f"--{EDGE}--\r\n"
BAD_FORMS: dict[str, tuple[str, str]] = {
    "no file": (_part("title", "A title") + END, "/file"),
    "two files": (FILE + FILE + END, "/file"),
    "an unknown field": (FILE + _part("tilte", "A title") + END, "/tilte"),
    "an unknown field before": (_part("tilte", "A title") + FILE + END, "/tilte"),
    "a field twice": (FILE + _part("title", "A") + _part("title", "B") + END, "/title"),
    "another file": (FILE + _part("title", "x", '; filename="b.txt"') + END, "/title"),
    "an empty title": (FILE + _part("title", "") + END, "/title"),
    "a long title": (FILE + _part("title", "x" * 2000) + END, "/title"),
    "NUL in the title": (FILE + _part("title", "a\x00b") + END, "/title"),
    "a wrong choice": (FILE + _part("index_mode", "naked") + END, "/index_mode"),
    "another wrong choice": (FILE + _part("audit", "never") + END, "/audit"),
    "no level of assurance": (FILE + _part("approval", "sms") + END, "/approval"),
    "no language": (FILE + _part("language", "klingon") + END, "/language"),
    "a language that nobody speaks": (FILE + _part("language", "xx") + END, "/language"),
    "an empty language": (FILE + _part("language", "") + END, "/language"),
    "a locale": (FILE + _part("language", "de_DE") + END, "/language"),
    "metadata that is no object": (FILE + _part("metadata", "[1]") + END, "/metadata"),
    "metadata that is no JSON": (FILE + _part("metadata", "{a") + END, "/metadata"),
    "metadata of numbers": (FILE + _part("metadata", '{"a": 1}') + END, "/metadata/a"),
    "an empty file": (_part("file", "", '; filename="a.txt"') + END, "/file"),
    "a long file name": (_part("file", "x", f'; filename="{"n" * 300}"') + END, "/file"),
}


@pytest.mark.usefixtures("_nothing_new")
@pytest.mark.parametrize("what", BAD_FORMS)
async def test_a_bad_form_is_refused_with_the_field(asha: Person, what: str) -> None:
    form, pointer = BAD_FORMS[what]
    answer = await asha.http.post(PATH, content=form.encode(), headers=FORM)
    problem = problem_of(answer, [400])
    assert [each["pointer"] for each in problem["errors"]] == [pointer]


@pytest.mark.usefixtures("_nothing_new")
@pytest.mark.usefixtures("unfailing")
async def test_what_is_no_form_is_refused(asha: Person) -> None:
    whole = (FILE + END).encode()
    broken = [
        b"", b"x", END.encode(), whole[:40], whole[:-6], FILE.encode(), b"--" + whole,
        _part("", "x").encode() + whole, whole.replace(b"form-data", b"attachment"),
        _part("many", "x" * 20_000).encode() + whole,
        b"".join(_part(f"n{at}", "x").encode() for at in range(50)) + whole,
        _part("x" * 10_000, "x").encode() + whole,
    ]  # fmt: skip
    for body in broken:
        answer = await asha.http.post(PATH, content=body, headers=FORM)
        problem_of(answer, [400, 413])
    for sent in ("text/plain", "application/json", "multipart/mixed; boundary=x", ""):
        answer = await asha.http.post(PATH, content=whole, headers={"Content-Type": sent})
        problem_of(answer, [415])
    for sent in ("multipart/form-data", "multipart/form-data; boundary=" + "x" * 500):
        answer = await asha.http.post(PATH, content=whole, headers={"Content-Type": sent})
        problem_of(answer, [400])
    answer = await asha.http.post(PATH, content=whole, headers=FORM | {"Content-Encoding": "gzip"})
    problem_of(answer, [415])


@pytest.mark.usefixtures("_nothing_new")
@pytest.mark.parametrize("kind", [*NOT_SUPPORTED, "zip"])
async def test_a_file_of_another_kind_is_refused_whatever_it_is_called(
    asha: Person, kind: str
) -> None:
    content = NOT_SUPPORTED.get(kind) or _zip()
    answer = await asha.http.post(PATH, files={"file": ("report.pdf", content, "application/pdf")})
    problem = problem_of(answer, [415])
    assert [each["pointer"] for each in problem["errors"]] == ["/file"]


def _compound(stream: str) -> bytes:
    """The beginning of a compound file ([MS-CFB]): header, a sector, and a directory entry."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_016) + stream.encode("utf-16-le") + bytes(64)
    )


@pytest.mark.usefixtures("_nothing_new")
@pytest.mark.parametrize(
    ("stream", "said"),
    [
        ("EncryptedPackage", "The document is protected by a password."),
        ("WordDocument", "The old format DOC is not supported; save the document as DOCX."),
        ("PowerPoint Document", "The old format PPT is not supported; save the document as PPTX."),
        ("Workbook", "The old format XLS is not supported; save the document as XLSX."),
        ("__substg1.0_1000001F", "Text, Markdown, HTML, "),
    ],
)
async def test_a_compound_file_is_refused_with_what_to_do_about_it(
    asha: Person, stream: str, said: str
) -> None:
    begin = _compound(stream)
    for content in (begin, begin[:512] + bytes(200_000) + begin[512:]):
        answer = await asha.http.post(PATH, files={"file": ("report.docx", content)})
        problem = problem_of(answer, [415])
        assert [each["pointer"] for each in problem["errors"]] == ["/file"]
        assert problem["detail"].startswith(said)


@pytest.mark.usefixtures("_nothing_new")
async def test_a_file_that_is_too_large_is_refused_announced_or_not(asha: Person) -> None:
    large = b"a line of text\n" * (UPLOAD_BYTES_MAX // 15 + 1)
    assert len(large) > UPLOAD_BYTES_MAX
    problem_of(await asha.http.post(PATH, files={"file": ("a.txt", large)}), [413])

    async def unannounced() -> AsyncIterator[bytes]:
        yield _part("file", "", '; filename="a.txt"').encode()[:-2]
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]
        yield b"\r\n" + END.encode()

    problem_of(await asha.http.post(PATH, content=unannounced(), headers=FORM), [413])


async def test_a_new_version_is_judged_as_a_first_one(asha: Person) -> None:
    document = await asha.ready("The first version.")
    path, follows = f"{PATH}/{document['id']}/content", {"If-Match": '"1"'}
    for content, status in ((b"", 400), (_zip(), 415), (b"x\n" * UPLOAD_BYTES_MAX, 413)):
        problem_of(await asha.http.put(path, content=content, headers=follows), [status])
    assert await asha.document(document["id"]) == document


@pytest.mark.parametrize("what", ["encrypted", "truncated", "empty inside"])
async def test_a_document_that_cannot_be_read_is_rejected_with_a_reason(
    asha: Person, what: str
) -> None:
    whole = pdf_of([["One line of text."]] * 3)
    contents = {
        "encrypted": whole.replace(b"/Root 1 0 R", f"/Root 1 0 R /Encrypt {ENCRYPTION} "
                                   f"/ID [<{'11' * 16}> <{'11' * 16}>]".encode()),
        "truncated": whole[: len(whole) // 4],
        "empty inside": pdf_of([[]]),
    }  # fmt: skip
    uploaded = await asha.upload(contents[what], filename=f"{what}.pdf")
    found = await asha.until_ended(uploaded["id"])
    assert found["state"] == "rejected", found
    reason = found["state_reason"]
    assert reason[0].isupper(), reason
    assert reason.endswith("."), reason
    assert len(reason.split()) >= 3, reason
    assert found["searchable_version"] is None
    content = await asha.http.get(f"{PATH}/{uploaded['id']}/content")
    assert content.content == contents[what]
    events = await asha.http.get(f"{PATH}/{uploaded['id']}/events")
    assert reason in events.text


async def test_a_file_name_is_never_a_path(asha: Person) -> None:
    for name in ("../../etc/passwd", "C:\\Windows\\system.ini", "/etc/passwd"):
        document = await asha.upload("Only text.", filename=name)
        assert document["filename"] in ("passwd", "system.ini")


def _zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "Hello.")
    return packed.getvalue()
