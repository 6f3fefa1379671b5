"""Passages at rest: all that names content is sealed, and rows from before places still open."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from adapters.encryption.cipher import AesGcmCipher
from application.ports import Tampered
from application.retrieval.ports import SealedPassage
from application.retrieval.sealed_passages import open_passage, seal_passage
from domain.identity import DocumentId, TenantId, VersionRef
from domain.place import Place

CIPHER = AesGcmCipher()
KEY = CIPHER.new_key()
TENANT = TenantId(UUID(int=1))
VERSION = VersionRef(document_id=DocumentId(UUID(int=2)), version=3)


def _row(sealed: bytes, **columns: Any) -> SealedPassage:
    named = {"ordinal": 0, "start": 0, "end": 4, "page": None, **columns}
    return SealedPassage(version=VERSION, sealed=sealed, **named)


def test_places_are_sealed_with_the_text() -> None:
    places = [(0, Place(sheet="Löhne", row=2)), (3, Place(part="2.1", pointer="/a"))]
    sealed = seal_passage(
        CIPHER, KEY, TENANT, VERSION, 0, title="T", heading_path=["H"], text="text", places=places
    )
    opened = open_passage(CIPHER, KEY, TENANT, _row(sealed))
    assert (opened.title, opened.heading_path, opened.text) == ("T", ("H",), "text")
    assert list(opened.places) == places
    assert opened.place == places[0][1]
    with pytest.raises(Tampered):
        open_passage(CIPHER, KEY, TENANT, _row(sealed, ordinal=1))


@pytest.mark.parametrize("page", [None, 3])
def test_a_row_from_before_places_is_on_the_page_of_its_column(page: int | None) -> None:
    context = (TENANT.bytes, VERSION.document_id.bytes, (3).to_bytes(4), b"passage", bytes(4))
    payload = json.dumps(["T", [], "text"]).encode()
    row = _row(CIPHER.seal(KEY, payload, context), page=page)
    assert open_passage(CIPHER, KEY, TENANT, row).place == Place(page=page)
