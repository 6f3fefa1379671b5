"""A key from a passphrase: Argon2id (RFC 9106)."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from typing import Annotated

import msgspec
from argon2.low_level import Type, hash_secret_raw

from application.ports import DataKey

_SALT_BYTES = 16


class Argon2Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What each guess costs; as is, the second recommendation of RFC 9106, section 4.

    The upper bounds keep a file that somebody altered from exhausting the machine.
    """

    memory_kib: Annotated[int, msgspec.Meta(ge=1024, le=1024 * 1024)] = 64 * 1024
    passes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 3
    lanes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 4


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Normalized (NFC) when used, because keyboards differ in how they compose a character."""

    text: str = field(repr=False)
    cost: Argon2Cost = field(default_factory=Argon2Cost)
    """For what is sealed from now on; what was sealed before says its own."""

    def stretch(self, salt: bytes, cost: Argon2Cost) -> DataKey:
        """About 0.1 s and 64 MiB by default, without holding the interpreter's lock."""
        return DataKey(
            hash_secret_raw(
                unicodedata.normalize("NFC", self.text).encode(),
                salt,
                time_cost=cost.passes,
                memory_cost=cost.memory_kib,
                parallelism=cost.lanes,
                hash_len=32,
                type=Type.ID,
            )
        )


def new_salt() -> bytes:
    return os.urandom(_SALT_BYTES)
