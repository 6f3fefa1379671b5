"""Promises: what is owed to whoever holds one, and whether it was kept."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from domain.audit.note import VerifierKey
from domain.audit.promise import Promise, digest_of, open_promise, unnumbered
from entrypoints.verifier.findings import Findings, NotChecked, require
from entrypoints.verifier.reading import canonical, ed25519_verify
from entrypoints.verifier.service import Service

NOT_THERE = (404, 409)
"""What a service answers of an event that is not in its log: unknown, or not yet."""


def read_promise(text: str, key: VerifierKey) -> Promise:
    """A signed note, or one in base64, as the header of a response has it."""
    with suppress(binascii.Error, ValueError):
        text = base64.b64decode(text.strip(), validate=True).decode()
    return open_promise(text, key, ed25519_verify)


def check_promise(promise: Promise, bundle: dict[str, Any], findings: Findings) -> None:
    """That this entry, which is in the log, is the one that was promised. Raises NotVerified."""
    leaf = json.loads(bundle["leaf"])
    require(
        leaf["event_id"] == str(promise.event_id),
        "other_entry",
        f"the promise is about event {promise.event_id}, and not about {leaf['event_id']}",
    )
    kept = digest_of(canonical(unnumbered(leaf))) == promise.leaf_digest
    require(kept, "promise_broken", "the log has another entry for the event than was promised")
    findings.ok("promise_kept", f"it is what was promised at {promise.at.isoformat()}")


def proof_of(promise: Promise, service: Service, findings: Findings) -> dict[str, Any] | None:
    """What the service has to prove the event with; None where there is time left.

    Raises NotVerified once the event is overdue.
    """
    try:
        return service.json(f"/v1/audit/events/{promise.event_id}/proof")
    except NotChecked as refused:
        if refused.status not in NOT_THERE:
            raise
    overdue = datetime.now(UTC) > promise.due
    require(
        not overdue,
        "promise_broken",
        f"event {promise.event_id} was to be in the log by {promise.due.isoformat()}, and is not",
    )
    findings.ok("promise_open", f"it is to be in the log by {promise.due.isoformat()}")
    return None
