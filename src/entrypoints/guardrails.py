"""The guardrails that a setting can choose between, in the order in which it names them.

Others are entry points of the group `strongroom.guardrail`, each a function of the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from adapters.guardrails.grounding import Grounding
from adapters.guardrails.links import Links
from adapters.guardrails.personal import Personal
from adapters.guardrails.secrets import Secrets
from application.chat.guardrails import Guardrail, Guardrails
from entrypoints.settings import Settings, SettingsError

GROUP = "strongroom.guardrail"

BUILT_IN: Mapping[str, Callable[[Settings], Guardrail]] = {
    "grounding": lambda settings: Grounding(),
    "secrets": lambda settings: Secrets(),
    "personal": lambda settings: Personal(),
    "links": lambda settings: Links(hosts=settings.answer_link_hosts.split()),
}


def chosen_guardrails(settings: Settings) -> Guardrails:
    """Raises SettingsError for a name that nobody answers to. `none` alone stands for no one."""
    names = settings.guardrails.split()
    if names == ["none"]:
        return Guardrails()
    installed = {each.name: each for each in entry_points(group=GROUP)}
    return Guardrails([_built(name, installed, settings) for name in names])


def _built(name: str, installed: Mapping[str, EntryPoint], settings: Settings) -> Guardrail:
    if name in BUILT_IN:
        return BUILT_IN[name](settings)
    if name in installed:
        guardrail: Guardrail = installed[name].load()(settings)
        return guardrail
    known = ", ".join(sorted({*BUILT_IN, *installed}))
    raise SettingsError(f"guardrails: {name!r} is not a guardrail. There are: {known}.")
