"""Whoever keeps one checkpoint notices whatever an administrator does to the log later."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.integration.audit.conftest import CallerIn, TestedLog

from domain.audit.tree import Position, append, leaf_hash
from domain.errors import NotFound
from entrypoints.cli.verify import main
from entrypoints.http.audit import consistency_shown, proof_shown
import msgspec


@dataclass(frozen=True, slots=True)
class Verifier:
    """Someone with files, the log's key, and no access to the service."""

    directory: Path
    key: str

    def keep(self, name: str, content: str | bytes) -> str:
        path = self.directory / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def accepts(self, proof: str, *, checkpoint: str = "", consistency: str = "") -> bool:
        arguments = [proof, "--key", self.key]
        arguments += ["--checkpoint", checkpoint] if checkpoint else []
        arguments += ["--consistency", consistency] if consistency else []
        return main(arguments) == 0


@pytest.fixture
def verifier(log: TestedLog, tmp_path: Path) -> Verifier:
    return Verifier(tmp_path, log.key.printed)


async def proof_of(log: TestedLog, event_id: object, verifier: Verifier) -> str:
    proof = await log.prove_entry(caller=log.owner, event_id=event_id)  # type: ignore[arg-type]
    return verifier.keep("proof.json", msgspec.json.encode(proof_shown(proof)))


async def consistency_from(log: TestedLog, old: int, verifier: Verifier) -> str:
    proven = await log.prove_consistency(tenant_id=log.owner.tenant_id, old=old, new=None)
    return verifier.keep("consistency.json", msgspec.json.encode(consistency_shown(proven)))
