"""The notice: what an agreement is about, in words, exactly as it is shown to both sides."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from domain.consent.terms import Terms
from domain.consent.withdrawal_policy import DPV_TERMS, WithdrawalPolicy
from domain.errors import Conflict
from domain.identity import Acr, Action

_INDEXED = {
    "clear": "Its words and meaning are searchable through an index that is not encrypted.",
    "sealed": "It is searchable through an encrypted index.",
    "none": "It is not searchable.",
}


class NoticeOutdated(Conflict):
    """Answers are now kept after a withdrawal, and the notice does not say so: consent is to be
    asked for, or given, anew."""

    code = "notice_outdated"


class NoticeDiffers(Conflict):
    """The notice is not the one that was shown: have it shown again, and decide again."""

    code = "notice_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The text that was shown when consent was asked for, exactly."""

    language: str
    body: str

    @property
    def hash(self) -> bytes:
        """SHA-256 over the language, a line feed, and the text in UTF-8."""
        return hashlib.sha256(f"{self.language}\n{self.body}".encode()).digest()

    def assert_tells(self, policy: WithdrawalPolicy) -> None:
        """Nobody agrees who was not told that answers stay. Raises NoticeOutdated.

        That they are hidden need not have been said: older notices do not.
        """
        if policy.keep_on is not None and _answers_then(policy) not in self.body:
            raise NoticeOutdated

    def assert_shown(self, shown_hash: bytes | None) -> None:
        """Whoever says which notice they read agrees to no other. Raises NoticeDiffers."""
        if shown_hash is not None and shown_hash != self.hash:
            raise NoticeDiffers


def written_notice(
    terms: Terms,
    *,
    grantor: str,
    grantee: str,
    purpose_title: str,
    controller: str,
    withdrawal: WithdrawalPolicy,
    index_mode: str | None = None,
    asked_for: bool = False,
) -> Notice:
    """The notice in words. It names no title: whoever keeps receipts keeps no content.

    `withdrawal` is the policy in force: it may change, and the notice says that, too. `index_mode`
    is that of the document, where it is known to whoever reads the notice.
    """
    what = f"one {terms.resource.kind.value}"
    if terms.fields is not None:
        what = f"these fields of one record: {', '.join(sorted(terms.fields))}"
    if terms.versions is not None:
        what += f" in version {', '.join(str(each) for each in sorted(terms.versions))}"
    may = f"to {_listed(terms.actions)} {what} for this purpose: {purpose_title}."
    sentences = [
        f"{grantee} asks {grantor} {may}" if asked_for else f"{grantor} allows {grantee} {may}",
        f"This holds from {_from(terms)} until {terms.expires_at:%Y-%m-%d %H:%M} UTC, "
        f"{_how_often(terms)}.",
    ]
    if Action.SHARE in terms.actions:
        sentences.append(f"{grantee} may let others do the same, never more and never longer.")
    if terms.retention is not None:
        sentences.append(f"{grantee} keeps what was shown for {_spoken(terms.retention)} at most.")
    if terms.required_acr is Acr.MFA:
        sentences.append(f"{grantee} must be signed in with a second factor.")
    if index_mode in _INDEXED:
        sentences.append(_INDEXED[index_mode])
    sentences += [
        f"{grantor} can withdraw it at any time; from then on nothing more is shown.",
        _answers_then(withdrawal),
        f"Every access is recorded by {controller}, and both sides can see the record.",
    ]
    return Notice(language="en", body=" ".join(sentences))


def _answers_then(policy: WithdrawalPolicy) -> str:
    """The same words for everybody, so that an older notice can be compared with the policy."""
    basis = policy.keep_on
    if basis is None:
        return (
            "As the rule stands now, finished answers that were made from it are then hidden, too."
        )
    article = DPV_TERMS[basis.lawful_basis].rsplit("-", 1)[-1]
    words = basis.lawful_basis.value.replace("_", " ")
    return (
        "As the rule stands now, finished answers that were made from it are NOT hidden then: they"
        f" stay with whoever was answered, on another basis than consent ({words}, Article"
        f" 6(1)({article}) of the GDPR: “{basis.reference}”). Erasing it hides them."
    )


def _from(terms: Terms) -> str:
    if terms.not_before is None:
        return "the moment of agreement"
    return f"{terms.not_before:%Y-%m-%d %H:%M} UTC"


def _how_often(terms: Terms) -> str:
    parts = []
    if terms.max_uses is not None:
        parts.append(f"at most {terms.max_uses} times")
    if terms.uses_per_interval is not None:
        interval = timedelta(seconds=terms.uses_per_interval.seconds)
        parts.append(f"at most {terms.uses_per_interval.uses} times in {_spoken(interval)}")
    return " and ".join(parts) or "without a limit on uses"


def _spoken(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for length, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"


def _listed(actions: frozenset[Action]) -> str:
    words = sorted(action.value for action in actions)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
