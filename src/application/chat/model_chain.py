"""The models of a deployment, in the order in which they are tried, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from application.chat.language_model import LanguageModel
from domain.chat.budget import Amount, Budgets
from domain.chat.price import PriceTable, Tokens
from domain.errors import Invalid


class ModelUnknown(Invalid):
    """There is no such model here; GET /v1/models lists those that there are."""

    code = "model_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChain:
    """The last model should always answer, and cost nothing."""

    models: Sequence[LanguageModel]
    prices: PriceTable
    budgets: Budgets = field(default_factory=Budgets)

    def __post_init__(self) -> None:
        if not self.models or len(set(self.names)) < len(self.models):
            raise ValueError("a chain has models, each with a name of its own")

    @property
    def names(self) -> Sequence[str]:
        return [each.name for each in self.models]

    @property
    def default(self) -> str:
        return self.models[0].name

    @property
    def free_model(self) -> str | None:
        """One that costs nothing, where there is one."""
        return next((each.name for each in self.models if not each.is_metered), None)

    def beginning_with(self, name: str) -> Sequence[LanguageModel]:
        """That model, and those that are tried after it. Raises ModelUnknown."""
        if name not in self.names:
            raise ModelUnknown(field="/model")
        return self.models[self.names.index(name) :]

    def at_most(self, name: str, tokens: Tokens, day: date) -> Amount | None:
        """What an answer by that model, or by one tried after it, takes; None: nothing at all."""
        metered = [each.name for each in self.beginning_with(name) if each.is_metered]
        if not metered:
            return None
        costs = [self.cost_of(each, tokens, day) or 0 for each in metered]
        return Amount(tokens=tokens.total, cost_micros=max(costs))

    def cost_of(self, name: str, tokens: Tokens, day: date) -> int | None:
        """In millionths of the currency; None where the price of that day is not known."""
        if not tokens.total:
            return 0
        price = self.prices.on(day, name)
        return None if price is None else price.of(tokens)

    def is_affordable(self, name: str, day: date) -> bool:
        """Whether it may be called: where money is limited, only what has a price."""
        return not self.budgets.limit_money or self.prices.on(day, name) is not None
