"""Refresh tokens name their tenant, and nothing else."""

from __future__ import annotations

import hashlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tokens.refresh_tokens import OpaqueRefreshTokens
from domain.accounts.session import RefreshTokenNotValid
from domain.identity import TenantId

TOKENS = OpaqueRefreshTokens()
TENANT = TenantId(UUID(int=7))


@given(st.uuids())
def test_a_token_tells_its_tenant_and_its_hash(tenant: UUID) -> None:
    new = TOKENS.new(TenantId(tenant))
    read = TOKENS.read(new.text)
    assert read.tenant_id == tenant
    assert read.hash == new.hash == hashlib.sha256(new.text.encode()).digest()


def test_a_token_is_recognisable_and_long_and_never_the_same() -> None:
    made = {TOKENS.new(TENANT).text for _ in range(100)}
    assert len(made) == 100
    assert {(text[:4], len(text)) for text in made} == {("srr_", 68)}
    assert "srr_" not in repr(TOKENS.new(TENANT))


@given(st.text(max_size=80) | st.from_regex(r"srr_[A-Za-z0-9_=+/ -]{0,70}"))
def test_what_is_no_token_is_refused_or_read_to_the_letter(text: str) -> None:
    try:
        read = TOKENS.read(text)
    except RefreshTokenNotValid:
        return
    assert read.hash == hashlib.sha256(text.encode()).digest()
    assert len(text) == 68


@pytest.mark.parametrize("change", ["{}=", " {}", "{}\n", "x{}"])
def test_a_token_has_one_spelling(change: str) -> None:
    with pytest.raises(RefreshTokenNotValid):
        TOKENS.read(change.format(TOKENS.new(TENANT).text))
