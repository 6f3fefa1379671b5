"""What the demonstration checks with: it must be able to say no."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from entrypoints.cli.story.events import Event, events_of
from entrypoints.cli.story.live import writing
from entrypoints.cli.story.receipts import ReceiptNotSigned, altered, claims_of
from entrypoints.cli.story.sharing import next_friday
from entrypoints.cli.story.stage import DoesNotHold, Stage


def _stage(width: int = 60) -> Stage:
    return Stage(Console(file=io.StringIO(), width=width), fast=True)


def _shown(stage: Stage) -> str:
    assert isinstance(stage.console.file, io.StringIO)
    return stage.console.file.getvalue()


def test_what_holds_is_marked_and_counted() -> None:
    stage = _stage()
    stage.check("two and two are four", expected=4, seen=2 + 2)
    stage.check("it was quick", expected="at most 5 s", seen="3 s", holds=True)
    assert stage.checked == 2
    assert "two and two are four" in _shown(stage)


@pytest.mark.parametrize("holds", [None, False])
def test_what_does_not_hold_ends_the_story_and_is_shown(holds: bool | None) -> None:
    stage = _stage()
    with pytest.raises(DoesNotHold, match="he finds nothing"):
        stage.check("he finds nothing", expected=[], seen=["her lease"], holds=holds)
    assert stage.checked == 0
    assert "expected: []" in _shown(stage)
    assert "seen:     ['her lease']" in _shown(stage)


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    stage = _stage()
    stage.tell("[bold]not bold[/bold]")
    with writing(stage) as write:
        write("[red]")
    assert "[bold]not bold[/bold]" in _shown(stage)
    assert "[red]" in _shown(stage)


@given(st.lists(st.sampled_from(["a ", "word ", "several words ", "line\n", "\n\n", "12345678\n"])))
def test_an_answer_is_broken_into_lines_between_words_only(pieces: list[str]) -> None:
    stage = _stage(width=24)
    with writing(stage) as write:
        for piece in pieces:
            write(piece)
    assert _shown(stage).split() == "".join(pieces).split()
    assert all(len(line.rstrip()) <= 24 for line in _shown(stage).splitlines())


@given(st.integers(0, 10_000), st.integers(0, 86_399))
def test_until_friday_is_a_friday_evening_within_a_week(days: int, seconds: int) -> None:
    now = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=days, seconds=seconds)
    friday = next_friday(now)
    assert f"{friday:%A %H:%M}" == "Friday 18:00"
    assert now < friday <= now + timedelta(days=7)


@given(st.lists(st.integers(1, 40), min_size=1))
async def test_events_are_the_same_however_the_bytes_arrive(cuts: list[int]) -> None:
    frames = [
        b'id: 1\nevent: run_started\ndata: {"run_id":"r"}\n\n',
        b":\n\n",
        'id: 2\nevent: text_delta\ndata: {"text":"déjà vu: a"}\n\n'.encode(),
        b"retry: 1000\n\n",
        b'id: 3\nevent: completed\ndata: {"message_id":"m"}\n\n',
        b"id: 4\nevent: text_d",
    ]
    events = [event async for event in events_of(_in_pieces(b"".join(frames), cuts))]
    assert [(each.number, each.type) for each in events] == [
        (1, "run_started"),
        (2, "text_delta"),
        (3, "completed"),
    ]
    assert events[1] == Event(
        number=2, type="text_delta", told={"text": "déjà vu: a"}, frame=frames[2]
    )


async def _in_pieces(content: bytes, cuts: list[int]) -> AsyncIterator[bytes]:
    start = 0
    while start < len(content):
        size = cuts[start % len(cuts)]
        yield content[start : start + size]
        start += size


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def _published(key: Ed25519PrivateKey, kid: str = "here") -> dict[str, object]:
    x = _encoded(key.public_key().public_bytes_raw())
    return {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}]}


def _receipt(key: Ed25519PrivateKey, algorithm: str = "EdDSA") -> str:
    header = _encoded(json.dumps({"alg": algorithm, "kid": "here"}).encode())
    payload = _encoded(b'{"max_uses":5}')
    signature = key.sign(f"{header}.{payload}".encode())
    return f"{header}.{payload}.{_encoded(signature)}"


def test_a_receipt_is_read_only_under_the_key_that_it_names(key: Ed25519PrivateKey) -> None:
    assert claims_of(_receipt(key), _published(key)) == {"max_uses": 5}
    for other in (_published(key, kid="elsewhere"), _published(Ed25519PrivateKey.generate())):
        with pytest.raises(ReceiptNotSigned):
            claims_of(_receipt(key), other)
    with pytest.raises(ReceiptNotSigned):
        claims_of(_receipt(key, algorithm="none"), _published(key))


def test_an_altered_receipt_is_not_read(key: Ed25519PrivateKey) -> None:
    forged = altered(_receipt(key), b'"max_uses":5', b'"max_uses":9')
    assert forged != _receipt(key)
    with pytest.raises(ReceiptNotSigned):
        claims_of(forged, _published(key))
