"""The text of a record: every passage lies in one field, and its span is exact."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.record_text import RecordField, laid_out

texts = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1, max_size=2_000
).filter(lambda text: not text.isspace())


@given(st.lists(texts, max_size=6))
def test_every_passage_is_the_bytes_of_its_span_within_its_field(said: list[str]) -> None:
    fields = [
        RecordField(pointer=f"/f{number}", labels=(f"f{number}",), text=text)
        for number, text in enumerate(said)
    ]
    text, chunks = laid_out(fields)
    whole = text.encode()
    for chunk in chunks:
        assert chunk.field is not None
        passage = whole[chunk.start : chunk.end].decode()
        assert passage in said[int(chunk.field.removeprefix("/f"))]
        assert chunk.heading_path == (chunk.field.removeprefix("/"),)
    assert {chunk.field for chunk in chunks} == {each.pointer for each in fields}
