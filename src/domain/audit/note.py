"""Signed notes (c2sp.org/signed-note) with one Ed25519 key, and the key in its printed form."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

Verify = Callable[[bytes, bytes, bytes], bool]
"""`verify(public_key, signature, message)`: whether an Ed25519 (RFC 8032) signature holds."""

NOTE_BYTES_MAX = 64 * 1024
SIGNATURES_MAX = 64
_ED25519 = b"\x01"
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_SIGNATURE_BYTES = 64
_DASH = "— "


class NoteNotValid(Exception):
    """A note, a key or what a note says is malformed, or is not signed by the key that was given.

    Not a refusal: nobody asked for it, something was altered.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifierKey:
    """The name of a log and the 32 bytes of its public key."""

    name: str
    public_key: bytes

    def __post_init__(self) -> None:
        if not self.name or "+" in self.name or len(self.name.split()) != 1:
            raise NoteNotValid("the name of a key has neither spaces nor a plus sign")
        if len(self.public_key) != _KEY_BYTES:
            raise NoteNotValid(f"an Ed25519 public key has {_KEY_BYTES} bytes")

    @property
    def id(self) -> bytes:
        named = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return sha256(named).digest()[:_KEY_ID_BYTES]

    @property
    def printed(self) -> str:
        """`name+id+key`, as Go's golang.org/x/mod/sumdb/note prints and reads it."""
        return f"{self.name}+{self.id.hex()}+{to_base64(_ED25519 + self.public_key)}"

    @classmethod
    def parse(cls, printed: str) -> VerifierKey:
        parts = printed.strip().split("+", 2)
        if len(parts) != 3:
            raise NoteNotValid("a key is printed as name+id+key")
        name, key_id, encoded = parts
        key = from_base64(encoded)
        if key[:1] != _ED25519:
            raise NoteNotValid("this is not an Ed25519 key")
        parsed = cls(name=name, public_key=key[1:])
        if parsed.id.hex() != key_id:
            raise NoteNotValid("the key does not have the id that is printed with it")
        return parsed


def signed_note(text: str, key: VerifierKey, signature: bytes) -> str:
    """The note of `text`, which ends in a newline, and its signature of 64 bytes."""
    return f"{text}\n{_DASH}{key.name} {to_base64(key.id + signature)}\n"


def open_note(note: str, key: VerifierKey, verify: Verify) -> str:
    """The text of a note that `key` signed; signatures of other keys are ignored.

    Raises NoteNotValid where the note is malformed or no signature of this key holds.
    """
    if len(note.encode()) > NOTE_BYTES_MAX or any(c < " " and c != "\n" for c in note):
        raise NoteNotValid("the note is too long or has control characters")
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or lines.pop() != "" or not 1 <= len(lines) <= SIGNATURES_MAX:
        raise NoteNotValid("the note has no signatures")
    text += "\n"
    held = [_is_signed(text, line, key, verify) for line in lines]
    if True not in held:
        raise NoteNotValid(f"the note is not signed by {key.name}")
    return text


def to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def from_base64(encoded: str) -> bytes:
    """RFC 4648, section 4, in the one form that encoding gives; else NoteNotValid."""
    try:
        content = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise NoteNotValid("something is not base64") from None
    if to_base64(content) != encoded:
        raise NoteNotValid("something is not base64 in its one form")
    return content


def _is_signed(text: str, line: str, key: VerifierKey, verify: Verify) -> bool:
    """False for another key's signature; a bad one of this key spoils the whole note."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NoteNotValid("a signature line is malformed")
    signed = from_base64(encoded)
    key_id, signature = signed[:_KEY_ID_BYTES], signed[_KEY_ID_BYTES:]
    if (name, key_id) != (key.name, key.id):
        return False
    if len(signature) != _SIGNATURE_BYTES or not verify(key.public_key, signature, text.encode()):
        raise NoteNotValid("the signature does not fit the text")
    return True
