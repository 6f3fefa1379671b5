"""The releases that an answer rests on: in the log, and each permitted just what was quoted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from domain.audit.checkpoint import Checkpoint
from domain.audit.note import VerifierKey, from_base64
from entrypoints.verifier.entry import CheckedEntry, check_entry
from entrypoints.verifier.findings import NotVerified, only, require
from entrypoints.verifier.history import trusted_checkpoint
from entrypoints.verifier.policy import is_within

Json = dict[str, Any]


def check_releases(
    bundle: Json, manifest: Json, key: VerifierKey
) -> tuple[Checkpoint | None, Mapping[str, CheckedEntry]]:
    """Each release that the manifest names is in the log, and permitted just what it says."""
    wanted: dict[str, list[Json]] = {}
    for passage in manifest["passages"]:
        wanted.setdefault(passage["release_id"], []).append(passage)
    require(
        [each["event_id"] for each in bundle["entries"]] == list(wanted),
        "other_releases",
        "the entries given are not the releases that the manifest names",
    )
    if not wanted:
        require(bundle["checkpoint"] is None, "not_needed", "there is a checkpoint of nothing")
        return None, {}
    checkpoint = trusted_checkpoint(bundle["checkpoint"], key)
    released = {}
    for given in bundle["entries"]:
        only(given, "entry", {"event_id", "index", "leaf", "hashes", "opening"})
        checked = check_entry(
            given,
            index=given["index"],
            hashes=[from_base64(each) for each in given["hashes"]],
            checkpoint=checkpoint,
        )
        _assert_released(checked, given, manifest, wanted[given["event_id"]])
        released[given["event_id"]] = checked
    return checkpoint, released


def _assert_released(
    checked: CheckedEntry, given: Json, manifest: Json, passages: Sequence[Json]
) -> None:
    where, leaf, opening = f"entry {checked.index}", checked.leaf, checked.opening
    require(leaf["type"] == "release", "not_a_release", f"{where} is no release")
    if opening is None:
        raise NotVerified("not_opened", f"{where} does not say what it is about")
    told = {
        "action": (leaf["action"], "quote"),
        "purpose": (leaf["purpose"], manifest["purpose"]),
        "policy": (leaf["policy_version"], manifest["policy_version"]),
        "person": (given["opening"]["actor"]["person_id"], manifest["person_id"]),
    }
    for what, (logged, claimed) in told.items():
        require(logged == claimed, "other_release", f"{where} is about another {what}: {logged}")
    after = leaf["at"] >= manifest["asked_at"]
    require(after, "other_release", f"{where} is from before the question")
    versions = {(each["document_id"], each["version"]) for each in passages}
    opened = [(each["document_id"], each["version"]) for each in given["opening"]["resources"]]
    require(
        opened == sorted(versions),
        "other_release",
        f"{where} was opened for other versions than those quoted",
    )
    require(opening.body is None, "not_needed", f"{where} is opened further than is needed")
    only(given["opening"], "opening", {"actor", "resources", "body"})
    only(given["opening"]["actor"], "actor", {"person_id", "key"})
    for resource, shown in zip(opening.resources, given["opening"]["resources"], strict=True):
        if resource.evidence is None:
            raise NotVerified("not_opened", f"{where} does not say why it was permitted")
        only(shown, "resource", {"document_id", "version", "key", "evidence"})
        only(shown["evidence"], "evidence", {"text", "key"})
        evidence = json.loads(resource.evidence)
        for each in passages:
            if (each["document_id"], each["version"]) == (
                str(resource.document_id),
                resource.version,
            ):
                _assert_permitted(where, each, evidence["outcome"])
                _assert_same_text(where, each, evidence.get("text_commitment"))


def _assert_permitted(where: str, passage: Json, outcome: Json) -> None:
    """The very grant that permitted it, and of a record only the fields that it shows."""
    require(
        outcome.get("permitted") is True and outcome["grant_id"] == passage["grant_id"],
        "other_grant",
        f"{where}: passage {passage['id']} rests on another grant than the one that permitted",
    )
    shown = outcome["fields"]
    require(
        shown is None or (passage["field"] is not None and is_within(passage["field"], shown)),
        "other_field",
        f"{where}: passage {passage['id']} is from a field that was not permitted",
    )


def _assert_same_text(where: str, passage: Json, committed: str | None) -> None:
    """Neither has one where the version, or the program, is from before there were commitments."""
    require(
        passage.get("text_commitment") == committed,
        "other_text_commitment",
        f"{where}: passage {passage['id']} names a commitment to another text than was released",
    )
