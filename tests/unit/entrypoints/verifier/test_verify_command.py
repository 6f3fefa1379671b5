"""The verifier on its own: files in, words and an exit code out."""

from __future__ import annotations

import base64
import copy
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.audit.checkpoint import Checkpoint
from domain.audit.leaf import LoggedEvent, LoggedResource, actor_key, first_resource_key, leaf_of
from domain.audit.note import VerifierKey, to_base64
from domain.audit.tlog_proof import TlogProof
from domain.audit.tree import (
    Position,
    append,
    consistency_path,
    inclusion_path,
    leaf_hash,
    range_hash,
    root,
)
from domain.identity import DocumentId, PersonId
from entrypoints.verifier.command import main

SRC = Path(__file__).parents[4] / "src"
SALT = bytes(range(32))
PERSON, DOCUMENT = PersonId(UUID(int=1)), DocumentId(UUID(int=2))
EVENT = LoggedEvent(
    id=UUID(int=3),
    type="release",
    at=datetime(2026, 11, 22, tzinfo=UTC),
    actor_id=PERSON,
    action="read",
    purpose="care",
    policy_version="1",
    resources=[LoggedResource(document_id=DOCUMENT, version=1, release_seq=1)],
    salt=SALT,
)
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEY = VerifierKey(name="log.example/1", public_key=PRIVATE.public_key().public_bytes_raw())
LEAF = rfc8785.dumps(leaf_of(KEY.name, EVENT, b"{}"))  # type: ignore[arg-type]
LEAVES = [leaf_hash(LEAF if number == 4 else str(number).encode()) for number in range(11)]
NODES: dict[Position, bytes] = append(0, {}, LEAVES)


def a_note(size: int) -> str:
    checkpoint = Checkpoint(origin=KEY.name, size=size, root=root(size, NODES))
    return checkpoint.signed(KEY, PRIVATE.sign(checkpoint.text.encode()))


def a_bundle() -> dict[str, Any]:
    hashes = tuple(range_hash(each, NODES) for each in inclusion_path(4, 11))
    return {
        "event_id": str(EVENT.id),
        "leaf": LEAF.decode(),
        "proof": TlogProof(index=4, hashes=hashes, checkpoint=a_note(11)).text,
        "opening": {
            "actor": {"person_id": str(PERSON), "key": to_base64(actor_key(SALT))},
            "resources": [
                {
                    "document_id": str(DOCUMENT),
                    "version": 1,
                    "key": to_base64(first_resource_key(SALT, DOCUMENT)),
                    "evidence": None,
                }
            ],
            "body": None,
        },
    }


def a_consistency(old: int, new: int) -> dict[str, Any]:
    hashes = [to_base64(range_hash(each, NODES)) for each in consistency_path(old, new)]
    return {"from": old, "to": new, "hashes": hashes}


Verify = Callable[..., bool]


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    def run(bundle: object, kept: str = "", consistency: object = None) -> bool:
        (tmp_path / "proof.json").write_text(json.dumps(bundle))
        arguments = [str(tmp_path / "proof.json"), "--key", KEY.printed]
        if kept:
            (tmp_path / "kept").write_text(kept)
            arguments += ["--checkpoint", str(tmp_path / "kept")]
        if consistency is not None:
            (tmp_path / "consistency.json").write_text(json.dumps(consistency))
            arguments += ["--consistency", str(tmp_path / "consistency.json")]
        return main(arguments) == 0

    return run


