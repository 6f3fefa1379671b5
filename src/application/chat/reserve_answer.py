"""Reserve: set aside, of the budgets of today, what an answer may take."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.model_chain import ModelChain
from application.chat.ports import AskedQuestion, ChatTransaction
from application.chat.settle_calls import bill_of
from application.chat.spending import Spending
from application.chat.write_answer import AnswerLimits
from domain.chat.budget import Spender, exhausted
from domain.chat.question import Question
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveAnswer:
    """The most that the dearest of the models may take that the answer may come to."""

    limits: AnswerLimits
    spending: Spending

    async def __call__(self, tx: ChatTransaction, asked: AskedQuestion, chain: ModelChain) -> None:
        """Raises BudgetExhausted; then the transaction must not commit."""
        bill, run = bill_of(asked), asked.run
        amount = chain.at_most(run.model, self.limits.tokens_at_most(asked.question), bill.day)
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
        amount = chain.at_most(model, self.limits.tokens_at_most(question), now.at.date())
        if amount is None:
            return
        if not budgets.person.has_room_for(amount, now.person_spent, now.person_reserved):
            raise exhausted(Spender.PERSON, now.at, chain.free_model)
        if not budgets.tenant.has_room_for(amount, now.tenant_spent, now.tenant_reserved):
            raise exhausted(Spender.TENANT, now.at, chain.free_model)
