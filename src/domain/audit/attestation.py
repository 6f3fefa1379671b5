"""An attestation: the log's key signed what an answer was made from.

The text that is signed, as a note (c2sp.org/signed-note):

    strongroom.local/7f…/answer
    run 0193…
    manifest <SHA-256 of the manifest as canonical JSON (RFC 8785), in base64>
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    r"(\S+)/answer\nrun ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\nmanifest (\S{44})\n",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation(Statement):
    """That the answer of this run, in this log's tenant, was made from this manifest."""

    log: str
    run_id: UUID
    manifest_digest: bytes

    @property
    def text(self) -> str:
        return f"{self.log}/answer\nrun {self.run_id}\nmanifest {to_base64(self.manifest_digest)}\n"


def open_attestation(note: str, key: VerifierKey, verify: Verify) -> Attestation:
    """The attestation in a note that the key of its log signed; raises NoteNotValid otherwise."""
    found = _TEXT.fullmatch(open_note(note, key, verify))
    if found is None or found[1] != key.name:
        raise NoteNotValid("the note attests no answer of this log")
    digest = hash_from_base64(found[3])
    return Attestation(log=key.name, run_id=UUID(found[2]), manifest_digest=digest)


def manifest_digest(canonical_manifest: bytes) -> bytes:
    return sha256(canonical_manifest).digest()
