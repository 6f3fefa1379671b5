"""Plugins: what a setting may choose by name among what is installed.

A plugin is an entry point of a port's group, whose value is `build(options) -> Port`; ours are
registered in the same way. Nothing becomes active by being installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from application.chat.language_model import LanguageModel
from application.retrieval.embedder import DIMENSIONS_MAX, Embedder
from entrypoints.settings import EmbedderChoice, SettingsError

LANGUAGE_MODELS = "strongroom.language_model"
EMBEDDERS = "strongroom.embedder"


def language_model(plugin: str, name: str, options: Mapping[str, Any]) -> LanguageModel:
    """Built by that plugin. Raises SettingsError, naming the model and what is wrong."""
    try:
        built = _loaded(LANGUAGE_MODELS, plugin)({"name": name, **options})
    except (ValueError, OSError, ImportError) as wrong:
        raise SettingsError(f"models: {name!r} cannot be used: {wrong}.") from None
    if built.name != name:
        raise SettingsError(f"models: {name!r} calls itself {built.name!r}.")
    return built  # type: ignore[no-any-return]


def embedder(choice: EmbedderChoice, *, data_dir: Path, threads: int) -> Embedder:
    """Built by that plugin, which is told besides where it may keep files, and how many threads it
    may use (0: as it likes). Raises SettingsError."""
    given = {"data_dir": str(data_dir), "threads": threads}
    try:
        built: Embedder = _loaded(EMBEDDERS, choice.plugin)({**given, **choice.options})
    except (ValueError, OSError, ImportError) as wrong:
        raise SettingsError(f"embedder: {choice.plugin!r} cannot be used: {wrong}.") from None
    if not 2 <= built.dimensions <= DIMENSIONS_MAX:
        raise SettingsError(
            f"embedder: vectors of {built.dimensions} dimensions do not fit;"
            f" the index holds from 2 to {DIMENSIONS_MAX:,}."
        )
    if not (0 < len(built.model) <= 100 and built.model.isprintable()):
        raise SettingsError("embedder: the name of a model has from 1 to 100 printable characters.")
    return built


def _loaded(group: str, plugin: str) -> Callable[[Mapping[str, Any]], Any]:
    found = {each.name: each for each in entry_points(group=group)}
    if plugin not in found:
        there = ", ".join(sorted(found))
        raise SettingsError(f"There is no plugin {plugin!r} of {group}. There are: {there}.")
    return found[plugin].load()  # type: ignore[no-any-return]
