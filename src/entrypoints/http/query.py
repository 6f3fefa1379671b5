"""Query parameters that several routes share."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

from domain.language import TAG_LENGTH_MAX

NUMBER_MAX = 2**31 - 1  # what the database holds; nothing is ever numbered higher

AskedPurpose = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=64,
        description="Why this is asked for: what is read under a grant needs the grant's purpose.",
    ),
]
"""A handler's `purpose: AskedPurpose = PERSONAL_USE`."""

AskedVersion = Annotated[
    int | None,
    QueryParameter(
        ge=1, le=NUMBER_MAX, description="A version of the document; the newest if left out."
    ),
]
"""A handler's `version: AskedVersion = None`."""

AfterEvent = Annotated[
    int | None,
    QueryParameter(
        ge=0, le=NUMBER_MAX, description="The number of the last event that the reader has."
    ),
]
"""A handler's `after: AfterEvent = None`."""

AskedLanguage = Annotated[
    str | None,
    QueryParameter(
        name="language",
        min_length=2,
        max_length=TAG_LENGTH_MAX,
        description="The language of the text, as a tag of BCP 47; guessed if nobody ever said it.",
    ),
]
"""A handler's `written_in: AskedLanguage = None`."""
