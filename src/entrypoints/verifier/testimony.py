"""What the evidence of several entries says of the same things: it must not contradict itself.

Each decision replays from its own evidence, which whoever could write the log could make up. But a
document stays its owner's, a grant never changes, and what was revoked stays revoked: evidence that
was made up for one entry must also agree with that of all the others.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from entrypoints.verifier.entry import CheckedEntry
from entrypoints.verifier.findings import require

TERMS = (
    "consent_id", "parent_id", "owner_id", "grantor_id", "grantee_id", "resource", "fields",
    "versions", "actions", "purpose", "not_before", "expires_at", "max_uses", "required_acr",
)  # fmt: skip
"""What of a grant is the same in all evidence."""

Json = dict[str, Any]


@dataclass(slots=True)
class Testimony:
    """Of one document, and of the grants that its decisions were made from."""

    owner_id: str | None = None
    terms: dict[str, Json] = field(default_factory=dict)
    revoked_at: dict[str, datetime] = field(default_factory=dict)
    permitted_last: dict[str, datetime] = field(default_factory=dict)

    def add(self, checked: CheckedEntry, document: UUID) -> None:
        """Raises NotVerified where this entry contradicts one that was added before."""
        resources = () if checked.opening is None else checked.opening.resources
        for each in resources:
            evidence = json.loads(each.evidence) if each.evidence else None
            if each.document_id == document and evidence:
                self._add(f"entry {checked.index}", evidence)

    def _add(self, where: str, evidence: Json) -> None:
        owner = evidence["owner_id"]
        require(
            self.owner_id in (None, owner),
            "other_owner",
            f"{where} says that the document is person {owner}'s, and others {self.owner_id}'s",
        )
        self.owner_id = owner
        for grant in evidence["grants"]:
            self._add_grant(where, grant)
        outcome = evidence["outcome"]
        if outcome["permitted"] and outcome["grant_id"] is not None:
            self._add_permitted(where, outcome["grant_id"], _instant(evidence["at"]))

    def _add_grant(self, where: str, grant: Json) -> None:
        terms = {name: grant[name] for name in TERMS if name in grant}
        known = self.terms.setdefault(grant["id"], terms)
        same = all(known.get(name, term) == term for name, term in terms.items())
        require(same, "other_terms", f"{where} has other terms of grant {grant['id']} than others")
        if grant["revoked_at"] is not None:
            at = _instant(grant["revoked_at"])
            same = self.revoked_at.setdefault(grant["id"], at) == at
            require(same, "other_terms", f"{where}: grant {grant['id']} was revoked twice")
            self._assert_open_until(where, grant["id"])

    def _add_permitted(self, where: str, grant_id: str, at: datetime) -> None:
        last = self.permitted_last.get(grant_id)
        self.permitted_last[grant_id] = at if last is None else max(last, at)
        self._assert_open_until(where, grant_id)

    def _assert_open_until(self, where: str, grant_id: str) -> None:
        last, revoked_at = self.permitted_last.get(grant_id), self.revoked_at.get(grant_id)
        require(
            last is None or revoked_at is None or last < revoked_at,
            "permitted_after_revocation",
            f"{where}: grant {grant_id} permitted something at {last}, and was revoked at"
            f" {revoked_at}",
        )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
