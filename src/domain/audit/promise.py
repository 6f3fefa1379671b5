"""A promise: between its commit and its place in the tree, an event is already owed.

As in RFC 6962, section 3.2, whoever was told of an event holds a signature that it will be in the
log within a maximum merge delay. What is promised is the leaf as far as it is known by then: all
but the release numbers, which the sequencer gives.

The text that is signed, as a note (c2sp.org/signed-note):

    strongroom.local/7f…/promise
    event 0193…
    leaf <SHA-256 of the leaf without its numbers, in base64>
    at 2026-11-27T12:00:00.000000Z
    within 60
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from domain.audit.note import (
    NoteNotValid,
    Statement,
    VerifierKey,
    Verify,
    hash_from_base64,
    open_note,
    to_base64,
)

_TEXT = re.compile(
    r"(\S+)/promise\nevent ([0-9a-f-]{36})\nleaf (\S{44})\nat (\S{27})\nwithin ([1-9][0-9]{0,6})\n",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise(Statement):
    """That `event_id` is in `log` by `due`. `leaf_digest` has 32 bytes: see `digest_of`."""

    log: str
    event_id: UUID
    leaf_digest: bytes
    at: datetime
    within: timedelta

    @property
    def due(self) -> datetime:
        return self.at + self.within

    @property
    def text(self) -> str:
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return (
            f"{self.log}/promise\nevent {self.event_id}\nleaf {to_base64(self.leaf_digest)}\n"
            f"at {at}\nwithin {int(self.within.total_seconds())}\n"
        )


def open_promise(note: str, key: VerifierKey, verify: Verify) -> Promise:
    """The promise in a note that the key of its log signed; raises NoteNotValid otherwise."""
    found = _TEXT.fullmatch(open_note(note, key, verify))
    if found is None or found[1] != key.name:
        raise NoteNotValid("the note is not a promise of this log")
    digest = hash_from_base64(found[3])
    try:
        event_id, at = UUID(found[2]), datetime.fromisoformat(found[4])
    except ValueError:
        raise NoteNotValid("the promise names no event, or no time") from None
    if at.tzinfo is None:
        raise NoteNotValid("the promise names no time")
    within = timedelta(seconds=int(found[5]))
    return Promise(log=key.name, event_id=event_id, leaf_digest=digest, at=at, within=within)


def unnumbered(leaf: Mapping[str, object]) -> dict[str, object]:
    """The leaf as it was known when its event was written. RFC 8785 then makes it bytes."""
    listed = leaf["resources"]
    assert isinstance(listed, list)
    return {**leaf, "resources": [{**each, "release_seq": None} for each in listed]}


def digest_of(canonical_leaf: bytes) -> bytes:
    """SHA-256 over the canonical JSON of an unnumbered leaf."""
    return sha256(canonical_leaf).digest()