def test_a_true_proof_is_told_in_words(verify: Verify, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(a_bundle(), a_note(6), a_consistency(6, 11))
    said = capsys.readouterr().out
    assert "log.example/1 signed a checkpoint over 11 entries" in said
    assert "release at 2026-11-22T00:00:00.000000Z, purpose care" in said
    assert f"person {PERSON}" in said
    assert f"document {DOCUMENT}, version 1" in said
    assert "begins with exactly the 6 kept earlier" in said
    assert said.endswith("Everything holds.\n")


def test_any_character_altered_in_leaf_or_proof_is_noticed(verify: Verify) -> None:
    whole = a_bundle()
    for part in ("leaf", "proof"):
        for place in range(0, len(whole[part]), 7):
            altered = copy.deepcopy(whole)
            other = "0" if whole[part][place] != "0" else "1"
            altered[part] = whole[part][:place] + other + whole[part][place + 1 :]
            assert not verify(altered), (part, place)


@pytest.mark.parametrize(
    "change",
    [
        {"event_id": str(UUID(int=4))},
        {"leaf": json.dumps(json.loads(LEAF))},
        {"leaf": 3},
        {"proof": None},
        {"opening": {}},
        {"opening": a_bundle()["opening"] | {"actor": {"person_id": str(DOCUMENT), "key": "AA=="}}},
    ],
)
def test_a_bundle_that_does_not_hang_together_is_refused(
    verify: Verify, change: dict[str, Any]
) -> None:
    assert not verify(a_bundle() | change)


def test_what_is_no_bundle_at_all_is_refused(
    verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in ([], "proof", None, {}):
        assert not verify(wrong)
    (tmp_path / "proof.json").write_bytes(b"\xff")
    assert main([str(tmp_path / "proof.json"), "--key", KEY.printed]) == 1
    capsys.readouterr()
    assert main([str(tmp_path / "nowhere.json"), "--key", KEY.printed]) == 2
    assert capsys.readouterr().out.endswith("Not everything could be checked.\n")
    assert main([str(tmp_path / "nowhere.json"), "--key", KEY.printed, "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["findings"][-1]["holds"]) == (False, None)


def test_another_key_is_not_trusted(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text(json.dumps(a_bundle()))
    public_key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    other = VerifierKey(name=KEY.name, public_key=public_key)
    assert main([str(tmp_path / "proof.json"), "--key", other.printed]) == 1


def test_a_kept_checkpoint_needs_a_proof_that_fits_it(verify: Verify) -> None:
    assert verify(a_bundle(), a_note(11))
    assert not verify(a_bundle(), a_note(6))
    assert not verify(a_bundle(), a_note(6), a_consistency(5, 11))
    forged = a_consistency(6, 11)
    forged["hashes"][0] = base64.b64encode(bytes(32)).decode()
    assert not verify(a_bundle(), a_note(6), forged)


def test_what_was_forgotten_is_asked_for_and_no_verdict_on_the_log(
    verify: Verify, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proof, kept = tmp_path / "proof.json", tmp_path / "kept"
    proof.write_text(json.dumps(a_bundle()))
    kept.write_text(a_note(6))
    (tmp_path / "other").write_text("no key")
    for arguments, told in (
        (["--key", KEY.printed, "--checkpoint", str(kept)], "takes --consistency"),
        (["--key", str(tmp_path / "missing")], "missing cannot be read: No such file"),
        (["--key", str(tmp_path / "other")], "a key is printed as name+id+key"),
        (["--key", KEY.printed[:-2]], "not base64"),
        (["--key", ""], "the log's key is missing"),
    ):
        assert main([str(proof), *arguments]) == 2, arguments
        said = capsys.readouterr().out
        assert told in said
        assert said.endswith("Not everything could be checked.\n")


def test_what_cannot_be_checked_is_told_in_words(
    verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    unsigned = a_bundle() | {"proof": a_bundle()["proof"].replace("log.example/1", "log.example/2")}
    for given, told in (
        (
            {"items": [], "next_after": None},
            "this is neither a proof (/v1/audit/events/{id}/proof)",
        ),
        ([], "this is neither a proof"),
        (unsigned, "the note is not signed by log.example/1"),
    ):
        assert not verify(given)
        said = capsys.readouterr().out
        assert told in said
        assert "Error(" not in said
        assert "NotValid(" not in said


@pytest.mark.parametrize(
    ("after", "next_after", "told"),
    [
        (0, None, "0 entries are in the log, and no release after 0"),
        (7, 7, "it goes on after release 7: what follows is in another bundle (?after=7)"),
    ],
)
def test_a_bundle_says_where_it_ends(
    verify: Verify,
    capsys: pytest.CaptureFixture[str],
    after: int,
    next_after: int | None,
    told: str,
) -> None:
    bundle = {
        "format": "strongroom-accesses@v1",
        "document_id": str(DOCUMENT),
        "only": None,
        "checkpoint": a_note(11),
        "after": after,
        "entries": [],
        "failures": [],
        "next_after": next_after,
    }
    assert verify(bundle)
    assert told in capsys.readouterr().out


def test_a_fork_of_the_same_size_is_refused(verify: Verify) -> None:
    fork = Checkpoint(origin=KEY.name, size=11, root=bytes(32))
    note = fork.signed(KEY, PRIVATE.sign(fork.text.encode()))
    assert not verify(a_bundle(), note)
    assert not verify(a_bundle(), note, {"from": 11, "to": 11, "hashes": []})


def test_the_verifier_needs_nothing_of_the_service(tmp_path: Path) -> None:
    """Run on its own, it loads neither adapters nor use cases nor a database driver."""
    (tmp_path / "proof.json").write_text(json.dumps(a_bundle()))
    program = (
        "import sys; from entrypoints.verifier.command import main;"
        f"code = main([{str(tmp_path / 'proof.json')!r}, '--key', {KEY.printed!r}]);"
        "loaded = {'application', 'adapters', 'sqlalchemy', 'litestar'} & set(sys.modules);"
        "sys.exit(code or (9 if loaded else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SRC, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
