"""The models that an answer was asked of: who was given the passages, whoever answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from entrypoints.verifier.findings import only, require

ANSWERED = "answered"

Json = dict[str, Any]


def told_models(manifest: Json) -> str:
    """In words, who was given the prompt. That nobody else was, the service says, and signed.

    Raises NotVerified where the manifest tells of a model that was not called.
    """
    model = manifest["model"]
    if "calls" not in model:
        return (
            f"{model['name']} wrote the answer. The manifest does not name every model that was"
            " given the passages: it is from before that was kept"
        )
    calls: Sequence[Json] = model["calls"]
    for each in calls:
        only(each, "call", {"model", "outcome", "asked"})
    _assert_called(manifest, calls)
    asked = [each for each in calls if each["asked"]]
    if not asked:
        return "no model was given the passages"
    count = len(manifest["passages"])
    said = f"all {count} passages were given to {_listed(asked)}, and to no other model"
    not_asked = [each for each in calls if not each["asked"]]
    if not_asked:
        said += f"; not asked: {_listed(not_asked)}"
    return said


def _assert_called(manifest: Json, calls: Sequence[Json]) -> None:
    """Whoever wrote, took tokens or was passed over was called, and one alone has answered."""
    model = manifest["model"]
    called = {each["model"] for each in calls}
    told = {*model["passed_over"], *(each["model"] for each in model["usage"] if calls)}
    require(
        told <= called,
        "other_models",
        f"the manifest tells of models that it does not name as called: {sorted(told - called)}",
    )
    answered = [each["model"] for each in calls if each["outcome"] == ANSWERED]
    expected = [model["name"]] if calls and manifest["state"] == "completed" else []
    require(
        answered[: len(expected)] == expected and len(answered) <= 1,
        "other_models",
        f"{model['name']} is said to have written the answer, and {answered} to have answered",
    )
    require(
        all(each["asked"] for each in calls if each["outcome"] == ANSWERED),
        "other_models",
        "a model is said to have answered that was not asked",
    )


def _listed(calls: Sequence[Json]) -> str:
    return ", ".join(f"{each['model']} ({each['outcome']})" for each in calls)
