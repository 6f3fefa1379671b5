"""Personal data is known by its form and its check digits."""

from __future__ import annotations

import pytest

from adapters.contracts.guardrail import GuardrailContract
from adapters.guardrails.personal import REMOVED, Personal
from application.chat.guardrails import Guardrail, Guardrails


class TestPersonal(GuardrailContract):
    changed = (
        "mara.oelsen+flat@post.example",
        "DE89 3704 0044 0532 0130 00",
        "GB82WEST12345698765432",
        "+44 (0)20 7946 0958",
        "4111 1111 1111 1111",
        "5500-0000-0000-0004",
    )

    @pytest.fixture
    def guardrail(self) -> Guardrail:
        return Personal()

    def test_what_follows_an_account_number_stays(self, guardrail: Guardrail) -> None:
        shown = Guardrails([guardrail]).whole(
            "To DE89 3704 0044 0532 0130 00 BIC COBADEFF, please."
        )
        assert shown == f"To {REMOVED} BIC COBADEFF, please."

    def test_numbers_without_their_check_digits_stay(self, guardrail: Guardrail) -> None:
        for text in (
            "DE88 3704 0044 0532 0130 00",
            "4111 1111 1111 1112",
            "Invoice 1234 5678 9012 3456 of 2021",
            "+1 234",
            "me @ home",
        ):
            assert Guardrails([guardrail]).whole(text) == text
