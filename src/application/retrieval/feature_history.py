"""What features were at some time, for whoever owns what they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.errors import Invalid
from domain.identity import Caller, DocumentId, VersionRef
from domain.retrieval.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesThen:
    """The features of a passage of one's own, as they were at some time, and the rules by which
    those of the passage were computed."""

    version: VersionRef
    features: Features
    passage_count: int
    rules: int


class AsOfTooLate(Invalid):
    """What was so is known for times that are over: one minute ago at the latest."""

    code = "as_of_too_late"


class FeatureHistory(Protocol):
    """What features were, for whoever owns what they are of. Numbers and ids; no text."""

    async def latest(self) -> datetime:
        """The last time for which it is settled what was so."""
        ...

    async def page(
        self, caller: Caller, *, as_of: datetime, after: tuple[DocumentId, int] | None, limit: int
    ) -> Sequence[FeaturesThen]:
        """Of the passages that were searched then, in the order of documents and of their
        positions. Of what was erased since nothing is left. Raises AsOfTooLate."""
        ...
