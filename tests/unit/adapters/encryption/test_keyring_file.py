"""The keyring's file: who may read it, several processes at once, passphrases, damage."""

# ruff: noqa: ASYNC240 - a test has its event loop to itself

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.encryption.keyring import LocalKeyring
from adapters.encryption.keyring_faults import (
    KeyringDamaged,
    KeyringMissing,
    KeyringOpenToOthers,
    KeyringUnusable,
    PassphraseEmpty,
    PassphraseMissing,
    PassphraseSuperfluous,
    PassphraseWrong,
)
from adapters.encryption.passphrase import Argon2Cost
from application.ports import DataKey
from application.vault.key_service import KeyServiceUnavailable, SigningPurpose

CHEAP = Argon2Cost(memory_kib=1024, passes=1, lanes=1)
CONTEXT = (b"tenant key", b"t1")
STARTERS = 6

START_AND_ROTATE = """
import asyncio, sys
from pathlib import Path
from adapters.encryption.keyring import LocalKeyring
from application.ports import DataKey
from application.vault.key_service import SigningPurpose

async def main(path, rotations):
    print("ready", flush=True)
    sys.stdin.readline()
    keyring = LocalKeyring.open(path)
    for _ in range(rotations):
        await keyring.rotate()
    wrapped = await keyring.wrap(DataKey(bytes(32)), (b"race",))
    public_key = await keyring.public_key(SigningPurpose.LOG)
    print(public_key.hex(), wrapped.hex())

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keyring.json"


def test_a_new_keyring_is_for_its_owner_alone_whatever_the_umask(path: Path) -> None:
    for number, umask in enumerate((0o000, 0o022, 0o777)):
        beside = path.parent / f"{number}.json"
        path.parent.mkdir(exist_ok=True)
        before = os.umask(umask)
        try:
            LocalKeyring.open(beside)
        finally:
            os.umask(before)
        assert stat.S_IMODE(beside.stat().st_mode) == 0o600


async def test_it_stays_for_its_owner_alone_and_leaves_no_copy_behind(path: Path) -> None:
    keyring = LocalKeyring.open(path)
    await keyring.rotate()
    await keyring.destroy(1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    left = {file.name: file.stat().st_size for file in path.parent.iterdir()}
    assert set(left) == {"keyring.json", "keyring.json.lock"}
    assert left["keyring.json.lock"] == 0


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601, 0o660, 0o777])
def test_a_keyring_that_others_may_reach_is_refused(path: Path, mode: int) -> None:
    LocalKeyring.open(path)
    path.chmod(mode)
    with pytest.raises(KeyringOpenToOthers) as refused:
        LocalKeyring.open(path)
    assert str(path) in str(refused.value)
    assert f"{mode:04o}" in str(refused.value)


def test_a_read_only_keyring_can_be_used(path: Path) -> None:
    LocalKeyring.open(path)
    path.chmod(0o400)
    assert LocalKeyring.open(path)


def test_a_keyring_that_must_exist_is_not_made_anew(path: Path) -> None:
    with pytest.raises(KeyringMissing, match=re.escape(str(path))):
        LocalKeyring.open(path, create=False)
    assert not path.exists()


def test_processes_that_start_at_once_end_up_with_one_keyring(path: Path) -> None:
    answers = _race(path, rotations=0)
    assert len({public_key for public_key, _ in answers}) == 1


async def test_rotations_of_several_processes_at_once_all_count(path: Path) -> None:
    answers = _race(path, rotations=3)
    keyring = LocalKeyring.open(path)
    for _, wrapped in answers:
        assert await keyring.unwrap(bytes.fromhex(wrapped), (b"race",)) == DataKey(bytes(32))
    assert await keyring.rotate() == 1 + 3 * STARTERS + 1


async def test_what_a_killed_writer_left_behind_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    left = path.with_name("keyring.json.new")
    left.write_text("half a docu")
    keyring = LocalKeyring.open(path)
    left.write_text("half a docu")
    await keyring.rotate()
    assert not left.exists()
    assert LocalKeyring.open(path)


async def test_a_keyring_that_cannot_be_written_stays_as_it_was(path: Path) -> None:
    keyring = LocalKeyring.open(path)
    before = path.read_bytes()
    path.with_name("keyring.json.new").mkdir()
    with pytest.raises(KeyServiceUnavailable):
        await keyring.rotate()
    assert path.read_bytes() == before
    assert (await keyring.wrap(DataKey(bytes(32)), CONTEXT))[:4] == (1).to_bytes(4)


async def test_a_sealed_keyring_opens_with_its_passphrase(path: Path) -> None:
    sealed = LocalKeyring.open(path, "corre\u0301ct horse", cost=CHEAP)
    wrapped = await sealed.wrap(DataKey(bytes(32)), CONTEXT)
    assert await sealed.rotate() == 2
    again = LocalKeyring.open(path, "corr\u00e9ct horse")
    assert await again.unwrap(wrapped, CONTEXT) == DataKey(bytes(32))
    assert await again.public_key(SigningPurpose.LOG) == await sealed.public_key(SigningPurpose.LOG)


def test_a_passphrase_costs_what_rfc_9106_recommends(path: Path) -> None:
    LocalKeyring.open(path, "correct horse")
    cost = json.loads(path.read_text())["sealed"]["cost"]
    assert cost == {"memory_kib": 65536, "passes": 3, "lanes": 4}
    assert LocalKeyring.open(path, "correct horse")


def test_a_sealed_keyring_shows_no_key(path: Path) -> None:
    LocalKeyring.open(path, "correct horse", cost=CHEAP)
    document = json.loads(path.read_text())
    assert set(document) == {"format", "sealed"}
    assert set(document["sealed"]) == {"cost", "salt", "ciphertext"}
    assert b"active" not in base64.b64decode(document["sealed"]["ciphertext"])


def test_a_wrong_missing_superfluous_or_empty_passphrase_is_named(path: Path) -> None:
    LocalKeyring.open(path, "correct horse", cost=CHEAP)
    plain = path.with_name("plain.json")
    LocalKeyring.open(plain)
    for wrong, fault, file in (
        ("correct horse ", PassphraseWrong, path),
        (None, PassphraseMissing, path),
        ("correct horse", PassphraseSuperfluous, plain),
        ("", PassphraseEmpty, plain),
    ):
        with pytest.raises(fault, match=re.escape(str(file))) as refused:
            LocalKeyring.open(file, wrong)
        assert "horse" not in str(refused.value)


def test_a_cost_that_was_altered_is_noticed_or_refused(path: Path) -> None:
    LocalKeyring.open(path, "correct horse", cost=CHEAP)
    intact = json.loads(path.read_text())
    for name, value, fault in (
        ("passes", 2, PassphraseWrong),
        ("memory_kib", 2**40, KeyringDamaged),
        ("passes", 10**6, KeyringDamaged),
        ("lanes", 0, KeyringDamaged),
    ):
        altered = {**intact["sealed"], "cost": {**intact["sealed"]["cost"], name: value}}
        path.write_text(json.dumps({**intact, "sealed": altered}))
        with pytest.raises(fault):
            LocalKeyring.open(path, "correct horse")


def test_a_damaged_keyring_is_named_and_never_quoted(path: Path) -> None:
    LocalKeyring.open(path)
    intact = path.read_text()
    secrets = re.findall(r'"([A-Za-z0-9+/]{43}=)"', intact)
    assert len(secrets) == 5
    for damaged in _damaged(intact):
        path.write_bytes(damaged)
        with pytest.raises(KeyringDamaged, match=re.escape(str(path))) as refused:
            LocalKeyring.open(path)
        told = "".join(
            line
            for error in _chain(refused.value)
            for line in (*traceback.format_exception(error), repr(vars(error)))
        )
        assert not any(secret[:12] in told for secret in secrets)


async def test_a_keyring_that_is_damaged_later_is_noticed_before_wrapping(path: Path) -> None:
    keyring = LocalKeyring.open(path)
    path.write_text("{}")
    with pytest.raises(KeyServiceUnavailable) as refused:
        await keyring.wrap(DataKey(bytes(32)), CONTEXT)
    assert isinstance(refused.value.__cause__, KeyringUnusable)
    with pytest.raises(KeyServiceUnavailable):
        await keyring.rotate()
    assert path.read_text() == "{}"


def test_no_key_and_no_passphrase_shows_in_a_repr(path: Path) -> None:
    keyring = LocalKeyring.open(path, "correct horse", cost=CHEAP)
    shown = repr(keyring) + repr(vars(keyring))
    assert "horse" not in shown
    assert "b'" not in shown
    assert 'b"' not in shown


def _damaged(intact: str) -> Iterator[bytes]:
    yield b""
    yield b"{}"
    yield b"\xff\xfe not text"
    yield b"[" * 100_000
    yield intact.encode() * 3000
    for cut in range(1, len(intact) - 2, 23):
        yield intact[:cut].encode()
    document = json.loads(intact)
    keys = document["keys"]
    for name in keys:
        yield _with_keys({key: value for key, value in keys.items() if key != name})
    yield _with_keys({**keys, "active": 2})
    yield _with_keys({**keys, "active": "1"})
    yield _with_keys({**keys, "derivation": "AAAA"})
    yield _with_keys({**keys, "derivation": keys["derivation"][:-3] + "!!="})
    yield _with_keys({**keys, "surplus": keys["derivation"]})
    yield _with_keys({**keys, "root": {"0": keys["derivation"], **keys["root"]}})
    yield _with_keys({**keys, "root": {**keys["root"], keys["derivation"]: keys["derivation"]}})
    yield _with_keys({**keys, "signing": {"log": keys["signing"]["log"]}})
    yield json.dumps({"format": "strongroom-keyring-2", "keys": keys}).encode()
    yield json.dumps({"format": keys["derivation"], "keys": keys}).encode()


def _with_keys(keys: dict[str, Any]) -> bytes:
    return json.dumps({"format": "strongroom-keyring-1", "keys": keys}).encode()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _race(path: Path, *, rotations: int) -> list[list[str]]:
    """Real processes, which import everything first and then begin at the same moment."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", START_AND_ROTATE, str(path), str(rotations)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(STARTERS)
    ]
    for process in running:
        assert process.stdout
        process.stdout.readline()
    for process in running:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = []
    for process in running:
        answer, complaint = process.communicate(timeout=30)
        assert process.returncode == 0, complaint
        answers.append(answer.split())
    return answers
