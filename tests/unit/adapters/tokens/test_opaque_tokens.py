"""Opaque tokens name their kind and their tenant, and nothing else."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tokens.opaque_tokens import GRANT, LINK, REFRESH, PrefixedTokens
from domain.identity import TenantId

KINDS = {prefix: PrefixedTokens(prefix=prefix) for prefix in (REFRESH, GRANT, LINK)}
TOKENS = KINDS[REFRESH]
TENANT = TenantId(UUID(int=7))


@given(st.uuids(), st.sampled_from(sorted(KINDS)))
def test_a_token_tells_its_tenant_and_its_hash(tenant: UUID, prefix: str) -> None:
    new = KINDS[prefix].new(TenantId(tenant))
    read = KINDS[prefix].read(new.text)
    assert read is not None
    assert read.tenant_id == tenant
    assert read.hash == new.hash == hashlib.sha256(new.text.encode()).digest()


def test_a_token_is_recognisable_and_long_and_never_the_same() -> None:
    made = {TOKENS.new(TENANT).text for _ in range(100)}
    assert len(made) == 100
    assert {(text[:4], len(text)) for text in made} == {("srr_", 76)}
    assert "srr_" not in repr(TOKENS.new(TENANT))


def test_a_token_of_one_kind_is_none_of_another() -> None:
    for prefix, tokens in KINDS.items():
        text = tokens.new(TENANT).text
        for other, others in KINDS.items():
            assert (others.read(text) is None) == (other != prefix)
            assert other == prefix or others.read(other + text.removeprefix(prefix)) is None


def test_a_scanner_can_tell_a_token_by_its_checksum() -> None:
    """What a scanner would do, written down a second time."""
    text = TOKENS.new(TENANT).text
    content = urlsafe_b64decode(text[4:])
    assert hashlib.sha256(b"srr_" + content[:-6]).digest()[:6] == content[-6:]


@given(st.integers(0, 71), st.sampled_from("abcXYZ019-_"))
def test_one_mistyped_character_is_noticed_without_asking_anybody(at: int, typed: str) -> None:
    text = TOKENS.new(TENANT).text
    changed = text[: 4 + at] + typed + text[5 + at :]
    assert (TOKENS.read(changed) is None) == (changed != text)


@given(st.text(max_size=90) | st.from_regex(r"srr_[A-Za-z0-9_=+/ -]{0,80}"))
def test_what_is_no_token_is_none(text: str) -> None:
    assert TOKENS.read(text) is None


@pytest.mark.parametrize("change", ["{}=", " {}", "{}\n", "x{}"])
def test_a_token_has_one_spelling(change: str) -> None:
    assert TOKENS.read(change.format(TOKENS.new(TENANT).text)) is None
