"""When a process may begin to move a tenant to the model that its settings want."""

from __future__ import annotations

import pytest

from domain.retrieval.embedding_model import EmbeddingModel, ModelState, in_state, may_arrive


def models(**states: ModelState) -> list[EmbeddingModel]:
    return [EmbeddingModel(name=name, dimensions=2, state=state) for name, state in states.items()]


@pytest.mark.parametrize("state", ModelState)
def test_a_model_that_the_tenant_knows_does_not_arrive_by_itself(state: ModelState) -> None:
    others = {} if state is ModelState.SERVING else {"b": ModelState.SERVING}
    assert not may_arrive(models(a=state, **others), "a")


def test_one_that_is_new_arrives_unless_another_does() -> None:
    assert may_arrive(models(a=ModelState.SERVING, b=ModelState.LEFT), "c")
    assert not may_arrive(models(a=ModelState.SERVING, b=ModelState.ARRIVING), "c")


def test_there_is_at_most_one_that_serves() -> None:
    known = models(a=ModelState.SERVING, b=ModelState.LEAVING)
    found = in_state(known, ModelState.SERVING)
    assert found is not None
    assert found.name == "a"
    assert in_state(known, ModelState.ARRIVING) is None
