"""Ingestion: visible progress, a swap without a gap, and any crash made good by running again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from application.retrieval.index_version import IndexVersion
from application.retrieval.ports import AttemptOver, IndexedPassage
from domain.retrieval.progress import IndexState
from tests.integration.retrieval.library import EMBEDDER, Library

SECTIONS = "\n\n".join(
    f"# Section {number}\n\n" + f"The cedar number {number} stands beside the brook. " * 30
    for number in range(4)
)
STEPS = ["received", "extracting", "chunking", "embedding", "indexing", "ready"]


async def test_each_step_of_the_way_is_told_with_gapless_numbers(library: Library) -> None:
    asha = await library.person()
    ref = await library.hand_in(asha, SECTIONS, title="Trees")
    await _in_pairs(library)(caller=asha, version=ref)
    told = await library.states(ref)
    assert [number for number, _ in told] == list(range(1, len(told) + 1))
    assert list(dict.fromkeys(state for _, state in told)) == STEPS
    done = await library.run(
        "SELECT done, total FROM document_events WHERE tenant_id = :tenant"
        " AND document_id = :document AND done IS NOT NULL ORDER BY number",
        document=ref.document_id,
    )
    assert len(done) > 1
    assert done[-1].done == done[-1].total
    assert [row.done for row in done] == sorted({row.done for row in done})


async def test_spans_are_those_of_the_extracted_text(library: Library) -> None:
    asha = await library.person()
    ref = await library.add(asha, "# Bäume\n\nDie Zeder 🌲 steht am Bach.\n\n" + SECTIONS)
    content = await library.container.read_content()(
        caller=asha, document_id=ref.document_id, purpose="personal_use", text=True
    )
    whole = b"".join([piece async for piece in content.read(0, content.length)])
    page = await library.search(asha, "Zeder am Bach, cedar at the brook", limit=50)
    assert len(page.hits) > 4
    for hit in page.hits:
        passage = hit.passage
        assert whole[passage.start : passage.end].decode() == passage.text
        assert passage.heading_path


async def test_a_new_version_is_swapped_in_when_it_is_complete(library: Library) -> None:
    asha = await library.person()
    first = await library.add(asha, "The cedar stands beside the brook.")
    second = await library.replace(asha, first, "The willow stands beside the brook.")
    assert {hit.passage.version for hit in (await library.search(asha, "brook")).hits} == {first}
    await library.index(asha, second)
    assert {hit.passage.version for hit in (await library.search(asha, "brook")).hits} == {second}
    assert {key[-2:] for key in await library.indexed_rows(second)} == {".2"}


async def test_a_version_that_was_superseded_is_left_alone(library: Library) -> None:
    asha = await library.person()
    first = await library.hand_in(asha, "The cedar stands beside the brook.")
    second = await library.replace(asha, first, "The willow stands beside the brook.")
    await library.index(asha, first)
    assert await library.indexed_rows(first) == {}
    await library.index(asha, second)
    assert await library.found(asha, "willow") == {second.document_id}


async def test_a_version_is_indexed_once_however_often_the_job_runs(library: Library) -> None:
    asha = await library.person()
    ref = await library.add(asha, SECTIONS)
    before = await library.indexed_rows(ref), await library.states(ref)
    await library.index(asha, ref)
    assert before == (await library.indexed_rows(ref), await library.states(ref))


async def test_two_workers_with_the_same_job_leave_one_index(library: Library) -> None:
    asha = await library.person()
    ref = await library.hand_in(asha, SECTIONS)
    jobs = [_in_pairs(library)(caller=asha, version=ref) for _ in range(4)]
    await asyncio.gather(*jobs)
    await library.index(asha, ref)
    alone = await library.add(asha, SECTIONS)
    assert await library.indexed_rows(ref) == await library.indexed_rows(alone)
    assert (await library.states(ref))[-1][1] == "ready"


async def test_a_stale_attempt_writes_nothing(library: Library) -> None:
    asha = await library.person()
    ref = await library.hand_in(asha, SECTIONS)
    index = library.container.passage_index()
    stale = await index.begin(asha, ref)
    assert stale is not None
    await library.index(asha, ref)
    before = await library.indexed_rows(ref), await library.states(ref)
    for write in (
        index.add(stale, EMBEDDER.model, [await _row(0)], 1),
        index.tell(stale, IndexState.CHUNKING),
        index.publish(stale),
        index.end(stale, IndexState.FAILED, "stale"),
    ):
        with pytest.raises(AttemptOver):
            await write
    assert before == (await library.indexed_rows(ref), await library.states(ref))


async def test_a_document_erased_while_it_is_indexed_leaves_nothing(library: Library) -> None:
    asha = await library.person()
    ref = await library.hand_in(asha, SECTIONS)
    indexing = replace(
        _in_pairs(library),
        embedder=_Interposed(
            EMBEDDER,
            before_call=lambda: library.container.erase_document()(
                caller=asha, document_id=ref.document_id
            ),
        ),
    )
    await indexing(caller=asha, version=ref)
    assert await library.indexed_rows(ref) == {}
    assert await library.states(ref) == []
    await library.index(asha, ref)


async def test_erasing_a_document_takes_it_out_of_the_index_and_no_other(library: Library) -> None:
    asha = await library.person()
    gone, kept = await library.add(asha, SECTIONS), await library.add(asha, SECTIONS)
    before = await library.indexed_rows(kept)
    receipt = await library.container.erase_document()(caller=asha, document_id=gone.document_id)
    assert await library.indexed_rows(gone) == {}
    assert set(receipt.erasure.residue.values()) == {0}
    assert await library.indexed_rows(kept) == before
    assert await library.found(asha, "cedar") == {kept.document_id}


async def test_what_cannot_be_read_is_rejected_with_its_reason(library: Library) -> None:
    asha = await library.person()
    ref = await library.hand_in(asha, "%PDF-1.7\nthis is no portable document\n%%EOF")
    await library.index(asha, ref)
    (row,) = await library.run(
        "SELECT state, state_reason FROM versions WHERE tenant_id = :tenant AND document_id = :id",
        id=ref.document_id,
    )
    assert row.state == "rejected"
    assert len(row.state_reason) > 10
    await library.index(asha, ref)
    assert [state for _, state in await library.states(ref)] == [
        "received",
        "extracting",
        "rejected",
    ]


async def test_only_the_last_attempt_marks_a_failure_and_a_replay_repairs_it(
    library: Library,
) -> None:
    asha = await library.person()
    ref = await library.hand_in(asha, SECTIONS)
    failing = replace(_in_pairs(library), embedder=_Interposed(EMBEDDER, before_call=_crash))
    with pytest.raises(Crash):
        await failing(caller=asha, version=ref)
    assert (await library.states(ref))[-1][1] == "embedding"
    with pytest.raises(Crash):
        await failing(caller=asha, version=ref, last_attempt=True)
    assert (await library.states(ref))[-1][1] == "failed"
    assert await library.indexed_rows(ref) == {}
    await library.index(asha, ref)
    assert await library.found(asha, "cedar") == {ref.document_id}


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_at_any_step_is_made_good_by_running_again(
    library: Library, after: bool
) -> None:
    asha = await library.person()
    expected = await library.indexed_rows(await library.add(asha, SECTIONS))
    crashes = 0
    while True:
        ref = await library.hand_in(asha, SECTIONS)
        cut = _CutOff(calls_left=crashes, after=after)
        try:
            await _cut_off(library, cut)(caller=asha, version=ref)
        except Crash:
            crashes += 1
        else:
            break
        await library.index(asha, ref)
        assert await library.indexed_rows(ref) == expected
        told = await library.states(ref)
        assert [number for number, _ in told] == list(range(1, len(told) + 1))
        assert told[-1][1] == "ready"
    assert crashes >= 10


class Crash(Exception):
    """The process ended here, as far as anyone can tell."""


async def _crash() -> None:
    raise Crash


@dataclass
class _CutOff:
    """Ends one run at the nth call of any of its ports, before or after the call."""

    calls_left: int
    after: bool

    def count(self) -> None:
        if self.calls_left == 0:
            raise Crash
        self.calls_left -= 1

    async def before_call(self) -> None:
        if not self.after:
            self.count()

    async def after_call(self) -> None:
        if self.after:
            self.count()


async def _nothing() -> None:
    return


class _Interposed:
    """The real part, with something that happens around each of its calls."""

    def __init__(
        self,
        part: Any,
        before_call: Callable[[], Any] = _nothing,
        after_call: Callable[[], Any] = _nothing,
    ) -> None:
        self._part, self._before, self._after = part, before_call, after_call

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._part, name)
        if not callable(member):
            return member

        async def called(*positional: Any, **named: Any) -> Any:
            await self._before()
            answer = await member(*positional, **named)
            await self._after()
            return answer

        return called


def _in_pairs(library: Library) -> IndexVersion:
    """The job with such small batches that a few passages take several."""
    return replace(library.container.index_version(), passages_at_once=2)


def _cut_off(library: Library, cut: _CutOff) -> IndexVersion:
    whole = _in_pairs(library)

    def around(part: Any) -> Any:
        return _Interposed(part, cut.before_call, cut.after_call)

    return replace(
        whole,
        content=around(whole.content),
        extractor=around(whole.extractor),
        embedder=around(whole.embedder),
        index=around(whole.index),
    )


async def _row(ordinal: int) -> IndexedPassage:
    return IndexedPassage(
        ordinal=ordinal,
        start=0,
        end=1,
        page=None,
        sealed=b"",
        words="stale",
        vector=await EMBEDDER.embed_query("stale"),
    )
