"""`strongroom verify`: files or a service in, words and an exit code out."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from domain.audit.checkpoint import Checkpoint
from domain.audit.cosignature import WitnessKey, cosignatures_of
from domain.audit.leaf import KEY_BYTES
from domain.audit.note import NoteNotValid, VerifierKey, from_base64
from domain.audit.tlog_proof import TlogProof
from entrypoints.verifier.answer import FORMAT as ANSWER_FORMAT
from entrypoints.verifier.answer import check_answer, check_texts
from entrypoints.verifier.bundle import UNREADABLE, CheckedBundle
from entrypoints.verifier.entry import FAILED, CheckedEntry, check_entry
from entrypoints.verifier.findings import Findings, NotChecked, NotVerified, require
from entrypoints.verifier.history import (
    continues,
    hashes_between,
    place_of,
    trusted_checkpoint,
)
from entrypoints.verifier.promise import check_promise, proof_of, read_promise
from entrypoints.verifier.reading import ed25519_verify, read_key, read_text
from entrypoints.verifier.service import TOKEN_VARIABLE, Service
from entrypoints.verifier.whole_tree import check_whole_tree

HOLDS, VIOLATED, NOT_CHECKED = 0, 1, 2
CONCLUSIONS = {
    HOLDS: "Everything holds.",
    VIOLATED: "It does NOT hold.",
    NOT_CHECKED: "Not everything could be checked.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when everything that was asked for holds, 1 when something does not, 2 when something could
    not be checked and nothing is known to be wrong."""
    given = _parser().parse_args(arguments)
    findings = Findings()
    try:
        _check(given, findings)
        status = _status(findings)
    except NotVerified as failed:
        findings.violated(failed.code, str(failed))
        status = VIOLATED
    except NotChecked as failed:
        findings.unchecked(str(failed))
        status = VIOLATED if findings.violations else NOT_CHECKED
    except NoteNotValid as wrong:
        findings.violated("malformed", str(wrong))
        status = VIOLATED
    except UNREADABLE as malformed:
        findings.violated("malformed", f"what was given cannot be read: {malformed!r}"[:300])
        status = VIOLATED
    if given.json:
        print(json.dumps(findings.as_json(), indent=2))
    else:
        print("\n".join(findings.lines()))
        print(CONCLUSIONS[status])
    return status


def _status(findings: Findings) -> int:
    if findings.verified:
        return HOLDS
    return NOT_CHECKED if findings.found and not findings.violations else VIOLATED


def _check(given: argparse.Namespace, findings: Findings) -> None:
    if given.what.startswith(("http://", "https://")):
        _check_service(given, Service.at(given.what), findings)
        return
    key = read_key(given.key)
    bundle = _bundle(read_text(Path(given.what)))
    latest = _check_file(key, bundle, findings)
    if given.text or given.text_key:
        check_texts(bundle, _texts(given.text or ()), _text_keys(given.text_key or ()), findings)
    if given.promise is not None:
        check_promise(read_promise(read_text(given.promise), key), bundle, findings)
    if given.checkpoint is not None and latest is not None:
        kept = trusted_checkpoint(read_text(given.checkpoint), key)
        # Which of the two is older their sizes tell: a proof may be from before.
        old, new = sorted((kept, latest), key=lambda each: each.size)
        steps: Sequence[bytes] = []
        if given.consistency is not None:
            steps = hashes_between(json.loads(read_text(given.consistency)), old, new)
        elif old.size < new.size:
            raise NotChecked(
                f"whether the log of {new.size} entries continues the {old.size} kept earlier takes"
                f" --consistency: what {place_of(key)}/consistency?from={old.size}&to={new.size}"
                " answers"
            )
        findings.ok("consistent", continues(old, new, steps))


def _bundle(text: str) -> dict[str, Any]:
    """Raises NotVerified for what is nothing that can be checked here."""
    try:
        bundle = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise NotVerified("malformed", f"this is no JSON: {wrong}"[:300]) from None
    known = isinstance(bundle, dict) and (
        bundle.get("format") == ANSWER_FORMAT or not {"entries", "proof"}.isdisjoint(bundle)
    )
    require(
        known,
        "malformed",
        "this is neither a proof (/v1/audit/events/{id}/proof), nor a bundle of accesses"
        " (/v1/documents/{id}/accesses/bundle) or of an answer (/v1/runs/{id}/bundle)",
    )
    found: dict[str, Any] = bundle
    return found


