"""One entry of the log: it is in the tree, it says what was opened, and its decisions replay."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain.audit.checkpoint import Checkpoint
from domain.audit.leaf import OpenedResource, Opening, commitment, opens
from domain.audit.note import from_base64
from domain.audit.proof import is_included
from domain.audit.tree import leaf_hash
from domain.identity import DocumentId, PersonId
from entrypoints.verifier.findings import require
from entrypoints.verifier.policy import VERSIONS, outcome
from entrypoints.verifier.reading import canonical

FAILED = "release_failed"
"""What is logged of a release of which not all could be shown: nothing was decided in it."""


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry that is in the log. `replayed` counts decisions that came out the same again."""

    index: int
    leaf: dict[str, Any]
    opening: Opening | None
    replayed: int

    @property
    def unexplained(self) -> int:
        """Opened versions of a release whose decisions were not made again, though the log commits
        to what they were made from: the evidence was left out, is empty, or follows a policy that
        is not known here. Entries of version 1 are from before there was evidence."""
        if self.opening is None or self.leaf["type"] != "release" or self.leaf["v"] == 1:
            return 0
        return len(self.opening.resources) - self.replayed

    def numbers_of(self, document_id: UUID) -> list[int]:
        """The release numbers that this entry gives the document."""
        if self.opening is None:
            return []
        mine = [each for each in self.opening.resources if each.document_id == document_id]
        return sorted(_member(self.leaf, each)["release_seq"] for each in mine)

    def failed(self, document_id: UUID | None = None) -> dict[str, str] | None:
        """Which release failed, by `release_id`, and the `reason`: what evidence tells of the
        document, or of any. None where nothing of that is opened."""
        if self.opening is None or self.leaf["type"] != FAILED:
            return None
        for each in self.opening.resources:
            if each.evidence and document_id in (None, each.document_id):
                told: dict[str, str] = json.loads(each.evidence)
                return told
        return None

    def logged(self, document_id: UUID, version: int) -> dict[str, Any]:
        """What the leaf says of a version that was opened."""
        resources = () if self.opening is None else self.opening.resources
        [mine] = [e for e in resources if (e.document_id, e.version) == (document_id, version)]
        return _member(self.leaf, mine)


def check_entry(
    bundle: dict[str, Any], *, index: int, hashes: Sequence[bytes], checkpoint: Checkpoint
) -> CheckedEntry:
    """Raises NotVerified for the first thing that does not hold."""
    text: str = bundle["leaf"]
    included = is_included(
        leaf_hash=leaf_hash(text.encode()),
        index=index,
        size=checkpoint.size,
        proof=hashes,
        root=checkpoint.root,
    )
    require(included, "not_included", f"entry {index} is not in the tree of the checkpoint")
    leaf = json.loads(text)
    is_canonical = canonical(leaf) == text.encode()
    require(is_canonical, "leaf_not_canonical", f"entry {index} is not canonical JSON")
    same = leaf["log"] == checkpoint.origin and leaf["event_id"] == bundle["event_id"]
    require(same, "other_entry", f"entry {index} is about another event or another log")
    if bundle["opening"] is None:
        return CheckedEntry(index, leaf, None, 0)
    opening = opened(bundle["opening"])
    commits = opens(leaf, opening)
    require(commits, "opening_differs", f"entry {index} commits to other facts than those opened")
    decided = () if leaf["type"] == FAILED else _explained(opening)
    replayed = sum(_replay(index, leaf, opening, each) for each in decided)
    return CheckedEntry(index, leaf, opening, replayed)


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


def _explained(opening: Opening) -> Iterator[tuple[OpenedResource, dict[str, Any]]]:
    """What is opened with evidence. Empty evidence stands for what did not exist."""
    for each in opening.resources:
        evidence = json.loads(each.evidence) if each.evidence else None
        if evidence:
            yield each, evidence


def _replay(
    index: int,
    leaf: dict[str, Any],
    opening: Opening,
    explained: tuple[OpenedResource, dict[str, Any]],
) -> int:
    """1 for a decision that was made again; 0 for one under a policy that is not known here."""
    resource, evidence = explained  # a denial names no version: the evidence does
    where = f"entry {index}, document {resource.document_id}"
    request = evidence["request"]
    told = {
        "person": (request["person_id"], str(opening.actor_id)),
        "document": (request["document_id"], str(resource.document_id)),
        "version": (request["version"], resource.version or request["version"]),
        "action": (request["action"], leaf["action"]),
        "purpose": (request["purpose"], leaf["purpose"]),
        "policy": (evidence["policy_version"], leaf["policy_version"]),
    }
    for what, (evident, logged) in told.items():
        require(
            evident == logged, "evidence_differs", f"{where}: the evidence is of another {what}"
        )
    not_later = evidence["at"] <= leaf["at"]
    require(not_later, "evidence_differs", f"{where}: it was decided after it was logged")
    if evidence["policy_version"] not in VERSIONS:
        return 0
    again, logged = outcome(evidence), evidence["outcome"]
    require(
        again == logged,
        "decision_differs",
        f"{where}: decided again, the outcome is {_named(again)}, and not {_named(logged)}",
    )
    permitted = leaf["type"] == "release"
    require(
        again["permitted"] is permitted,
        "decision_differs",
        f"{where}: the log calls it a {leaf['type']}, the decision was {_named(again)}",
    )
    if permitted:
        _rests_on(where, _member(leaf, resource), evidence, again["grant_id"])
    return 1


def _rests_on(
    where: str, logged: dict[str, Any], evidence: dict[str, Any], grant_id: str | None
) -> None:
    """The log names the very grant, in its epoch, and the consent that permitted."""
    grants = {each["id"]: each for each in evidence["grants"]}
    grant = grants[grant_id] if grant_id else {"epoch": None, "consent_id": None}
    named = (logged["grant_id"], logged["grant_epoch"], logged["consent"])
    require(
        named == (grant_id, grant["epoch"], grant["consent_id"]),
        "other_grant",
        f"{where}: the log names another grant than the one that permitted",
    )


def _member(leaf: dict[str, Any], resource: OpenedResource) -> dict[str, Any]:
    """What the leaf says of an opened resource, which it holds."""
    named = commitment(resource.key, resource.document_id.bytes).hex()
    [member] = [
        each
        for each in leaf["resources"]
        if (each["resource_h"], each["version"]) == (named, resource.version)
    ]
    found: dict[str, Any] = member
    return found


def _named(outcome: dict[str, Any]) -> str:
    if not outcome.get("permitted"):
        return f"denied ({outcome.get('denial')})"
    return f"permitted under {outcome.get('grant_id') or 'ownership'}"
