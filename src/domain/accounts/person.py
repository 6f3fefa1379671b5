"""The person: somebody with an account in one tenant."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from domain.accounts.email_address import EmailAddress
from domain.errors import Conflict, Invalid, NotAllowed, NotAuthenticated, NotFound
from domain.identity import PersonId, Role

DisplayName = NewType("DisplayName", str)
"""Trimmed, composed (NFC), and without characters that change how what follows is read."""

DISPLAY_NAME_CHARACTERS_MAX = 100


class DisplayNameNotValid(Invalid):
    """A display name has 1 to 100 characters in one line, without control characters."""

    code = "display_name_not_valid"


class EmailTaken(Conflict):
    """There is an account with this email address already."""

    code = "email_taken"


class SignUpClosed(NotAllowed):
    """Nobody can sign up here by themselves; ask an administrator."""

    code = "sign_up_closed"


class CredentialsWrong(NotAuthenticated):
    """The email address or the password is wrong."""

    code = "credentials_wrong"


class PasswordWrong(NotAllowed):
    """This is not the password of this account."""

    code = "password_wrong"


class PersonUnknown(NotFound):
    """Nobody has an account with this email address there."""

    code = "person_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An account: in one tenant, with one role."""

    id: PersonId
    email: EmailAddress
    display_name: DisplayName
    role: Role
    created_at: datetime


def display_name(text: str) -> DisplayName:
    """Raises DisplayNameNotValid.

    Names are shown to other people, inside the notices that they consent to. A direction
    override in one could make a notice read otherwise than it says; joiners, which many scripts
    need, stay allowed.
    """
    composed = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(composed) <= DISPLAY_NAME_CHARACTERS_MAX:
        raise DisplayNameNotValid(field="/display_name")
    for character in composed:
        if unicodedata.category(character) in _UNPRINTABLE or character in _DIRECTIONS:
            raise DisplayNameNotValid(field="/display_name")
    return DisplayName(composed)


_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