def _check_file(key: VerifierKey, bundle: dict[str, Any], findings: Findings) -> Checkpoint | None:
    """What it is, is seen from its members."""
    if bundle.get("format") == ANSWER_FORMAT:
        return check_answer(bundle, key, findings)
    check = _check_pages if "entries" in bundle else _check_proof
    return check(key, bundle, findings)


def _texts(given: Sequence[str]) -> dict[str, bytes]:
    """Raises NotChecked for what is not DOCUMENT=FILE."""
    texts = {}
    for each in given:
        document, _, file = each.partition("=")
        if not file:
            raise NotChecked(f"{each} is not DOCUMENT=FILE")
        texts[document] = read_text(Path(file)).encode()
    return texts


def _text_keys(given: Sequence[str]) -> dict[str, bytes]:
    """Raises NotChecked for what is not DOCUMENT=KEY with a key of 32 bytes in base64."""
    keys = {}
    for each in given:
        document, _, key = each.partition("=")
        try:
            keys[document] = from_base64(key)
        except NoteNotValid as malformed:
            raise NotChecked("a --text-key is not DOCUMENT=KEY, in base64") from malformed
        if len(keys[document]) != KEY_BYTES:
            raise NotChecked(f"the key of a text has {KEY_BYTES} bytes")
    return keys


def _check_service(given: argparse.Namespace, service: Service, findings: Findings) -> None:
    """All that the service shows, page by page, and that each page continues the one before."""
    key = read_key(given.key)
    if given.promise is not None:
        _check_promise(key, service, given.promise, findings)
    kept = None
    if given.checkpoint is not None:
        kept = trusted_checkpoint(read_text(given.checkpoint), key)
    if given.run is not None:
        bundle = service.json(f"/v1/runs/{given.run}/bundle")
        check_answer(bundle, key, findings)
    if given.document is not None:
        latest = _check_accesses(key, service, given.document, findings)
    else:
        latest = trusted_checkpoint(service.text(f"{place_of(key)}/checkpoint"), key)
        findings.ok("signed", f"{key.name} signed a checkpoint over {latest.size} entries")
    if given.tree:
        latest = check_whole_tree(key, service, findings)
    if given.witness is not None:
        _check_witness(key, service, latest, given.witness, findings)
    if kept is not None:
        findings.ok("consistent", _continues(key, service, kept, latest))


def _check_accesses(
    key: VerifierKey, service: Service, document: str, findings: Findings
) -> Checkpoint:
    checked, latest, after = CheckedBundle(key), None, 0
    while True:
        page = service.json(f"/v1/documents/{document}/accesses/bundle", after=after)
        newer = checked.add(page, findings)
        all_of_them = not checked.only
        require(all_of_them, "narrowed", "all releases were asked for, and some were given")
        if latest is not None:
            _continues(key, service, latest, newer)
        latest = newer
        if page["next_after"] is None or not page["entries"]:
            break
        after = page["next_after"]
    findings.ok("signed", f"{key.name} signed a checkpoint over {latest.size} entries")
    checked.conclude(findings)
    return latest


def _check_promise(key: VerifierKey, service: Service, file: Path, findings: Findings) -> None:
    promise = read_promise(read_text(file), key)
    proof = proof_of(promise, service, findings)
    if proof is not None:
        _check_proof(key, proof, findings)
        check_promise(promise, proof, findings)


def _check_witness(
    key: VerifierKey, service: Service, latest: Checkpoint, witness: str, findings: Findings
) -> None:
    """A witness saw the history that is shown here, or what it saw begins with that."""
    note = service.text(f"{place_of(key)}/cosigned")
    seen = trusted_checkpoint(note, key)
    _cosigned(note, seen, witness, findings)
    old, new = sorted((seen, latest), key=lambda each: each.size)
    findings.ok("consistent", _continues(key, service, old, new))


