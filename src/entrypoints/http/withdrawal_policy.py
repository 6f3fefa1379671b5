"""What becomes of finished answers after a withdrawal, over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, get, put
from litestar.params import JSONBody
from msgspec import Meta

from application.consent.ports import WithdrawalPolicies
from application.consent.set_withdrawal_policy import SetWithdrawalPolicy
from domain.consent.withdrawal_policy import (
    DPV_TERMS,
    REFERENCE_LENGTH_MAX,
    AnswersThen,
    WithdrawalPolicy,
)
from domain.identity import Caller, LawfulBasis
from entrypoints.http.injected import Injected

EXAMPLE = {
    "answers": "keep",
    "lawful_basis": "legal_obligation",
    "reference": "Records schedule 7.2: advice given is kept for ten years",
}


class WithdrawalPolicyTold(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether finished answers are hidden, or kept for whoever was answered.

    To keep them needs a basis of Article 6(1) of the GDPR that is not consent, and a reference:
    where that is written down. To hide them needs neither.
    """

    answers: AnswersThen
    lawful_basis: LawfulBasis | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=REFERENCE_LENGTH_MAX)] | None = None


class WithdrawalPolicyShown(msgspec.Struct, kw_only=True):
    """What becomes of finished answers when a consent that they rest on is withdrawn. `dpv_term` is
    that of the basis in the Data Privacy Vocabulary."""

    answers: AnswersThen
    lawful_basis: LawfulBasis | None
    dpv_term: str | None
    reference: str | None


class WithdrawalPolicyController(Controller):
    """/v1/withdrawal-policy"""

    path = "/v1/withdrawal-policy"
    tags = ("Consent",)

    @get()
    async def get_withdrawal_policy(
        self, caller: Injected[Caller], withdrawal_policies: Injected[WithdrawalPolicies]
    ) -> WithdrawalPolicyShown:
        """What the tenant does with finished answers when a consent is withdrawn."""
        return _shown(await withdrawal_policies.of(caller))

    @put(opt={"example": EXAMPLE})
    async def put_withdrawal_policy(
        self,
        caller: Injected[Caller],
        set_withdrawal_policy: Injected[SetWithdrawalPolicy],
        data: JSONBody[WithdrawalPolicyTold],
    ) -> WithdrawalPolicyShown:
        """Say what becomes of finished answers from now on: for administrators.

        What was hidden stays hidden, and what was kept stays kept. Answers that are being written
        are ended, and the erasure of a document hides all that rests on it, whatever this says.
        """
        policy = WithdrawalPolicy.of(data.answers, data.lawful_basis, data.reference)
        await set_withdrawal_policy(caller=caller, policy=policy)
        return _shown(policy)


def _shown(policy: WithdrawalPolicy) -> WithdrawalPolicyShown:
    basis = policy.keep_on
    return WithdrawalPolicyShown(
        answers=policy.answers,
        lawful_basis=None if basis is None else basis.lawful_basis,
        dpv_term=None if basis is None else DPV_TERMS[basis.lawful_basis],
        reference=None if basis is None else basis.reference,
    )
