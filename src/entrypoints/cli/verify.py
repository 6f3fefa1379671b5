"""Verify a proof without the service: `python -m entrypoints.cli.verify proof.json --key ...`.

Nothing is asked over the network and nothing of the service is imported: the domain's rules for
the log, an Ed25519 implementation, and canonical JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.audit.checkpoint import Checkpoint, open_checkpoint
from domain.audit.leaf import OpenedResource, Opening, opens
from domain.audit.note import NoteNotValid, VerifierKey, from_base64
from domain.audit.proof import is_consistent, is_included
from domain.audit.tlog_proof import TlogProof
from domain.audit.tree import leaf_hash
from domain.identity import DocumentId, PersonId

FILE_BYTES_MAX = 4 * 1024 * 1024


class NotVerified(Exception):
    """A check failed; the message says which."""


def main(arguments: list[str] | None = None) -> int:
    """0 when everything that was given holds, else 1."""
    given = _parser().parse_args(arguments)
    try:
        for line in _verified(given.proof, given.key, given.checkpoint, given.consistency):
            print(f"ok    {line}")
    except NotVerified as failed:
        print(f"FAIL  {failed}")
        return 1
    except (NoteNotValid, OSError, ValueError, KeyError, TypeError, AttributeError) as malformed:
        print(f"FAIL  what was given cannot be read as a proof: {malformed!r}"[:300])
        return 1
    print("The proof holds.")
    return 0


def _verified(
    proof_file: Path, key: str, older: Path | None, consistency: Path | None
) -> Iterator[str]:
    trusted = VerifierKey.parse(_text(Path(key)) if Path(key).is_file() else key)
    bundle = json.loads(_text(proof_file))
    proof = TlogProof.parse(bundle["proof"])
    latest = open_checkpoint(proof.checkpoint, trusted, _verify)
    yield f"{trusted.name} signed a checkpoint over {latest.size} entries"

    leaf: str = bundle["leaf"]
    _require(
        is_included(
            leaf_hash=leaf_hash(leaf.encode()),
            index=proof.index,
            size=latest.size,
            proof=proof.hashes,
            root=latest.root,
        ),
        "the entry is not in the tree of the checkpoint",
    )
    yield f"the entry is number {proof.index} (from 0) in the tree of this checkpoint"

    facts = json.loads(leaf)
    _require(rfc8785.dumps(facts) == leaf.encode(), "the entry is not canonical JSON")
    same = facts["log"] == trusted.name and facts["event_id"] == bundle["event_id"]
    _require(same, "the entry is about another event or another log")
    yield f"it says: {facts['type']} at {facts['at']}, purpose {facts['purpose'] or 'none'}"

    if bundle["opening"] is not None:
        opening = opened(bundle["opening"])
        _require(opens(facts, opening), "the entry commits to other facts than those opened")
        yield f"it was done by person {opening.actor_id}"
        for each in opening.resources:
            yield f"it was about document {each.document_id}, version {each.version}"
    if older is not None:
        first = open_checkpoint(_text(older), trusted, _verify)
        yield _continues(first, latest, consistency)


def _continues(first: Checkpoint, second: Checkpoint, consistency: Path | None) -> str:
    """The two checkpoints are of one history. Which one is older their sizes tell."""
    first, second = sorted((first, second), key=lambda each: each.size)
    hashes: list[bytes] = []
    if consistency is not None:
        given = json.loads(_text(consistency))
        sizes = (given["from"], given["to"])
        _require(sizes == (first.size, second.size), f"the consistency proof is for {sizes}")
        hashes = [from_base64(each) for each in given["hashes"]]
    _require(
        is_consistent(
            old_size=first.size,
            old_root=first.root,
            new_size=second.size,
            new_root=second.root,
            proof=hashes,
        ),
        f"it is not shown that the log of {second.size} entries continues the one of {first.size}",
    )
    return f"the log of {second.size} entries begins with exactly the {first.size} kept earlier"


def opened(given: dict[str, Any]) -> Opening:
    """The `opening` of a proof."""
    actor, body = given["actor"], given["body"]
    return Opening(
        actor_id=PersonId(UUID(actor["person_id"])),
        actor_key=from_base64(actor["key"]),
        resources=tuple(
            OpenedResource(
                document_id=DocumentId(UUID(each["document_id"])),
                version=each["version"],
                key=from_base64(each["key"]),
                evidence=each["evidence"] and each["evidence"]["text"].encode(),
                evidence_key=each["evidence"] and from_base64(each["evidence"]["key"]),
            )
            for each in given["resources"]
        ),
        body=body and body["text"].encode(),
        body_key=body and from_base64(body["key"]),
    )


def _verify(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotVerified(otherwise)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    _require(len(content) <= FILE_BYTES_MAX, f"{path.name} is too large to be a proof")
    return content.decode()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="verify", description="Verify a proof offline.")
    parser.add_argument("proof", type=Path, help="what GET /v1/audit/events/{id}/proof answered")
    parser.add_argument("--key", required=True, help="the log's key, printed, or a file of it")
    parser.add_argument("--checkpoint", type=Path, help="another checkpoint, kept from earlier")
    parser.add_argument("--consistency", type=Path, help="what /v1/audit/consistency answered")
    return parser


if __name__ == "__main__":
    sys.exit(main())
