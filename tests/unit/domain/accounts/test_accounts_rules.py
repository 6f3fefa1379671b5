"""What an email address, a display name and a password may be."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.email_address import EmailAddressNotValid, email_address
from domain.accounts.password import (
    PasswordNotText,
    PasswordTooCommon,
    PasswordTooLong,
    PasswordTooShort,
    chosen_password,
    given_password,
)
from domain.accounts.person import DisplayNameNotValid, display_name

ASHA = email_address("asha@example.org")


@pytest.mark.parametrize(
    "text",
    [
        "asha@example.org",
        "a.b+tag@sub.example.co",
        "o'brien@xn--bcher-kva.example",
        "x" * 64 + "@example.org",
    ],
)
def test_what_browsers_accept_is_an_email_address(text: str) -> None:
    assert email_address(text) == text


def test_case_and_surrounding_space_do_not_tell_people_apart() -> None:
    assert email_address("  Asha@Example.ORG\n") == ASHA


@pytest.mark.parametrize(
    "text",
    [
        "",
        "asha",
        "@example.org",
        "asha@",
        "asha@localhost",
        "asha@-example.org",
        "asha@example-.org",
        "asha@example..org",
        "a b@example.org",
        "asha@example.org\x00",
        "asha@exa\nmple.org",
        "\ud800@example.org",
        "x" * 65 + "@example.org",
        "a@" + "b." * 130 + "org",
        "a@" + "b" * 64 + ".org",
    ],
)
def test_what_is_no_email_address_is_refused_by_name(text: str) -> None:
    with pytest.raises(EmailAddressNotValid) as refused:
        email_address(text)
    assert refused.value.field == "/email"


@given(st.text(max_size=300))
def test_an_accepted_address_is_settled(text: str) -> None:
    try:
        settled = email_address(text)
    except EmailAddressNotValid:
        return
    assert email_address(settled) == settled
    assert settled == settled.lower()
    assert len(settled) <= 254


@pytest.mark.parametrize("text", ["Asha", "Åsa Öberg", "नेहा", "می\u200cخواهم", "李小龍", "Zoë 🙂"])
def test_names_of_many_scripts_are_kept(text: str) -> None:
    assert display_name(f" {text} ") == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "text", ["", "   ", "a\nb", "a\x00b", "\ud800", "Ben\u202egro", "\u2067x", "a" * 101]
)
def test_a_name_cannot_make_a_notice_read_otherwise(text: str) -> None:
    with pytest.raises(DisplayNameNotValid):
        display_name(text)


def test_a_password_of_any_composition_will_do() -> None:
    for text in (
        "tr0ub4dor",
        "        x",
        "правильная лошадь",
        "🙂🙃🙂🙃🙂🙃🙂🙃",
        "a" * 999 + "b",
    ):
        assert chosen_password(text, ASHA).text == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("seven77", PasswordTooShort),
        ("x" * 1001, PasswordTooLong),
        ("Password123", PasswordTooCommon),
        ("aaaaaaaaaaaa", PasswordTooCommon),
        ("ASHA@example.org", PasswordTooCommon),
        ("Strongroom", PasswordTooCommon),
        ("long enough \x00", PasswordNotText),
        ("long enough \udfff", PasswordNotText),
    ],
)
def test_a_password_that_would_be_guessed_or_lost_is_refused(
    text: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        chosen_password(text, ASHA)


def test_keyboards_that_compose_differently_give_the_same_password() -> None:
    assert given_password("caf\u00e9 \ufb01sh") == given_password("cafe\u0301 fish")


def test_a_password_does_not_show_itself() -> None:
    assert "hunter" not in repr(given_password("hunter2 hunter2"))
