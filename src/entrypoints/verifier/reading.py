"""Signatures, canonical JSON and files of bounded size, with the standard library's means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.audit.note import NoteNotValid, VerifierKey
from entrypoints.verifier.findings import NotChecked

BYTES_MAX = 4 * 1024 * 1024


def ed25519_verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """RFC 8032."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def canonical(value: Any) -> bytes:
    """RFC 8785, for what leaves are made of: texts, whole numbers, null, lists and objects whose
    names are ASCII. For anything else it gives other bytes than the service, so nothing holds."""
    written = json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    return written.encode()


def read_key(given: str) -> VerifierKey:
    """Printed, or the file that it is in. Raises NotChecked for what is neither: whoever asked has
    mistaken themselves, and nothing is known of the log."""
    if not given:
        raise NotChecked("the log's key is missing: --key")
    is_printed = "+" in given and not Path(given).is_file()
    try:
        return VerifierKey.parse(given if is_printed else read_text(Path(given)))
    except (NoteNotValid, UnicodeDecodeError) as wrong:
        raise NotChecked(f"the log's key is none: {wrong}") from None


def read_text(path: Path) -> str:
    """Raises NotChecked where there is no such file, or a very large one."""
    try:
        with path.open("rb") as file:
            content = file.read(BYTES_MAX + 1)
    except OSError as absent:
        raise NotChecked(f"{path} cannot be read: {absent.strerror}") from None
    if len(content) > BYTES_MAX:
        raise NotChecked(f"{path} is larger than {BYTES_MAX} bytes")
    return content.decode()
