"""Reserve: set aside, of the budgets of today, what an answer may take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from application.chat.model_chain import ModelChain
from application.chat.ports import AskedQuestion, ChatTransaction
from application.chat.settle_calls import bill_of
from application.chat.spending import Spending
from application.chat.write_answer import AnswerLimits
from domain.chat.budget import Amount, Spender, exhausted
from domain.chat.prompt import tokens_at_most
from domain.chat.question import Question
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveAnswer:
    """The most that the dearest of the models may take that the answer may come to."""

    chain: ModelChain
    limits: AnswerLimits
    spending: Spending

    async def __call__(self, tx: ChatTransaction, asked: AskedQuestion) -> None:
        """Raises BudgetExhausted; then the transaction must not commit."""
        bill, run = bill_of(asked), asked.run
        amount = self._at_most(asked.question, run.model, bill.day)
        if amount is None:
            return
        short = await tx.reserve(bill, run.model, amount, self.chain.budgets)
        if short is not None:
            raise exhausted(short, run.created_at, self.chain.free_model)

    async def assert_affordable(self, caller: Caller, question: Question, model: str) -> None:
        """A look beforehand, where much would have to be undone. Raises BudgetExhausted."""
        budgets = self.chain.budgets
        if not budgets.limit_anything:
            return
        now = await self.spending.standing(caller)
        amount = self._at_most(question, model, now.at.date())
        if amount is None:
            return
        if not budgets.person.has_room_for(amount, now.person_spent, now.person_reserved):
            raise exhausted(Spender.PERSON, now.at, self.chain.free_model)
        if not budgets.tenant.has_room_for(amount, now.tenant_spent, now.tenant_reserved):
            raise exhausted(Spender.TENANT, now.at, self.chain.free_model)

    def _at_most(self, question: Question, model: str, day: date) -> Amount | None:
        tokens = tokens_at_most(
            question,
            history_tokens_max=self.limits.history_tokens_max,
            excerpts_max=self.limits.excerpts_max,
            output_tokens_max=self.limits.model.output_tokens_max,
        )
        return self.chain.at_most(model, tokens, day)
