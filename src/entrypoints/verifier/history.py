"""Checkpoints of one log: who signed them, and that the later ones continue the earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.audit.checkpoint import (
    LOG_OF_CHECKPOINTS,
    Checkpoint,
    log_name,
    open_checkpoint,
)
from domain.audit.note import VerifierKey, from_base64
from domain.audit.proof import is_consistent
from entrypoints.verifier.findings import require
from entrypoints.verifier.reading import ed25519_verify


def place_of(key: VerifierKey) -> str:
    """Where a service tells of the log that has this key: of its tenants' logs, or of the one that
    holds the checkpoints of all of them, which is for everybody."""
    return "/v1/checkpoints" if key.name == log_name(LOG_OF_CHECKPOINTS) else "/v1/audit"


def trusted_checkpoint(note: str, key: VerifierKey) -> Checkpoint:
    """Raises NoteNotValid where it is not a checkpoint that `key` signed for its own log."""
    return open_checkpoint(note, key, ed25519_verify)


def hashes_between(given: dict[str, Any], old: Checkpoint, new: Checkpoint) -> Sequence[bytes]:
    """The hashes of what /consistency answered, which must be about these two."""
    sizes = (given["from"], given["to"])
    wanted = (old.size, new.size)
    require(
        sizes == wanted,
        "other_consistency",
        f"the consistency proof is for the sizes {sizes}, and not for {wanted}",
    )
    return [from_base64(each) for each in given["hashes"]]


def continues(old: Checkpoint, new: Checkpoint, hashes: Sequence[bytes]) -> str:
    """Says so; raises NotVerified where `new` is not shown to begin with exactly `old`."""
    require(
        old.size <= new.size,
        "rolled_back",
        f"the log was rolled back: it has {new.size} entries, and had {old.size}",
    )
    require(
        is_consistent(
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
            proof=hashes,
        ),
        "rewritten" if hashes or old.size == new.size else "not_shown_consistent",
        f"it is not shown that the log of {new.size} entries continues the one of {old.size}",
    )
    return f"the log of {new.size} entries begins with exactly the {old.size} kept earlier"
