"""The published RFC 6962 vectors of transparency-dev/merkle, with their happy and broken paths."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from domain.audit.proof import is_consistent, is_included


def test_inclusion_proofs_are_accepted_and_rejected_as_published(shared_data: Path) -> None:
    cases = _cases(shared_data, "inclusion")
    wrong = [
        path
        for path, case in cases.items()
        if case["wantErr"]
        is is_included(
            leaf_hash=_bytes(case["leafHash"]),
            index=case["leafIdx"],
            size=case["treeSize"],
            proof=[_bytes(each) for each in case["proof"] or ()],
            root=_bytes(case["root"]),
        )
    ]
    assert wrong == []
    assert len(cases) > 90


def test_consistency_proofs_are_accepted_and_rejected_as_published(shared_data: Path) -> None:
    cases = _cases(shared_data, "consistency")
    wrong = [
        path
        for path, case in cases.items()
        if case["wantErr"]
        is is_consistent(
            old_size=case["size1"],
            old_root=_bytes(case["root1"]),
            new_size=case["size2"],
            new_root=_bytes(case["root2"]),
            proof=[_bytes(each) for each in case["proof"] or ()],
        )
    ]
    assert wrong == []
    assert len(cases) > 90


def _cases(shared_data: Path, kind: str) -> dict[str, dict[str, Any]]:
    directory = shared_data / "vectors" / "merkle" / kind
    return {
        str(path.relative_to(directory)): json.loads(path.read_text())
        for path in sorted(directory.rglob("*.json"))
    }


def _bytes(encoded: str | None) -> bytes:
    return base64.b64decode(encoded or "")
