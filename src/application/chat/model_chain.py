"""The models of a deployment, or those that a tenant has chosen of them, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from application.chat.absent_model import AbsentModel
from application.chat.language_model import LanguageModel
from domain.chat.budget import Amount, Budgets
from domain.chat.price import PriceTable, Tokens
from domain.errors import Invalid


class ModelUnknown(Invalid):
    """There is no such model here; GET /v1/models lists those that there are."""

    code = "model_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChain:
    """Models in the order in which they are tried. The last should always answer, at no cost."""

    models: Sequence[LanguageModel]
    prices: PriceTable
    budgets: Budgets = field(default_factory=Budgets)

    def __post_init__(self) -> None:
        if not self.models or len({each.name for each in self.models}) < len(self.models):
            raise ValueError("a chain has models, each with a name of its own")

    def as_chosen(self, names: Sequence[str] | None) -> ModelChain:
        """These of the models, and the last one after them; None: all, as they are.

        One that is not there any more keeps its place: when its turn comes, the run tells of it.
        """
        if names is None:
            return self
        *others, last = self.models
        known = {each.name: each for each in others}
        chosen = [known.get(name, AbsentModel(name=name)) for name in names if name != last.name]
        return replace(self, models=[*chosen, last])

    @property
    def names(self) -> Sequence[str]:
        """Of those that there are."""
        return [each.name for each in self._present]

    @property
    def free_model(self) -> str | None:
        """One that costs nothing, where there is one."""
        return next((each.name for each in self._present if not each.is_metered), None)

    def named(self, name: str | None) -> str:
        """The model that is to be tried first; None: the first one. Raises ModelUnknown."""
        if name is None:
            return self.models[0].name
        if name not in self.names:
            raise ModelUnknown(field="/model")
        return name

    def beginning_with(self, name: str) -> Sequence[LanguageModel]:
        """That model, and those that are tried after it: all, where it is not in the chain any
        more."""
        for position, each in enumerate(self.models):
            if each.name == name:
                return self.models[position:]
        return [AbsentModel(name=name), *self.models]

    def at_most(self, name: str, tokens: Tokens, day: date, *, hedged: bool) -> Amount | None:
        """What an answer by that model, or by one tried after it, takes; None: nothing at all.

        `hedged`: two of them may be called beside each other.
        """
        models = self.beginning_with(name)
        together = [hedged_in(models)] if hedged else []
        ways = [*([each] for each in models), *together]
        amounts = [found for way in ways if (found := self.amount_of(way, tokens, day))]
        if not amounts:
            return None
        return Amount(
            tokens=max(each.tokens for each in amounts),
            cost_micros=max(each.cost_micros for each in amounts),
        )

    def amount_of(
        self, models: Sequence[LanguageModel], tokens: Tokens, day: date
    ) -> Amount | None:
        """What calls of these models take together; None: nothing at all."""
        metered = [each.name for each in models if each.is_metered]
        if not metered:
            return None
        cost = sum(self.cost_of(each, tokens, day) or 0 for each in metered)
        return Amount(tokens=tokens.total * len(metered), cost_micros=cost)

    def cost_of(self, name: str, tokens: Tokens, day: date) -> int | None:
        """In millionths of the currency; None where the price of that day is not known."""
        if not tokens.total:
            return 0
        price = self.prices.on(day, name)
        return None if price is None else price.of(tokens)

    def is_affordable(self, name: str, day: date) -> bool:
        """Whether it may be called: where money is limited, only what has a price."""
        return not self.budgets.limit_money or self.prices.on(day, name) is not None

    @property
    def _present(self) -> Sequence[LanguageModel]:
        return [each for each in self.models if not isinstance(each, AbsentModel)]


def hedged_in(models: Sequence[LanguageModel]) -> Sequence[LanguageModel]:
    """The two that may be called beside each other. The last one is no hedge: it is there for when
    all else has failed, and would always be the first to speak."""
    return models[:2] if len(models) > 2 else []
