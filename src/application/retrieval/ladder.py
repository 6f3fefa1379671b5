"""What a search by words does when nothing has the words: it looks for words that are like them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass

from application.retrieval.passages import Candidates, Passages
from application.retrieval.sealed_search import Examined
from domain.identity import Action, Caller
from domain.retrieval.likeness import Rung, like, spans_of
from domain.retrieval.query import SearchQuery
from domain.retrieval.words import asked_for

RUNGS = (Rung.PREFIX, Rung.TYPO, Rung.SUBSTRING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Climbed:
    """The step that found something, and what it found; `cut` are those that did not look at every
    word."""

    rung: Rung
    found: Candidates | None
    cut: Set[Rung]


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
        examined: Examined,
    ) -> Climbed:
        """`search` finds by lexemes. `examined` has words beside those of the open index."""
        words = [word for word, _ in asked_for(query.text)]
        cut: set[Rung] = set()
        for rung in RUNGS:
            asked = [
                word.folded
                for word in words
                # What everybody writes right is no slip of another word: `there` of `three`.
                if rung is not Rung.TYPO or not examined.stems.is_stop_word(word)
            ]
            spans = spans_of(rung, asked)
            if not spans:
                continue
            known = [await self.passages.lexemes(caller, query, action, spans)]
            if examined:
                known.append(await asyncio.to_thread(examined.lexemes, spans))
            cut |= {rung for each in known if each.is_cut}
            every = {lexeme for each in known for lexeme in each.lexemes}
            lexemes = await asyncio.to_thread(like, rung, asked, every)
            if lexemes:
                found = await search(lexemes)
                if found.keyword:
                    return Climbed(rung=rung, found=found, cut=cut)
        return Climbed(rung=Rung.NONE, found=None, cut=cut)
