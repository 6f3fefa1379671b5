"""What becomes of finished answers when the consent that they rest on is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Invalid, NotAllowed
from domain.identity import LawfulBasis

REFERENCE_LENGTH_MAX = 200

DPV_TERMS = {
    LawfulBasis.CONTRACT: "eu-gdpr:A6-1-b",
    LawfulBasis.LEGAL_OBLIGATION: "eu-gdpr:A6-1-c",
    LawfulBasis.VITAL_INTERESTS: "eu-gdpr:A6-1-d",
    LawfulBasis.PUBLIC_TASK: "eu-gdpr:A6-1-e",
    LawfulBasis.LEGITIMATE_INTERESTS: "eu-gdpr:A6-1-f",
}
"""Terms of the Data Privacy Vocabulary, extension EU-GDPR. Consent, A6-1-a, is not among them:
it is what was withdrawn."""


class AnswersThen(StrEnum):
    """Hidden from everybody, or kept for whoever was answered."""

    HIDE = "hide"
    KEEP = "keep"


class WithdrawalPolicyNotUsable(Invalid):
    """Keeping answers takes a lawful basis and a reference of up to 200 characters, hiding none."""

    code = "withdrawal_policy_not_usable"


class WithdrawalPolicyIsKeptByAdministrators(NotAllowed):
    """Only an administrator of the tenant says what becomes of answers after a withdrawal."""

    code = "withdrawal_policy_is_kept_by_administrators"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingBasis:
    """Why answers may be kept; `reference` says where that is written, in the tenant's words."""

    lawful_basis: LawfulBasis
    reference: str

    def __post_init__(self) -> None:
        if not 1 <= len(self.reference) <= REFERENCE_LENGTH_MAX or not self.reference.isprintable():
            raise WithdrawalPolicyNotUsable(field="/reference")

    def claims(self) -> dict[str, str]:
        """As receipts and the log say it."""
        return {
            "lawful_basis": self.lawful_basis.value,
            "dpv_term": DPV_TERMS[self.lawful_basis],
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawalPolicy:
    """Answers are hidden where `keep_on` is None. Erasure hides them whatever this says."""

    keep_on: KeepingBasis | None = None

    @classmethod
    def of(
        cls, answers: AnswersThen, lawful_basis: LawfulBasis | None, reference: str | None
    ) -> WithdrawalPolicy:
        """Raises WithdrawalPolicyNotUsable, naming the field that is missing, or one too many."""
        hides = answers is AnswersThen.HIDE
        for field, value in (("/lawful_basis", lawful_basis), ("/reference", reference)):
            if (value is None) is not hides:
                raise WithdrawalPolicyNotUsable(field=field)
        if lawful_basis is None or reference is None:
            return cls()
        return cls(keep_on=KeepingBasis(lawful_basis=lawful_basis, reference=reference))

    @property
    def answers(self) -> AnswersThen:
        return AnswersThen.HIDE if self.keep_on is None else AnswersThen.KEEP
