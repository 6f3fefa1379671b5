"""Notices: what becomes of finished answers after a withdrawal is said before anybody agrees."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

import pytest

from domain.consent.notice import Notice, NoticeOutdated, written_notice
from domain.consent.terms import Terms
from domain.consent.withdrawal_policy import KeepingBasis, WithdrawalPolicy
from domain.identity import Action, LawfulBasis, Purpose, ResourceKind, ResourceRef

HIDE = WithdrawalPolicy()
BASES = {
    LawfulBasis.CONTRACT: "b",
    LawfulBasis.LEGAL_OBLIGATION: "c",
    LawfulBasis.VITAL_INTERESTS: "d",
    LawfulBasis.PUBLIC_TASK: "e",
    LawfulBasis.LEGITIMATE_INTERESTS: "f",
}


def keep(basis: LawfulBasis, reference: str = "Schedule 7.2") -> WithdrawalPolicy:
    return WithdrawalPolicy(keep_on=KeepingBasis(lawful_basis=basis, reference=reference))


def notice_under(policy: WithdrawalPolicy, *, asked_for: bool = False) -> Notice:
    return written_notice(
        Terms(
            resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=UUID(int=3)),
            actions=frozenset({Action.READ}),
            purpose=Purpose("care"),
            expires_at=datetime(2026, 11, 22, 12, tzinfo=UTC),
        ),
        grantor="Asha",
        grantee="Ben",
        purpose_title="Care",
        controller="A clinic",
        withdrawal=policy,
        asked_for=asked_for,
    )


@pytest.mark.parametrize("asked_for", [True, False])
def test_a_notice_says_that_answers_are_hidden_where_they_are(asked_for: bool) -> None:
    body = notice_under(HIDE, asked_for=asked_for).body
    assert "answers that were made from it are then hidden, too" in body
    assert "GDPR" not in body


@pytest.mark.parametrize("basis", BASES)
def test_a_notice_names_the_basis_on_which_answers_stay(basis: LawfulBasis) -> None:
    body = notice_under(keep(basis)).body
    words = f"({basis.value.replace('_', ' ')}, Article 6(1)({BASES[basis]}) of the GDPR"
    assert "are NOT hidden then" in body
    assert words in body
    assert "“Schedule 7.2”" in body
    assert "Erasing it hides them" in body


def test_what_was_shown_is_what_its_hash_is_of() -> None:
    notices = [notice_under(each) for each in (HIDE, *map(keep, BASES))]
    assert len({each.hash for each in notices}) == len(notices)
    for each in notices:
        assert each.hash == sha256(f"en\n{each.body}".encode()).digest()


def test_nobody_agrees_to_a_notice_that_does_not_say_that_answers_stay() -> None:
    contract = keep(LawfulBasis.CONTRACT)
    others = [HIDE, keep(LawfulBasis.LEGAL_OBLIGATION), keep(LawfulBasis.CONTRACT, "Elsewhere")]
    for told in others:
        with pytest.raises(NoticeOutdated):
            notice_under(told).assert_tells(contract)
    notice_under(contract).assert_tells(contract)


def test_where_answers_are_hidden_older_notices_hold() -> None:
    Notice(language="en", body="Asha allows Ben to read one document.").assert_tells(HIDE)
    notice_under(keep(LawfulBasis.CONTRACT)).assert_tells(HIDE)
