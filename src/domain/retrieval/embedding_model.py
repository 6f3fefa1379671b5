"""The embedding models of one tenant: which of them serves, and which comes or goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class ModelState(StrEnum):
    """Vectors of an arriving model are written beside those that serve; once none is missing it
    serves, and the one before leaves: its vectors are deleted. One that has left was once served.
    """

    ARRIVING = "arriving"
    SERVING = "serving"
    LEAVING = "leaving"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingModel:
    """At most one of a tenant's serves, and at most one arrives."""

    name: str
    dimensions: int
    state: ModelState


def in_state(models: Sequence[EmbeddingModel], state: ModelState) -> EmbeddingModel | None:
    """The one in this state, of states in which there is at most one."""
    return next((each for each in models if each.state is state), None)


def may_arrive(models: Sequence[EmbeddingModel], name: str) -> bool:
    """Whether a process that wants this model may begin to move its tenant there by itself.

    Never back to one that the tenant moved away from: two processes with different settings, as
    there are while a deployment is rolled out, would move it to and fro. An operator may, with a
    command. Nor while another arrives.
    """
    return in_state(models, ModelState.ARRIVING) is None and all(
        each.name != name for each in models
    )
