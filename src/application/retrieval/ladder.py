"""What a search by words does when nothing has the words: it looks for words that are like them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from application.retrieval.passages import Candidates, Passages
from domain.identity import Action, Caller
from domain.retrieval.likeness import Rung, like
from domain.retrieval.query import SearchQuery
from domain.retrieval.words import count_words

RUNGS = (Rung.PREFIX, Rung.TYPO, Rung.SUBSTRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """From the surest step to the boldest, until one finds something.

    It reads the words of what the caller may search, which takes a while where that is much; so
    it is not for searches that found something.
    """

    passages: Passages

    async def __call__(
        self,
        *,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        search: Callable[[Sequence[str]], Awaitable[Candidates]],
        further: Sequence[str] = (),
    ) -> tuple[Rung, Candidates | None]:
        """The step that found something, and what `search` found by its lexemes. `further` are
        words beside those of the open index."""
        asked = [word.folded for word in count_words(query.text)]
        known = {*await self.passages.lexemes(caller, query, action), *further}
        for rung in RUNGS:
            lexemes = await asyncio.to_thread(like, rung, asked, known)
            if lexemes:
                found = await search(lexemes)
                if found.keyword:
                    return rung, found
        return Rung.NONE, None
