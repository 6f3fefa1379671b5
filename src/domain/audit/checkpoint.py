"""Checkpoints (c2sp.org/tlog-checkpoint): what a log commits to, at one size."""

from __future__ import annotations

import re
from dataclasses import dataclass
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
from domain.identity import TenantId

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


LOG_OF_CHECKPOINTS = TenantId(UUID(int=0))
"""Whose entries are the checkpoints of all tenants, so that one set of witnesses covers them."""


def log_name(tenant_id: TenantId) -> str:
    """The origin of a tenant's log, and the name of its key. It never changes, whatever moves."""
    own = "checkpoints" if tenant_id == LOG_OF_CHECKPOINTS else tenant_id
    return f"strongroom.local/{own}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Statement):
    """The root over the first `size` leaves of the log `origin`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"


def open_checkpoint(note: str, key: VerifierKey, verify: Verify) -> Checkpoint:
    """The checkpoint in a note that `key` signed for its own log.

    Raises NoteNotValid for anything else. Extension lines are refused: we never write any.
    """
    lines = open_note(note, key, verify).split("\n")
    if len(lines) != 4 or lines[0] != key.name or not _SIZE.fullmatch(lines[1]):
        raise NoteNotValid("the note is not a checkpoint of this log")
    root = hash_from_base64(lines[2])
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=root)
