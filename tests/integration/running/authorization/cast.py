"""Who tries the operations, and what each of them can name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

import httpx2

from tests.integration.running.people import Person
from tests.integration.running.program import Program

NAMES = {
    "owner": "Asha", "grantee": "Ben", "expired": "Xenia", "revoked": "Rhea", "stranger": "Cara",
    "elsewhere": "Dev", "auditor": "Aldo", "admin": "Ada",
}  # fmt: skip

SHARED, PRIVATE = f"avocet{uuid4().hex[:8]}", f"bittern{uuid4().hex[:8]}"
"""Canaries: in what is Asha's and shared, and in what is hers alone."""

_HERS_ALONE = (
    "conversation_id", "run_id", "message_id", "question_id", "link_id", "event_id", "private_id",
)  # fmt: skip
_SHARED = ("document_id", "record_id", "collection_id", "grant_id", "consent_id")
_SHARED_WITH = ("grantee", "expired", "revoked", "bearer")


@dataclass
class Cast:
    """`own` has what each role has to name where the question is not about it, `things` what is
    Asha's, or between her and this role: its grant is its own. Both by kind of thing.

    `cursors` and `keys` are Asha's, by operation, and `ended` what she named where a key came with
    something that is done once.
    """

    program: Program
    people: dict[str, Person]
    clients: dict[str, httpx2.AsyncClient]
    own: dict[str, dict[str, str]] = field(default_factory=dict)
    things: dict[str, dict[str, str]] = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    ended: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def asha(self) -> Person:
        return self.people["owner"]

    def secrets_from(self, role: str) -> set[str]:
        """What no answer may tell this role: words of content, and ids."""
        if role == "owner":
            return set()
        kinds = _HERS_ALONE if role in _SHARED_WITH else (*_HERS_ALONE, *_SHARED)
        words = {PRIVATE} if role in ("grantee", "bearer") else {PRIVATE, SHARED}
        return words | {self.things["owner"][each] for each in kinds}
