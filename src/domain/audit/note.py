"""Signed notes (c2sp.org/signed-note) with one Ed25519 key, and the key in its printed form."""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from domain.audit.tree import HASH_BYTES

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
        assert_key(self.name, self.public_key)

    @property
    def id(self) -> bytes:
        return key_id(self.name, _ED25519, self.public_key)

    @property
    def printed(self) -> str:
        """`name+id+key`, as Go's golang.org/x/mod/sumdb/note prints and reads it."""
        return print_key(self.name, _ED25519, self.public_key)

    @classmethod
    def parse(cls, printed: str) -> VerifierKey:
        name, public_key = parse_key(printed, _ED25519)
        return cls(name=name, public_key=public_key)


def assert_key(name: str, public_key: bytes) -> None:
    """Raises NoteNotValid."""
    if not name or "+" in name or len(name.split()) != 1:
        raise NoteNotValid("the name of a key has neither spaces nor a plus sign")
    if len(public_key) != _KEY_BYTES:
        raise NoteNotValid(f"an Ed25519 public key has {_KEY_BYTES} bytes")


def key_id(name: str, algorithm: bytes, public_key: bytes) -> bytes:
    """4 bytes that tell keys apart; `algorithm` is one byte."""
    named = name.encode() + b"\n" + algorithm + public_key
    return sha256(named).digest()[:_KEY_ID_BYTES]


def print_key(name: str, algorithm: bytes, public_key: bytes) -> str:
    found_id = key_id(name, algorithm, public_key).hex()
    return f"{name}+{found_id}+{to_base64(algorithm + public_key)}"


def parse_key(printed: str, algorithm: bytes) -> tuple[str, bytes]:
    """The name and the public key. Raises NoteNotValid, also for a key of another algorithm."""
    parts = printed.strip().split("+", 2)
    if len(parts) != 3:
        raise NoteNotValid("a key is printed as name+id+key")
    name, printed_id, encoded = parts
    key = from_base64(encoded)
    if key[:1] != algorithm or len(key) != 1 + _KEY_BYTES:
        raise NoteNotValid("this is not a key of the kind that is wanted here")
    if key_id(name, algorithm, key[1:]).hex() != printed_id:
        raise NoteNotValid("the key does not have the id that is printed with it")
    return name, key[1:]


class Statement(ABC):
    """Something that the key of a log signs, as a note."""

    __slots__ = ()

    @property
    @abstractmethod
    def text(self) -> str:
        """What is signed, up to and with the newline that ends it."""

    def signed(self, key: VerifierKey, signature: bytes) -> str:
        """The signed note, given the signature over `text` in UTF-8."""
        return signed_note(self.text, key, signature)


def signed_note(text: str, key: VerifierKey, signature: bytes) -> str:
    """The note of `text`, which ends in a newline, and its signature of 64 bytes."""
    return f"{text}\n{signature_line(key.name, key.id, signature)}\n"


def signature_line(name: str, found_id: bytes, content: bytes) -> str:
    """Without its newline."""
    return f"{_DASH}{name} {to_base64(found_id + content)}"


def open_note(note: str, key: VerifierKey, verify: Verify) -> str:
    """The text of a note that `key` signed; signatures of other keys are ignored.

    Raises NoteNotValid where the note is malformed or no signature of this key holds.
    """
    text, signatures = _parts(note)
    held = [_is_signed(text, each, key, verify) for each in signatures]
    if True not in held:
        raise NoteNotValid(f"the note is not signed by {key.name}")
    return text


Signature = tuple[str, str, bytes, bytes]
"""The line, the name and the id of the key, and what the signature is made of."""


def note_signatures(note: str) -> Sequence[Signature]:
    """All of them, whoever's they are and whether they hold or not. Raises NoteNotValid."""
    return _parts(note)[1]


def _parts(note: str) -> tuple[str, Sequence[Signature]]:
    if len(note.encode()) > NOTE_BYTES_MAX or any(c < " " and c != "\n" for c in note):
        raise NoteNotValid("the note is too long or has control characters")
    text, blank, signatures = note.rpartition("\n\n")
    lines = signatures.split("\n")
    if not blank or lines.pop() != "" or not 1 <= len(lines) <= SIGNATURES_MAX:
        raise NoteNotValid("the note has no signatures")
    return text + "\n", [_signature(line) for line in lines]


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


def hash_from_base64(encoded: str) -> bytes:
    """Of SHA-256. Raises NoteNotValid."""
    content = from_base64(encoded)
    if len(content) != HASH_BYTES:
        raise NoteNotValid("something is not a hash")
    return content


def _signature(line: str) -> Signature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space:
        raise NoteNotValid("a signature line is malformed")
    content = from_base64(encoded)
    return line, name, content[:_KEY_ID_BYTES], content[_KEY_ID_BYTES:]


def _is_signed(text: str, signature: Signature, key: VerifierKey, verify: Verify) -> bool:
    """False for another key's signature; a bad one of this key spoils the whole note."""
    _, name, found_id, content = signature
    if (name, found_id) != (key.name, key.id):
        return False
    if len(content) != _SIGNATURE_BYTES or not verify(key.public_key, content, text.encode()):
        raise NoteNotValid("the signature does not fit the text")
    return True
