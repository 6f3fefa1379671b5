"""Words to be looked for wherever they could be kept."""

from __future__ import annotations

from uuid import uuid4


def canary(beginning: str = "canary") -> str:
    """One word that nothing else says, and that is its own lexeme in every language.

    It ends in a digit, which no stemmer cuts off; of words that end in any of the sixteen digits of
    hexadecimal numbers, English cuts one in fifteen.
    """
    return f"{beginning}{uuid4().int % 10**20:020}"
