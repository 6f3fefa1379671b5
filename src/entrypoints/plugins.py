"""Plugins: what a setting may choose by name among what is installed.

A plugin is an entry point of a port's group, whose value is `build(options) -> Port`; ours are
registered in the same way. Nothing becomes active by being installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from application.chat.language_model import LanguageModel
from entrypoints.settings import SettingsError

LANGUAGE_MODELS = "strongroom.language_model"


def language_model(plugin: str, name: str, options: Mapping[str, Any]) -> LanguageModel:
    """Built by that plugin. Raises SettingsError, naming the model and what is wrong."""
    try:
        built = _loaded(LANGUAGE_MODELS, plugin)({"name": name, **options})
    except (ValueError, OSError, ImportError) as wrong:
        raise SettingsError(f"models: {name!r} cannot be used: {wrong}.") from None
    if built.name != name:
        raise SettingsError(f"models: {name!r} calls itself {built.name!r}.")
    return built  # type: ignore[no-any-return]


def _loaded(group: str, plugin: str) -> Callable[[Mapping[str, Any]], Any]:
    found = {each.name: each for each in entry_points(group=group)}
    if plugin not in found:
        there = ", ".join(sorted(found))
        raise SettingsError(f"There is no plugin {plugin!r} of {group}. There are: {there}.")
    return found[plugin].load()  # type: ignore[no-any-return]
