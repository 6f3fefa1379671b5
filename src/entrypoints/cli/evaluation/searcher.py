"""Somebody who hands in a collection and searches it, over HTTP like everybody else."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from domain.retrieval.query import TEXT_CHARACTERS_MAX
from entrypoints.cli.evaluation.collection import Source
from entrypoints.cli.evaluation.failure import EvaluationNotPossible, Refused
from entrypoints.cli.evaluation.learning import Leg

AT_ONCE = 8
SECONDS_MAX = 60.0
LEAVING_SECONDS_MAX = 900.0
ATTEMPTS_MAX = 120
STANDSTILL_SECONDS_MAX = 180.0
POLL_SECONDS = 0.5
PAGE = 100
TITLE_CHARACTERS_MAX = 300
ENDS = ("ready", "rejected", "failed")
OF_THIS_ALONE = (400, 413, 415, 422)
"""Refusals of what was sent, not of who sent it."""

# No text that is stored can have them: control characters, and halves of surrogate pairs, which
# JSON can write.
_UNHOLDABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

Report = Callable[[int, int], None]
"""`report(done, of)`"""


@dataclass(slots=True, kw_only=True)
class Answer:
    """Documents with their scores in the order of the answer, the mode, and the milliseconds."""

    scores: Mapping[str, float]
    mode: str
    milliseconds: float


@dataclass(slots=True)
class Searcher:
    """One account of its own. Signs in again when the access token has run out."""

    client: httpx2.AsyncClient
    email: str = field(default_factory=lambda: f"evaluation-{secrets.token_hex(8)}@example.org")
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    names: dict[str, str] = field(default_factory=dict)
    """The collection's names of the documents, by the ids that they were given."""
    refused: list[str] = field(default_factory=list)
    """Names of those that were not taken."""

    async def hand_in(self, documents: Sequence[Source], report: Report) -> None:
        done = 0

        async def hand_in(document: Source) -> None:
            nonlocal done
            title = "".join(each for each in document.title if each.isprintable())
            form = {"title": title[:TITLE_CHARACTERS_MAX]} if title else {}
            content = _holdable(document.text).strip() or _holdable(document.title).strip()
            # Without a name, for that would be the title of what has none.
            file = (None, (content or "(empty)").encode(), "text/plain")
            try:
                made = await self._call("POST", "/v1/documents", data=form, files={"file": file})
                self.names[made["id"]] = document.name
            except Refused:
                self.refused.append(document.name)
            done += 1
            report(done, len(documents))

        await _each(documents, hand_in)

    async def until_settled(self, report: Report) -> int:
        """How many documents are searchable once all are, or never will be.

        Raises EvaluationNotPossible when indexing stands still.
        """
        query: dict[str, Any] = {"limit": PAGE}
        ready = before = reached = 0
        moved = time.monotonic()
        while True:
            page = await self._call("GET", "/v1/documents", params=query)
            states = [each["state"] for each in page["items"]]
            ended = sum(state in ENDS for state in states)
            if before + ended > reached:
                reached, moved = before + ended, time.monotonic()
                report(reached, len(self.names))
            if ended == len(states):
                before, ready = reached, ready + states.count("ready")
                if page["next_cursor"] is None:
                    return ready
                query["cursor"] = page["next_cursor"]
                continue
            if time.monotonic() - moved > STANDSTILL_SECONDS_MAX:
                raise EvaluationNotPossible("Indexing stands still: is there a worker?")
            await asyncio.sleep(POLL_SECONDS)

    async def search(self, text: str, *, mode: str, results: str, limit: int) -> Answer:
        """Documents as they come, or passages, the best of which is its document's score.

        Raises Refused where this cannot be asked."""
        body = {"query": _askable(text), "mode": mode, "results": results, "limit": limit}
        began = time.perf_counter()
        answer = await self._call("POST", "/v1/search", json=body)
        milliseconds = (time.perf_counter() - began) * 1_000
        scores: dict[str, float] = {}
        for item in answer["items"]:
            name = self.names[item["document_id"]]
            scores[name] = max(scores.get(name, 0.0), item["score"])
        return Answer(scores=scores, mode=answer["mode"], milliseconds=milliseconds)

    async def legs(self, text: str, *, limit: int) -> list[Leg]:
        """Passages, with what each leg made of them. Raises Refused where this cannot be asked."""
        body = {"query": _askable(text), "limit": limit, "explain": True}
        answer = await self._call("POST", "/v1/search", json=body)
        return [
            Leg(
                document=self.names[item["document_id"]],
                semantic=item["explain"]["semantic"] or 0.0,
                keyword=item["explain"]["keyword"] or 0.0,
            )
            for item in answer["items"]
        ]

    async def join(self) -> None:
        account = {
            "email": self.email,
            "password": self.password,
            "display_name": "Evaluation",
        }
        answer = await self.client.post("/v1/accounts", json=account)
        if answer.status_code != httpx2.codes.CREATED:
            raise EvaluationNotPossible(
                f"Nobody can sign up there: the answer was {answer.status_code}."
            )
        await self._sign_in()

    async def leave(self) -> None:
        """Take everything away again, which takes a while for many documents."""
        words = {"password": self.password}
        await self._call("DELETE", "/v1/me", json=words, timeout=LEAVING_SECONDS_MAX)

    async def _sign_in(self) -> None:
        credentials = {"email": self.email, "password": self.password}
        answer = await self.client.post("/v1/sessions", json=credentials)
        if not answer.is_success:
            raise EvaluationNotPossible(f"Signing in was answered by {answer.status_code}.")
        self.client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer. Waits when the server says that it is too much at once."""
        for _ in range(ATTEMPTS_MAX):
            answer = await self.client.request(method, path, **options)
            if answer.status_code == httpx2.codes.UNAUTHORIZED:
                await self._sign_in()
            elif answer.status_code in (429, 503):
                await asyncio.sleep(min(float(answer.headers.get("retry-after", "1")), 60.0))
            elif answer.is_success:
                return answer.json()
            else:
                break
        said = f"{method} {path} was answered by {answer.status_code}."
        raise (Refused if answer.status_code in OF_THIS_ALONE else EvaluationNotPossible)(said)


@asynccontextmanager
async def searcher(url: str, *, leaves: bool) -> AsyncIterator[Searcher]:
    """A new account; when it `leaves`, all that was handed in goes with it."""
    try:
        async with httpx2.AsyncClient(base_url=url, timeout=SECONDS_MAX, trust_env=False) as client:
            somebody = Searcher(client)
            await somebody.join()
            try:
                yield somebody
            finally:
                if leaves:
                    await asyncio.shield(somebody.leave())
    except httpx2.HTTPError as error:
        raise EvaluationNotPossible(
            f"{url} cannot be reached: {error or type(error).__name__}."
        ) from None


async def _each(items: Sequence[Any], work: Callable[[Any], Awaitable[None]]) -> None:
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await work(item)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(take())
    except ExceptionGroup as failures:  # one is enough to be told
        raise failures.exceptions[0] from None


def _holdable(text: str) -> str:
    return _UNHOLDABLE.sub(" ", text)


def _askable(text: str) -> str:
    query = _holdable(text).strip()[:TEXT_CHARACTERS_MAX]
    if not query:
        raise Refused("A query is empty.")
    return query
