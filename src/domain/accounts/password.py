"""The password: what one may be, and the form in which it is hashed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from domain.accounts.email_address import EmailAddress
from domain.errors import Invalid

CHARACTERS_MIN = 8
CHARACTERS_MAX = 1000


class PasswordTooShort(Invalid):
    """A password needs at least 8 characters."""

    code = "password_too_short"


class PasswordTooLong(Invalid):
    """A password may have at most 1,000 characters."""

    code = "password_too_long"


class PasswordTooCommon(Invalid):
    """This password is among the first that anyone would try; choose another."""

    code = "password_too_common"


class PasswordNotText(Invalid):
    """A password is text: it may not hold NUL or half of a surrogate pair."""

    code = "password_not_text"


@dataclass(frozen=True, slots=True)
class Password:
    """A password as it is hashed: normalized (NFKC), so that keyboards that compose the same
    character differently agree. Its repr tells nothing."""

    text: str = field(repr=False)


def given_password(text: str) -> Password:
    """A password as typed at sign-in. Raises PasswordTooLong or PasswordNotText."""
    if len(text) > CHARACTERS_MAX:
        raise PasswordTooLong(field="/password")
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise PasswordNotText(field="/password")
    return Password(unicodedata.normalize("NFKC", text))


def chosen_password(text: str, email: EmailAddress) -> Password:
    """A password that someone wants to have from now on.

    By NIST SP 800-63B, section 3.1.1: a minimum length, no rules of composition, and a list of
    what is refused because it would be guessed first. Raises beside what `given_password` raises
    PasswordTooShort and PasswordTooCommon.
    """
    password = given_password(text)
    if len(password.text) < CHARACTERS_MIN:
        raise PasswordTooShort(field="/password")
    folded = password.text.casefold()
    if folded in _COMMON or len(set(folded)) == 1 or folded in (email, email.partition("@")[0]):
        raise PasswordTooCommon(field="/password")
    return password


# The head of the published lists of leaked passwords, where long enough; and our own name.
# fmt: off
_COMMON = frozenset({
    "12345678", "123456789", "1234567890", "12345678910", "0123456789", "987654321", "87654321",
    "9876543210", "123123123", "12341234", "11223344", "1q2w3e4r", "1q2w3e4r5t", "1qaz2wsx",
    "1qaz2wsx3edc", "qazwsxedc", "q1w2e3r4", "qwertyui", "qwertyuiop", "qwerty12", "qwerty123",
    "qwerty1234", "qwer1234", "asdfghjkl", "asdf1234", "zxcvbnm1", "zxcvbnm123", "abcd1234",
    "abc12345", "a1b2c3d4", "aa123456", "aa12345678", "password", "password1", "password12",
    "password123", "password1234", "passw0rd", "p@ssw0rd", "p@ssword", "p@ssword1", "p@ssw0rd1",
    "passwort", "password!", "iloveyou", "iloveyou1", "sunshine", "princess", "football",
    "baseball", "basketball", "superman", "starwars", "trustno1", "whatever", "computer",
    "internet", "michelle", "jennifer", "charlie1", "welcome1", "welcome123", "admin123",
    "admin1234", "administrator", "changeme", "changeme1", "letmein1", "letmein123",
    "secret123", "test1234", "testtest", "strongroom", "strongroom1", "strongroom123",
})
# fmt: on
