"""Bundles: all releases of one document, each with its proof, numbered without gaps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from domain.audit.checkpoint import Checkpoint
from domain.audit.note import NoteNotValid, VerifierKey, from_base64
from entrypoints.verifier.entry import FAILED, CheckedEntry, check_entry
from entrypoints.verifier.findings import Findings, NotVerified, require
from entrypoints.verifier.history import trusted_checkpoint
from entrypoints.verifier.testimony import Testimony

FORMAT = "strongroom-accesses@v1"
FILTERS = {"person_id", "action", "purpose", "grant_id", "since", "until"}
UNREADABLE = (NoteNotValid, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading something malformed raises."""


@dataclass(slots=True)
class CheckedBundle:
    """What the pages of a bundle told so far: its releases from `after` on `through` the last.

    `only` is what they were narrowed to. Then each release is proven like others and is one that
    was asked for, but numbers may be missing: nothing is claimed of those that are not there.
    """

    key: VerifierKey
    after: int = 0
    through: int = field(init=False)
    only: dict[str, str] | None = None
    document_id: UUID | None = None
    entries: int = 0
    replayed: int = 0
    from_before: int = 0
    unexplained: int = 0
    who: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    has_evidence: bool = False
    seen: dict[str, CheckedEntry] = field(default_factory=dict)
    testimony: Testimony = field(default_factory=Testimony)
    failed: dict[str, str] = field(default_factory=dict)
    """Why, for each release that did."""
    goes_on: bool = False
    """Whether the last page said that there are more."""

    def __post_init__(self) -> None:
        self.through = self.after

    def add(self, page: dict[str, Any], findings: Findings) -> Checkpoint:
        """Check one page, which goes on where the one before ended.

        Raises NotVerified where the page as a whole is not one; what is wrong with an entry is
        told, and the others are checked all the same.
        """
        require(page["format"] == FORMAT, "other_format", f"this is not a {FORMAT}")
        checkpoint = trusted_checkpoint(page["checkpoint"], self.key)
        document = UUID(page["document_id"])
        same = self.document_id in (None, document)
        require(same, "other_document", f"the bundle goes on with document {document}")
        only = {name: each for name, each in (page.get("only") or {}).items() if each is not None}
        same = self.document_id is None or self.only == only
        require(same, "other_filter", "the bundle goes on narrowed to something else")
        require(only.keys() <= FILTERS, "malformed", f"it is narrowed by {sorted(only)}")
        self.document_id, self.only = document, only
        require(
            page["after"] == self.through,
            "gap",
            f"after release {self.through} the bundle goes on after {page['after']}",
        )
        self.goes_on = page.get("next_after") is not None
        for given in page["entries"]:
            self._add_entry(given, checkpoint, document, findings)
        for given in page.get("failures", ()):  # bundles of before there were any have none
            self._add_failure(given, checkpoint, document, findings)
        return checkpoint

    def conclude(self, findings: Findings) -> None:
        """Sum up in words."""
        numbers = f"with the releases {self.after + 1} to {self.through}"
        if self.through == self.after:
            numbers = f"and no release after {self.after}"
        if self.only:
            numbers = f"with some of the releases after {self.after}"
        findings.ok(
            "entries",
            f"document {self.document_id}: {self.entries} entries are in the log, {numbers}",
        )
        if self.goes_on:
            findings.ok(
                "goes_on",
                f"it goes on after release {self.through}: what follows is in another bundle"
                f" (?after={self.through}), and was not checked",
            )
        if self.only:
            asked = ", ".join(f"{name} {each}" for name, each in sorted(self.only.items()))
            findings.ok(
                "narrowed",
                f"these are of {asked} alone; whether there are more of that kind, a bundle that is"
                " narrowed cannot prove: one of all releases does",
            )
        findings.ok(
            "replayed",
            f"{self.replayed} decisions were made again, and came out as they were logged",
        )
        if self.testimony.owner_id is not None:
            findings.ok(
                "owner",
                f"all of them say that the document is person {self.testimony.owner_id}'s, and the"
                " same of each grant",
            )
        if self.from_before:
            findings.ok(
                "unexplained", f"{self.from_before} decisions are from before there was evidence"
            )
        if self.unexplained:
            findings.unexplained(self.unexplained)
        if self.failed:
            why = Counter(self.failed.values())
            findings.ok(
                "failed",
                f"{len(self.failed)} of these releases failed, as the log says too, and were not"
                " shown, or not to their end: "
                + ", ".join(f"{reason}: {times}" for reason, times in sorted(why.items())),
            )
        for (person, action, purpose), times in sorted(self.who.items()):
            findings.ok("who", f"person {person}: {action}, for {purpose}: {times}")

    def _add_entry(
        self, given: dict[str, Any], checkpoint: Checkpoint, document: UUID, findings: Findings
    ) -> None:
        """The numbers of an entry count as seen even where something else is wrong with it, so that
        one fault is told once."""
        try:
            checked = _checked(given, checkpoint)
            numbers = checked.numbers_of(document)
            self._assert_next(checked, numbers)
            self.testimony.add(checked, document)
        except NotVerified as failed:
            findings.violated(failed.code, str(failed))
        except UNREADABLE as malformed:
            findings.violated("malformed", f"an entry cannot be read: {malformed!r}"[:300])
        else:
            self._count(checked, numbers)

    def _add_failure(
        self, given: dict[str, Any], checkpoint: Checkpoint, document: UUID, findings: Findings
    ) -> None:
        try:
            checked = _checked(given, checkpoint)
            self._assert_failure(checked, checked.failed(document))
        except NotVerified as failed:
            findings.violated(failed.code, str(failed))
        except UNREADABLE as malformed:
            findings.violated("malformed", f"a failure cannot be read: {malformed!r}"[:300])

    def _assert_failure(self, checked: CheckedEntry, told: dict[str, str] | None) -> None:
        """Raises NotVerified for what is no failure of one of the releases told of before."""
        where = f"entry {checked.index}"
        require(checked.leaf["type"] == FAILED, "not_a_failure", f"{where} is no failure")
        if told is None:
            raise NotVerified("not_opened", f"{where} does not say which release failed")
        release = self.seen.get(told["release_id"])
        if release is None:
            raise NotVerified("other_release", f"{where} is of a release that is not in the bundle")
        require(
            told["release_id"] not in self.failed,
            "repeated",
            f"{where}: the release of entry {release.index} failed twice",
        )
        for what in ("action", "purpose"):
            same = checked.leaf[what] == release.leaf[what]
            require(same, "other_release", f"{where} is of a release with another {what}")
        require(
            checked.opening is not None
            and release.opening is not None
            and checked.opening.actor_id == release.opening.actor_id,
            "other_release",
            f"{where} is of somebody else's release",
        )
        later = checked.leaf["at"] >= release.leaf["at"]
        require(later, "other_release", f"{where} is from before what it says failed")
        self.failed[told["release_id"]] = told["reason"]

    def _assert_next(self, checked: CheckedEntry, numbers: list[int]) -> None:
        """Raises NotVerified for an entry that was there before, or leaves a gap before it.

        After a gap the numbers go on from there: one hole is one finding.
        """
        event = str(checked.leaf["event_id"])
        require(event not in self.seen, "repeated", f"entry {checked.index} is given twice")
        self.seen[event] = checked
        require(
            bool(numbers) and checked.leaf["type"] == "release",
            "not_a_release",
            f"entry {checked.index} is no release of the document",
        )
        expected, before = self.through + 1, self.through
        self.through = numbers[-1]
        if self.only:
            self._assert_asked_for(checked, self.only)
            require(
                before < numbers[0],
                "order",
                f"entry {checked.index} has the release numbers {numbers}, after {before}",
            )
            return
        require(
            numbers == list(range(expected, expected + len(numbers))),
            "gap",
            f"entry {checked.index} has the release numbers {numbers}, and {expected} was next",
        )

    def _assert_asked_for(self, checked: CheckedEntry, only: dict[str, str]) -> None:
        """Raises NotVerified for an entry that what the bundle was narrowed to leaves out."""
        leaf, opening = checked.leaf, checked.opening
        at = datetime.fromisoformat(leaf["at"])
        mine = [] if opening is None else opening.resources
        grants = {
            checked.logged(each.document_id, each.version)["grant_id"]
            for each in mine
            if each.document_id == self.document_id
        }
        actor = None if opening is None else str(opening.actor_id)
        fits: dict[str, Callable[[str], bool]] = {
            "person_id": lambda wanted: actor == wanted,
            "action": lambda wanted: leaf["action"] == wanted,
            "purpose": lambda wanted: leaf["purpose"] == wanted,
            "grant_id": lambda wanted: wanted in grants,
            "since": lambda wanted: at >= datetime.fromisoformat(wanted),
            "until": lambda wanted: at < datetime.fromisoformat(wanted),
        }
        odd = sorted(name for name, wanted in only.items() if not fits[name](wanted))
        require(not odd, "not_asked_for", f"entry {checked.index} has another {' and '.join(odd)}")

    def _count(self, checked: CheckedEntry, numbers: list[int]) -> None:
        self.entries += 1
        self.replayed += checked.replayed
        # After the first entry with evidence, an entry without any was not written by us.
        is_from_before = checked.leaf["v"] == 1 and not self.has_evidence
        self.has_evidence = not is_from_before
        if is_from_before:
            self.from_before += len(numbers) - checked.replayed
        else:
            self.unexplained += len(numbers) - checked.replayed
        actor = "unknown" if checked.opening is None else str(checked.opening.actor_id)
        self.who[actor, checked.leaf["action"], checked.leaf["purpose"]] += len(numbers)


def _checked(given: dict[str, Any], checkpoint: Checkpoint) -> CheckedEntry:
    return check_entry(
        given,
        index=given["index"],
        hashes=[from_base64(each) for each in given["hashes"]],
        checkpoint=checkpoint,
    )
