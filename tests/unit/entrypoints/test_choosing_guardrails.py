"""Guardrails are chosen by name, in order, and an unknown name stops the start."""

from __future__ import annotations

import pytest

from application.chat.guardrails import Guardrails
from entrypoints.guardrails import chosen_guardrails
from entrypoints.settings import SettingsError, load_settings


def chosen(**variables: str) -> Guardrails:
    return chosen_guardrails(
        load_settings({f"STRONGROOM_{k.upper()}": v for k, v in variables.items()})
    )


def test_without_a_word_the_ones_that_every_answer_needs_are_in_force() -> None:
    assert chosen().names == ["grounding-1", "secrets-1", "links-2"]


def test_the_order_is_the_one_that_was_named() -> None:
    assert chosen(guardrails="links personal").names == ["links-2", "personal-1"]
    assert chosen(guardrails="none").names == []


def test_links_lead_to_the_hosts_that_were_named() -> None:
    text = "[x](https://docs.example/a) "
    assert chosen(guardrails="links", answer_link_hosts="docs.example").whole(text) == text
    assert chosen(guardrails="links").whole(text) != text


@pytest.mark.parametrize("names", ["linsk", "none links", "links none"])
def test_an_unknown_name_is_refused_with_those_that_there_are(names: str) -> None:
    with pytest.raises(SettingsError, match=r"There are: grounding, links, personal, secrets"):
        chosen(guardrails=names)
