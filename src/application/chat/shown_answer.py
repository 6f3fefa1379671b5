"""An answer on its way to its readers: through the guardrails, its quotes checked, into the log."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import takewhile

from application.chat.failures import AnswerTooLong
from application.chat.guardrails import Guardrails, Passed
from application.chat.language_model import Quote
from application.chat.ports import RunLog
from domain.chat.citation import QUOTE_CHARACTERS_MAX, Citation, marked, quoted
from domain.chat.event import Cited, Guardrail, TextDelta
from domain.chat.excerpt import Excerpt

_TAIL_CHARACTERS = 2 * QUOTE_CHARACTERS_MAX


class ShownAnswer:
    """What a model says is shown once every guardrail has let it through, and never before.

    Every citation speaks of the answer as it is shown. A quote of which something was taken out
    is cited as far as it is repeated word for word.
    """

    def __init__(
        self,
        *,
        log: RunLog,
        guardrails: Guardrails,
        excerpts: Mapping[str, Excerpt],
        bytes_max: int,
    ) -> None:
        self._log = log
        self._guardrails = guardrails
        self._guard = guardrails.answer()
        self._excerpts = excerpts
        self._bytes_max = bytes_max
        self._parts: list[str] = []
        self._bytes_count = 0
        self._tail = ""
        self._quotes: list[Quote] = []  # of words that are still held back

    @property
    def has_begun(self) -> bool:
        return bool(self._parts)

    async def say(self, text: str) -> None:
        """Raises AnswerTooLong."""
        await self._show(self._guard.read(text))
        await self._cite_quotes()

    async def quote(self, quote: Quote) -> None:
        """What was said last repeats a document."""
        self._quotes.append(quote)
        await self._cite_quotes()

    async def finish(self, *, marks_sources: bool) -> None:
        """Show what is left. With `marks_sources` the answer itself says what it rests on."""
        await self._show(self._guard.finish())
        await self._cite_quotes()
        if marks_sources:
            for citation in marked("".join(self._parts), self._excerpts):
                await self._log.append(Cited(citation=citation))

    async def _show(self, passed: Passed) -> None:
        for ruling in passed.rulings:
            await self._log.append(ruling)
        if not passed.text:
            return
        self._bytes_count += len(passed.text.encode())
        if self._bytes_count > self._bytes_max:
            await self._log.append(Guardrail(kind="size", decision="stopped"))
            raise AnswerTooLong
        self._parts.append(passed.text)
        self._tail = (self._tail + passed.text)[-_TAIL_CHARACTERS:]
        await self._log.append(TextDelta(text=passed.text))

    async def _cite_quotes(self) -> None:
        while self._quotes and (found := self._found(self._quotes[0])) is not None:
            del self._quotes[0]
            await self._log.append(Cited(citation=found))

    def _found(self, quote: Quote) -> Citation | None:
        """The citation of a quote; None where some of it may not be shown yet."""
        at = self._tail.rfind(quote.quote)
        if at >= 0:
            return self._cited(quote, at, quote.quote)
        if self._guard.is_holding:
            return None
        changed = self._guardrails.whole(quote.quote)
        at = self._tail.rfind(changed)
        if at < 0:  # it was never said
            return self._cited(quote, len(self._tail), "")
        same = takewhile(lambda pair: pair[0] == pair[1], zip(quote.quote, changed, strict=False))
        return self._cited(quote, at, "".join(each for each, _ in same))

    def _cited(self, quote: Quote, at: int, words: str) -> Citation:
        start = self._bytes_count - len(self._tail[at:].encode())
        length = len(words.encode())
        return quoted(
            self._excerpts,
            quote.excerpt_id,
            start=quote.start,
            end=quote.end if words == quote.quote else quote.start + length,
            quote=words,
            answer_start=start,
            answer_end=start + length,
        )
