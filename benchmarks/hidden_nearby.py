"""Whether time tells a stranger of hidden passages about a question, where a graph is asked.

    python -m benchmarks hidden_nearby [--passages N] [--pairs N]

Two people see all passages of somebody else but a few: from one those are hidden that are about a
topic, from the other as many about the topic that is farthest from it. Both put the same question
about either topic, by turns and in random order, so that a pair differs in nothing but where the
hidden ones lie: about the question, or elsewhere. What is timed is the statement of the search. The
area under the ROC curve is how often it took longer where they lie about the question; at 0.5 the
time tells nothing. Its interval is the middle 95 % of a bootstrap over the pairs.

`all compared` is what everybody has up to `search_exact_passages_max` visible passages. Where the
graph comes short, which the notes count, time does tell.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.postgres.passages import PostgresPassages
from adapters.postgres.vector_route import BY_DEFAULT, VectorRoute
from benchmarks.clustered import MODEL, PASSAGES_PER_DOCUMENT, Vectors
from benchmarks.hidden_or_absent import DISTANCE_MAX, Times, figures_of
from benchmarks.measure import Goal, Measured, report
from benchmarks.shelves import Asker, Shelves, shelves
from domain.identity import Action
from domain.retrieval.query import SearchQuery

PASSAGES = 40_000
PAIRS = 600
WARM_UP_PAIRS = 20
WANTED = 100
SHARES = (0.1, 0.5, 1.0)
ROUTES = {"graph": BY_DEFAULT, "all compared": VectorRoute(exact_passages_max=10**9)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Two:
    """Who sees nothing of this share of a topic, by the topic."""

    share: float
    askers: dict[int, Asker]

    def asker(self, topic: int, *, is_hidden_here: bool) -> Asker:
        (other,) = self.askers.keys() - {topic}
        return self.askers[topic if is_hidden_here else other]


async def measure(passages: int, pairs: int) -> None:
    chance, load_before = random.Random(20), os.getloadavg()
    times: dict[str, Times] = {}
    ways: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        async with shelves(Path(scratch), passages) as made:
            for share in SHARES:
                two = await _two(made, share)
                for name, route in ROUTES.items():
                    case = f"{share:.0%} of a topic hidden, {name}"
                    print(f"{case}: {pairs} pairs", flush=True)
                    await _by_turns(made, two, route, WARM_UP_PAIRS, chance)
                    times[case], ways[case] = await _by_turns(made, two, route, pairs, chance)
    _report(times, ways, load_before, chance)


async def _two(made: Shelves, share: float) -> Two:
    """As many documents are hidden from one as from the other."""
    topics = made.clustered.topics
    one, other = 0, int(made.clustered.nearest[0][-1])
    about = {topic: np.flatnonzero(topics == topic) for topic in (one, other)}
    count = max(round(min(map(len, about.values())) * share), 1)
    everything = np.arange(len(topics))
    askers = {
        topic: await made.asker_of(
            np.setdiff1d(everything, made.clustered.chance.permutation(documents)[:count])
        )
        for topic, documents in about.items()
    }
    return Two(share=share, askers=askers)


async def _by_turns(
    made: Shelves, two: Two, route: VectorRoute, pairs: int, chance: random.Random
) -> tuple[Times, Counter[str]]:
    passages = PostgresPassages(engine=made.engine, route=route)
    times, ways = Times(), Counter[str]()
    for _ in range(pairs):
        topic = chance.choice(list(two.askers))
        question = made.clustered.question(topic)
        sides = [(times.hidden, True), (times.absent, False)]
        chance.shuffle(sides)
        for kept, is_hidden_here in sides:
            asker = two.asker(topic, is_hidden_here=is_hidden_here)
            seconds, way = await _asked(passages, asker, question)
            kept.append(seconds * 1_000)
            ways[f"{'hidden here' if is_hidden_here else 'elsewhere'}: {way}"] += 1
    return times, ways


async def _asked(passages: PostgresPassages, asker: Asker, question: Vectors) -> tuple[float, str]:
    vector: list[float] = question.tolist()
    began = time.perf_counter()
    found = await passages.candidates(
        asker.caller,
        SearchQuery(text="anything"),
        Action.SEARCH,
        words="",
        vector=vector,  # type: ignore[arg-type]
        model=MODEL,
        per_leg=WANTED,
    )
    seconds = time.perf_counter() - began
    assert len(found.semantic) == WANTED, "an answer was short"
    assert found.semantic.keys() <= asker.visible, "something hidden was found"
    return seconds, found.vectors


def _report(
    times: dict[str, Times],
    ways: dict[str, Counter[str]],
    load_before: tuple[float, float, float],
    chance: random.Random,
) -> None:
    values = figures_of(times, chance, ("here", "elsewhere"))
    # With all of a topic hidden the graph comes short, and that is told: it has no goal.
    told = f"{SHARES[-1]:.0%} of a topic hidden, graph"
    goals = [
        Goal(figure="auc_distance", side=name, at_most=DISTANCE_MAX)
        for name in times
        if name != told
    ]
    notes = [f"{name}: {dict(sorted(ways[name].items()))}." for name in times]
    notes.append("auc is the lower end of its interval, the area itself, and the upper end.")
    measured = Measured(name="hidden_nearby", values=values, load_before=load_before)
    report(measured, goals=goals, notes=notes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--passages", type=int, default=PASSAGES)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    given = parser.parse_args(arguments)
    if given.passages % PASSAGES_PER_DOCUMENT:
        parser.error(f"passages come in documents of {PASSAGES_PER_DOCUMENT}")
    asyncio.run(measure(given.passages, given.pairs))


if __name__ == "__main__":
    main()
