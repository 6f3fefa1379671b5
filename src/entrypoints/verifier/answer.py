"""Answers: which sentence rests on which document, version, grant and entry of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from uuid import UUID

from domain.audit.attestation import manifest_digest, open_attestation
from domain.audit.checkpoint import Checkpoint
from domain.audit.leaf import commitment
from domain.audit.note import VerifierKey
from entrypoints.verifier.answer_models import told_models
from entrypoints.verifier.answer_releases import check_releases
from entrypoints.verifier.entry import CheckedEntry
from entrypoints.verifier.findings import Findings, NotVerified, only, require
from entrypoints.verifier.reading import canonical, ed25519_verify

FORMAT = "strongroom-answer@v1"
MANIFEST_VERSION = 1
FRAMES = frozenset(
    {
        "From the passages you may see, word for word:",
        "No language model could answer; these passages come closest, word for word:",
        "Nothing that you may see answers this.",
    }
)
"""What is said about an answer, and claims nothing."""
SHOWN_CHARACTERS_MAX = 100

Json = dict[str, Any]


def check_answer(bundle: Json, key: VerifierKey, findings: Findings) -> Checkpoint | None:
    """The checkpoint that it rests on, None where the answer rests on nothing.

    Raises NotVerified for the first thing that does not hold.
    """
    only(bundle, "bundle", _BUNDLE)
    manifest = bundle["manifest"]
    _check_signed(manifest, bundle["note"], key)
    findings.ok("signed", f"{key.name} signed the manifest of answer {manifest['message_id']}")
    answer: bytes = bundle["answer"].encode()
    same = {"sha256": _digest(answer), "bytes": len(answer)} == manifest["answer"]
    require(same, "other_answer", "the answer is not the one that the manifest tells of")
    passages = _passages(bundle, manifest)
    findings.ok("answer", "the answer and the passages that it cites are those of the manifest")
    checkpoint, released = check_releases(bundle, manifest, key)
    if checkpoint is not None:
        findings.ok("checkpoint", f"{key.name} signed a checkpoint over {checkpoint.size} entries")
    replayed = sum(each.replayed for each in released.values())
    findings.ok(
        "released",
        f"{len(released)} releases to person {manifest['person_id']}, for {manifest['purpose']},"
        f" are in the log; {replayed} decisions were made again, and came out as logged",
    )
    unexplained = sum(each.unexplained for each in released.values())
    if unexplained:
        findings.unexplained(unexplained)
    if manifest["passages"]:
        findings.ok("content", _committed(manifest))
    findings.ok("models", told_models(manifest))
    told = _Told(manifest, answer, passages, released)
    _check_citations(told)
    _tell_sentences(told, findings)
    return checkpoint


_BUNDLE = {"format", "manifest", "note", "answer", "passages", "checkpoint", "entries"}


@dataclass(frozen=True, slots=True)
class _Told:
    """What was found to be true so far. `passages` are those that are cited, by their ids."""

    manifest: Json
    answer: bytes
    passages: Mapping[str, bytes]
    released: Mapping[str, CheckedEntry]

    def passage(self, id_: str) -> Json | None:
        found = [each for each in self.manifest["passages"] if each["id"] == id_]
        return found[0] if found else None


def check_texts(
    bundle: Json, texts: Mapping[str, bytes], keys: Mapping[str, bytes], findings: Findings
) -> None:
    """That what was quoted from stands in these texts of documents, at the very bytes.

    `texts` are by document, of the version that was quoted, in UTF-8 as `/v1/documents/{id}/text`
    gives it. For whoever has the document, and so need not believe what a passage was. `keys`, of
    some of them, come with the texts, and show that each is the very text that was released, all of
    it.
    """
    known = {each["document_id"] for each in bundle["manifest"]["passages"]}
    unknown = sorted(texts.keys() - known)
    require(not unknown, "other_document", f"the answer quotes nothing from {unknown}")
    without = sorted(keys.keys() - texts.keys())
    require(not without, "other_document", f"there is a key and no text of {without}")
    for each in bundle["manifest"]["passages"]:
        text = texts.get(each["document_id"])
        if text is None:
            continue
        where = f"passage {each['id']}, bytes {each['start']} to {each['end']}"
        same = _digest(text[each["start"] : each["end"]]) == each["sha256"]
        require(same, "other_text", f"{where} does not stand in the text of the document")
        findings.ok("text", f"{where} stands in the text of document {each['document_id']}")
    for document, version in _versions(bundle["manifest"]):
        if document in keys:
            _check_whole(bundle["manifest"], document, version, texts[document], keys[document])
            findings.ok(
                "whole_text",
                f"the text of document {document} is, to the last byte, the one that version"
                f" {version} had when it was released",
            )


def _check_signed(manifest: Json, note: str, key: VerifierKey) -> None:
    attested = open_attestation(note, key, ed25519_verify)
    known = manifest["v"] == MANIFEST_VERSION
    require(known, "other_format", f"manifests of version {manifest['v']} are not known here")
    same = attested.manifest_digest == manifest_digest(canonical(manifest))
    require(same, "other_manifest", "the manifest is not the one that was signed")
    same = str(attested.run_id) == manifest["run_id"]
    require(same, "other_manifest", "the note is about another answer than the manifest")


def _passages(bundle: Json, manifest: Json) -> Mapping[str, bytes]:
    known = {each["id"]: each for each in manifest["passages"]}
    require(len(known) == len(manifest["passages"]), "repeated", "two passages have one name")
    given = {}
    for each in bundle["passages"]:
        only(each, "passage", {"id", "text"})
        require(each["id"] not in given, "repeated", f"passage {each['id']} is given twice")
        given[each["id"]] = each["text"].encode()
    named = {each["excerpt_id"] for each in manifest["citations"]}
    cited = [id_ for id_ in known if id_ in named]
    require(
        list(given) == cited,
        "other_passages",
        f"the passages given are {list(given)}, and cited are {cited}",
    )
    for id_, text in given.items():
        passage = known[id_]
        same = _digest(text) == passage["sha256"] and len(text) == passage["end"] - passage["start"]
        require(same, "other_passage", f"passage {id_} is not the text that was quoted from")
    return given


def _check_citations(told: _Told) -> None:
    """The words are in the passage, at the very bytes that are named, or are said not to be."""
    for place, each in enumerate(told.manifest["citations"]):
        where = f"citation {place + 1}"
        words = _slice(told.answer, each["answer_start"], each["answer_end"], where)
        passage = told.passage(each["excerpt_id"])
        if not each["verified"]:
            continue
        if passage is None:
            raise NotVerified("other_passage", f"{where} is of a passage that there is not")
        start, text = passage["start"], told.passages[passage["id"]]
        inside = start <= each["start"] < each["end"] <= passage["end"]
        require(inside, "other_span", f"{where} is of bytes outside of its passage")
        require(
            text[each["start"] - start : each["end"] - start] == words,
            "other_words",
            f"{where}: what the answer says there is not what the document says",
        )


def _tell_sentences(told: _Told, findings: Findings) -> None:
    """Every word of the answer belongs to a sentence; each is told with what it rests on."""
    reached, citations = 0, told.manifest["citations"]
    for number, each in enumerate(told.manifest["sentences"], start=1):
        words = _slice(told.answer, each["start"], each["end"], f"sentence {number}")
        between = _slice(told.answer, reached, each["start"], f"sentence {number}").decode()
        require(not between.strip(), "left_out", f"before sentence {number} words are left out")
        reached = each["end"]
        over = [
            place
            for place, citation in enumerate(citations)
            if citation["answer_start"] < each["end"] and each["start"] < citation["answer_end"]
        ]
        require(
            each["citations"] == over and each["support"] == _support(words, citations, over),
            "other_support",
            f"sentence {number} rests on something else than the manifest says",
        )
        findings.ok("sentence", _told(number, words.decode(), over, told))
    left = told.answer[reached:].decode()
    require(not left.strip(), "left_out", "at the end of the answer words are left out")


def _support(words: bytes, citations: Sequence[Json], over: Sequence[int]) -> str:
    if words.decode() in FRAMES:
        return "frame"
    if any(citations[place]["verified"] for place in over):
        return "quoted"
    return "unverified" if over else "nothing"


def _told(number: int, words: str, over: Sequence[int], told: _Told) -> str:
    sentence = f"sentence {number} ‹{_short(words)}›"
    if words in FRAMES:
        return f"{sentence} says how it is answered, and claims nothing"
    cited = [told.manifest["citations"][place] for place in over]
    checked = [_rests_on(each, told) for each in cited if each["verified"]]
    if checked:
        return f"{sentence} rests on {'; and on '.join(dict.fromkeys(checked))}"
    if cited:
        named = ", ".join(dict.fromkeys(each["excerpt_id"] for each in cited))
        return f"{sentence} points to {named}, which does NOT say it in these words"
    return f"{sentence} rests on nothing that is cited"


def _versions(manifest: Json) -> Sequence[tuple[str, int]]:
    """Each once, in the order of the passages."""
    return list(dict.fromkeys((e["document_id"], e["version"]) for e in manifest["passages"]))


def _commitments(manifest: Json, document: str, version: int) -> set[str | None]:
    return {
        each.get("text_commitment")
        for each in manifest["passages"]
        if (each["document_id"], each["version"]) == (document, version)
    }


def _committed(manifest: Json) -> str:
    """In words, of how many versions it is known which text was meant, and what that shows."""
    versions = _versions(manifest)
    without = [each for each in versions if None in _commitments(manifest, *each)]
    said = (
        f"of {len(versions) - len(without)} of {len(versions)} versions the manifest names the"
        " commitment to the whole text that the log has of the release"
    )
    if without:
        said += f"; none is known of {', '.join(f'{document} ({v})' for document, v in without)}"
    return f"{said}. It tells nothing of the text: to compare, give --text and --text-key"


def _check_whole(manifest: Json, document: str, version: int, text: bytes, key: bytes) -> None:
    committed = _commitments(manifest, document, version)
    require(
        committed == {commitment(key, text).hex()},
        "other_whole_text",
        f"the text or the key is not that of document {document}, version {version}, as released",
    )


def _rests_on(citation: Json, told: _Told) -> str:
    passage = told.passage(citation["excerpt_id"])
    assert passage is not None
    entry = told.released[passage["release_id"]]
    resource = entry.logged(UUID(passage["document_id"]), passage["version"])
    under = "as its owner"
    if passage["grant_id"] is not None:
        epoch, consent = resource["grant_epoch"], resource["consent"]
        under = f"under grant {passage['grant_id']}, epoch {epoch}, consent {consent}"
    field = "" if passage["field"] is None else f", field {passage['field']}"
    return (
        f"document {passage['document_id']}, version {passage['version']}{field}, bytes"
        f" {citation['start']} to {citation['end']}, {under}: entry {entry.index} of the log,"
        f" release {resource['release_seq']} of the document"
    )


def _slice(text: bytes, start: int, end: int, where: str) -> bytes:
    inside = 0 <= start <= end <= len(text)
    require(inside, "other_span", f"{where} is of bytes outside of the answer")
    return text[start:end]


def _short(words: str) -> str:
    shown = " ".join("".join(each if each.isprintable() else " " for each in words).split())
    if len(shown) <= SHOWN_CHARACTERS_MAX:
        return shown
    return f"{shown[: SHOWN_CHARACTERS_MAX - 1]}…"


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
