"""The keyring as a JSON document; byte strings are in base64.

    {"format": "strongroom-keyring-1", "keys": {"active", "root", "signing", "derivation"}}
    {"format": "strongroom-keyring-1", "sealed": {"cost", "salt", "ciphertext"}}

The second is what a passphrase makes of the first: `ciphertext` is `keys` under AES-256-GCM.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from adapters.encryption.keyring_faults import (
    KeyringDamaged,
    PassphraseMissing,
    PassphraseSuperfluous,
    PassphraseWrong,
)
from adapters.encryption.keyring_keys import KeyringKeys
from adapters.encryption.passphrase import Argon2Cost, Passphrase, new_salt
from adapters.encryption.sealed import open_value, seal_value
from application.ports import Context, Tampered

FORMAT: Final = "strongroom-keyring-1"

_CONTEXT: Context = (FORMAT.encode(),)
"""Salt and cost need no place in it: the key itself depends on them."""

_Read = TypeVar("_Read")


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    cost: Argon2Cost
    salt: Annotated[bytes, msgspec.Meta(min_length=16, max_length=64)]
    ciphertext: bytes


class _Document(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    format: Literal["strongroom-keyring-1"]
    keys: KeyringKeys | None = None
    sealed: _Sealed | None = None


def write_document(keys: KeyringKeys, passphrase: Passphrase | None) -> bytes:
    if passphrase is None:
        document = _Document(format=FORMAT, keys=keys)
    else:
        document = _Document(format=FORMAT, sealed=_seal(keys, passphrase))
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read_document(raw: bytes, passphrase: Passphrase | None, path: Path) -> KeyringKeys:
    """`path` is for the errors, which are KeyringUnusable."""
    document = _decoded(raw, _Document)
    if document is not None and document.keys is None and document.sealed is not None:
        if passphrase is None:
            raise PassphraseMissing(path)
        return _unseal(document.sealed, passphrase, path)
    if document is not None and document.keys is not None and document.sealed is None:
        if passphrase is not None:
            raise PassphraseSuperfluous(path)
        return document.keys
    raise KeyringDamaged(path, "it is cut, malformed or of another format")


def _seal(keys: KeyringKeys, passphrase: Passphrase) -> _Sealed:
    cost, salt = passphrase.cost, new_salt()
    key = passphrase.stretch(salt, cost)
    sealed = seal_value(key, msgspec.json.encode(keys), _CONTEXT)
    return _Sealed(cost=cost, salt=salt, ciphertext=sealed)


def _unseal(sealed: _Sealed, passphrase: Passphrase, path: Path) -> KeyringKeys:
    key = passphrase.stretch(sealed.salt, sealed.cost)
    try:
        opened = open_value(key, sealed.ciphertext, _CONTEXT)
    except Tampered:
        raise PassphraseWrong(path) from None
    keys = _decoded(opened, KeyringKeys)
    if keys is None:
        raise KeyringDamaged(path, "its keys do not fit together")
    return keys


def _decoded(raw: bytes, kind: type[_Read]) -> _Read | None:
    """None instead of an error: its text, or a chain of errors, might quote what was read."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError):
        return None
