"""The email address: the name under which a person signs in."""

from __future__ import annotations

import re
from typing import NewType

from domain.errors import Invalid

EmailAddress = NewType("EmailAddress", str)
"""Valid and in lower case: two people of a tenant never share one."""

CHARACTERS_MAX = 254


class EmailAddressNotValid(Invalid):
    """This is not an email address: it should look like name@example.org."""

    code = "email_address_not_valid"


def email_address(text: str) -> EmailAddress:
    """Raises EmailAddressNotValid.

    What counts is the definition that browsers use (HTML, "valid email address"), with a dot in
    the domain and the lengths of RFC 5321. Case is dropped: no provider in use tells mailboxes
    apart by it, and a second account that differs in case would be a trap.
    """
    trimmed = text.strip(_WHITESPACE)
    local, _, domain = trimmed.rpartition("@")
    if len(trimmed) > CHARACTERS_MAX or len(local) > _LOCAL_CHARACTERS_MAX:
        raise EmailAddressNotValid(field="/email")
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise EmailAddressNotValid(field="/email")
    return EmailAddress(trimmed.lower())


_WHITESPACE = " \t\n\f\r"
_LOCAL_CHARACTERS_MAX = 64
_LOCAL = re.compile(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+")
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
