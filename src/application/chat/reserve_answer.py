"""Reserve: set aside, of the budgets of today, what an answer may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from application.chat.answer_limits import AnswerLimits
from application.chat.model_chain import ModelChain
from application.chat.ports import AskedQuestion, ChatTransaction
from application.chat.settle_calls import bill_of
from application.chat.spending import Spending
from domain.chat.budget import Amount, Spender, exhausted
from domain.chat.question import Question
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveAnswer:
    """The most that the answer may take: what the dearest of its models does, or two at once."""

    limits: AnswerLimits
    spending: Spending

    async def __call__(self, tx: ChatTransaction, asked: AskedQuestion, chain: ModelChain) -> None:
        """Raises BudgetExhausted; then the transaction must not commit."""
        bill, run = bill_of(asked), asked.run
        amount = self._at_most(asked.question, chain, run.model, bill.day)
        if amount is None:
            return
        short = await tx.reserve(bill, run.model, amount, chain.budgets)
        if short is not None:
            raise exhausted(short, run.created_at, chain.free_model)

    async def assert_affordable(
        self, caller: Caller, question: Question, chain: ModelChain, model: str
    ) -> None:
        """A look beforehand, where much would have to be undone. Raises BudgetExhausted."""
        budgets = chain.budgets
        if not budgets.limit_anything:
            return
        now = await self.spending.standing(caller)
        amount = self._at_most(question, chain, model, now.at.date())
        if amount is None:
            return
        if not budgets.person.has_room_for(amount, now.person_spent, now.person_reserved):
            raise exhausted(Spender.PERSON, now.at, chain.free_model)
        if not budgets.tenant.has_room_for(amount, now.tenant_spent, now.tenant_reserved):
            raise exhausted(Spender.TENANT, now.at, chain.free_model)

    def _at_most(
        self, question: Question, chain: ModelChain, model: str, day: date
    ) -> Amount | None:
        tokens = self.limits.tokens_at_most(question)
        return chain.at_most(model, tokens, day, hedged=self.limits.hedge_seconds is not None)
