"""Cosignatures of witnesses (c2sp.org/tlog-cosignature, Ed25519): 'I saw no other history'.

A witness signs a checkpoint after it has checked that this continues the last one it signed, and
tells when. Its signature is one more line under the log's own note.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.audit.checkpoint import Checkpoint
from domain.audit.note import (
    NoteNotValid,
    Verify,
    assert_key,
    key_id,
    note_signatures,
    parse_key,
    print_key,
    signature_line,
)

COSIGNATURE = b"\x04"
_TIME_BYTES, _SIGNATURE_BYTES = 8, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessKey:
    """The name of a witness and the 32 bytes of its public key."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        assert_key(self.name, self.public_key)

    @property
    def printed(self) -> str:
        return print_key(self.name, COSIGNATURE, self.public_key)

    @classmethod
    def parse(cls, printed: str) -> WitnessKey:
        """Raises NoteNotValid."""
        name, public_key = parse_key(printed, COSIGNATURE)
        return cls(name=name, public_key=public_key)

    @property
    def id(self) -> bytes:
        return key_id(self.name, COSIGNATURE, self.public_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosignature:
    """`line` is how it stands under the note, without the newline."""

    witness: WitnessKey
    at: datetime
    line: str


def cosigned_message(checkpoint: Checkpoint, at: datetime) -> bytes:
    """What a witness signs."""
    return f"cosignature/v1\ntime {int(at.timestamp())}\n{checkpoint.text}".encode()


def cosignature_line(key: WitnessKey, at: datetime, signature: bytes) -> str:
    return signature_line(key.name, key.id, int(at.timestamp()).to_bytes(_TIME_BYTES) + signature)


def cosignatures_of(
    note: str, checkpoint: Checkpoint, witnesses: Sequence[WitnessKey], verify: Verify
) -> Sequence[Cosignature]:
    """Those of these witnesses that the note has; NoteNotValid for one that does not hold."""
    known = {(each.name, each.id): each for each in witnesses}
    return [
        _opened(line, known[name, found_id], content, checkpoint, verify)
        for line, name, found_id, content in note_signatures(note)
        if (name, found_id) in known
    ]


def _opened(
    line: str, witness: WitnessKey, content: bytes, checkpoint: Checkpoint, verify: Verify
) -> Cosignature:
    if len(content) != _TIME_BYTES + _SIGNATURE_BYTES:
        raise NoteNotValid("a cosignature is a time and a signature")
    try:
        at = datetime.fromtimestamp(int.from_bytes(content[:_TIME_BYTES]), UTC)
    except (ValueError, OverflowError, OSError):
        raise NoteNotValid("a cosignature is of no time") from None
    message = cosigned_message(checkpoint, at)
    if not verify(witness.public_key, content[_TIME_BYTES:], message):
        raise NoteNotValid(f"the cosignature of {witness.name} does not fit the checkpoint")
    return Cosignature(witness=witness, at=at, line=line)