def _cosigned(note: str, checkpoint: Checkpoint, witness: str, findings: Findings) -> None:
    known = WitnessKey.parse(read_text(Path(witness)) if Path(witness).is_file() else witness)
    found = cosignatures_of(note, checkpoint, [known], ed25519_verify)
    require(bool(found), "not_cosigned", f"{known.name} did not cosign this checkpoint")
    findings.ok(
        "cosigned",
        f"{known.name} cosigned the log at {checkpoint.size} entries, {found[0].at.isoformat()}",
    )


def _continues(key: VerifierKey, service: Service, old: Checkpoint, new: Checkpoint) -> str:
    hashes: Sequence[bytes] = []
    if old.size < new.size:
        asked = {"from": old.size, "to": new.size}
        steps = service.json(f"{place_of(key)}/consistency", **asked)
        hashes = hashes_between(steps, old, new)
    return continues(old, new, hashes)


def _check_pages(key: VerifierKey, bundle: dict[str, Any], findings: Findings) -> Checkpoint:
    checked = CheckedBundle(key, after=bundle["after"])
    latest = checked.add(bundle, findings)
    findings.ok("signed", f"{key.name} signed a checkpoint over {latest.size} entries")
    checked.conclude(findings)
    return latest


def _check_proof(key: VerifierKey, bundle: dict[str, Any], findings: Findings) -> Checkpoint:
    proof = TlogProof.parse(bundle["proof"])
    latest = trusted_checkpoint(proof.checkpoint, key)
    findings.ok("signed", f"{key.name} signed a checkpoint over {latest.size} entries")
    checked = check_entry(bundle, index=proof.index, hashes=proof.hashes, checkpoint=latest)
    findings.ok("included", f"the entry is number {proof.index} (from 0) in this tree")
    _tell(checked, findings)
    return latest


def _tell(checked: CheckedEntry, findings: Findings) -> None:
    leaf, opening = checked.leaf, checked.opening
    findings.ok(
        "says", f"it says: {leaf['type']} at {leaf['at']}, purpose {leaf['purpose'] or 'none'}"
    )
    if opening is None:
        findings.ok("erased", "what it committed to was erased")
        return
    findings.ok("actor", f"it was done by person {opening.actor_id}")
    for each in opening.resources:
        version = f", version {each.version}" if each.version else ""
        findings.ok("resource", f"it was about document {each.document_id}{version}")
    failed = checked.failed() or (
        json.loads(opening.body) if leaf["type"] == FAILED and opening.body else None
    )
    if failed is not None:
        findings.ok(
            "failed",
            f"what release {failed['release_id']} gave was not shown, or not to its end:"
            f" {failed['reason']}",
        )
    if checked.replayed:
        findings.ok(
            "replayed", f"{checked.replayed} decisions were made again, and came out as logged"
        )
    if checked.unexplained:
        findings.unexplained(checked.unexplained)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strongroom verify",
        description="Verify what a log claims, trusting nothing but its key.",
        epilog=f"With an address, {TOKEN_VARIABLE} holds the access token to ask with.",
    )
    parser.add_argument("what", help="a file with a proof or a bundle, or the address of a service")
    parser.add_argument("--key", required=True, help="the log's key, printed, or a file of it")
    parser.add_argument("--checkpoint", type=Path, help="a checkpoint that was kept from earlier")
    parser.add_argument(
        "--consistency", type=Path, help="what /v1/audit/consistency answered (for files)"
    )
    parser.add_argument("--promise", type=Path, help="a promise that was given for an event")
    parser.add_argument(
        "--witness", help="with an address: the key of a witness that must have cosigned"
    )
    parser.add_argument("--document", help="with an address: check all accesses of this document")
    parser.add_argument(
        "--text",
        action="append",
        metavar="DOCUMENT=FILE",
        help="with the file of an answer: the text of a document, which must hold what is quoted",
    )
    parser.add_argument(
        "--text-key",
        action="append",
        metavar="DOCUMENT=KEY",
        help="with --text: the key that came with the text in X-Text-Key, which shows it is whole",
    )
    parser.add_argument("--run", help="with an address: check the answer of this run")
    parser.add_argument(
        "--tree", action="store_true", help="with an address: compute the whole tree (auditors)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    return parser
