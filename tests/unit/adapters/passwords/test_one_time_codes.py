"""One-time codes are those of RFC 6238, which other people's apps compute too."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.passwords.one_time import PyotpCodes
from adapters.tokens.recovery_codes import RandomRecoveryCodes
from domain.accounts.totp import is_recovery_code, is_time_code

CODES = PyotpCodes()
SECRET = base64.b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("seconds", "eight_digits"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_the_vectors_of_rfc_6238_hold(seconds: int, eight_digits: str) -> None:
    """Appendix B, SHA-1. Six digits are the last six of eight (RFC 4226, section 5.3)."""
    code = CODES.code_at(SECRET, seconds // 30)
    assert code == eight_digits[-6:]
    assert is_time_code(code)


def test_an_app_is_told_the_secret_the_account_and_who_asks() -> None:
    uri = urlsplit(CODES.uri(SECRET, "asha+vault@example.org"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/Strongroom:asha%2Bvault%40example.org"
    assert parse_qs(uri.query) == {"secret": [SECRET], "issuer": ["Strongroom"]}


def test_a_secret_has_160_random_bits() -> None:
    made = {CODES.new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b32decode(each)) for each in made} == {20}


def test_recovery_codes_are_long_and_never_the_same() -> None:
    codes = RandomRecoveryCodes()
    made = {codes.new() for _ in range(100)}
    assert len(made) == 100
    assert all(is_recovery_code(each) for each in made)
    assert len({codes.hash(each) for each in made}) == 100
