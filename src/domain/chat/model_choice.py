"""Which models a tenant has chosen for what it uses models for."""

from __future__ import annotations

from enum import StrEnum

from domain.errors import InvalidParts, NotAllowed, NotFound


class ModelTask(StrEnum):
    """What a language model is asked to do."""

    ANSWER = "answer"


class TaskUnknown(NotFound):
    """There is no such task for models."""

    code = "task_unknown"


class ChainIsKeptByAdministrators(NotAllowed):
    """Only an administrator of the tenant chooses its models."""

    code = "chain_is_kept_by_administrators"


class ChainNotUsable(InvalidParts):
    """A chain names models that this deployment has, each of them once."""

    code = "chain_not_usable"


def task_named(name: str) -> ModelTask:
    """Raises TaskUnknown."""
    try:
        return ModelTask(name)
    except ValueError:
        raise TaskUnknown from None
