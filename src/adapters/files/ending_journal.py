"""The journal of endings: a file that only grows, beside the newest checkpoint.

Each line is a MAC in hexadecimal, a space, and JSON. The MAC (HMAC-SHA-256) is over the MAC of the
line before and the JSON: what was altered, left out or moved is noticed, but for the last lines
cut off, which the database still has unless it was restored. A last line without its end was being
written when the machine stopped: nobody was told of it, and it is written again.
"""

from __future__ import annotations

import asyncio
import fcntl
import hmac
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import msgspec

from application.audit.endings import JournalDamaged
from application.ports import DataKey
from application.vault.key_service import Secrets
from domain.audit.ending import Ending, EndingKind
from domain.identity import PersonId, TenantId

_START = b"strongroom endings, version 1"
_MAC_LENGTH = 64  # in hexadecimal


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    id: UUID
    tenant: UUID
    kind: EndingKind
    what: str
    by: UUID | None = None
    detail: str | None = None
    at: datetime


@dataclass(slots=True, kw_only=True)
class EndingJournalFile:
    """`EndingJournal` in a directory of mode 0700, which several processes may share."""

    directory: Path
    secrets: Secrets
    _key: DataKey | None = field(default=None, init=False)
    _known: set[UUID] = field(default_factory=set, init=False)
    _offset: int = field(default=0, init=False)
    """Up to here the file was read, and its MACs hold."""
    _mac: str = field(default="", init=False)

    async def read(self) -> Sequence[Ending]:
        await self._prepare()
        return await asyncio.to_thread(self._read)

    async def add(self, endings: Sequence[Ending]) -> int:
        await self._prepare()
        # Shielded: half of an addition would be taken for a machine that stopped.
        return await asyncio.shield(asyncio.to_thread(self._add, endings))

    async def checkpoint(self) -> str | None:
        try:
            return await asyncio.to_thread(self._checkpoint.read_text)
        except FileNotFoundError:
            return None

    async def keep_checkpoint(self, note: str | None) -> None:
        await asyncio.to_thread(self._keep_checkpoint, note)

    async def _prepare(self) -> None:
        if self._key is None:
            self._key = await self.secrets.secret("endings")

    @property
    def _journal(self) -> Path:
        return self.directory / "endings.journal"

    @property
    def _checkpoint(self) -> Path:
        return self.directory / "checkpoint"

    def _read(self) -> Sequence[Ending]:
        with self._locked() as file:
            self._offset, self._mac, self._known = 0, "", set()
            return list(self._catch_up(file))

    def _add(self, endings: Sequence[Ending]) -> int:
        if all(each.id in self._known for each in endings):
            return 0
        with self._locked() as file:
            list(self._catch_up(file))  # what other processes added
            fresh = [each for each in endings if each.id not in self._known]
            mac, lines = self._mac, []
            for each in fresh:
                line = _line_of(each)
                mac = self._next(mac, line)
                lines.append(f"{mac} ".encode() + line + b"\n")
            file.seek(self._offset)
            file.truncate()
            file.write(b"".join(lines))
            file.flush()
            os.fsync(file.fileno())
            self._offset, self._mac = file.tell(), mac
            self._known.update(each.id for each in fresh)
        return len(fresh)

    def _catch_up(self, file: BinaryIO) -> Iterator[Ending]:
        file.seek(self._offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            mac, _, text = line.rstrip(b"\n").partition(b" ")
            expected = self._next(self._mac, text)
            if len(mac) != _MAC_LENGTH or not hmac.compare_digest(mac, expected.encode()):
                where = f"{self._journal}, at byte {self._offset:,}"
                raise JournalDamaged(f"The journal of endings was altered: {where}.")
            ending = _ending_of(msgspec.json.decode(text, type=_Line))
            self._offset += len(line)
            self._mac = expected
            self._known.add(ending.id)
            yield ending

    def _next(self, mac: str, text: bytes) -> str:
        assert self._key is not None
        before = mac.encode() or _START
        return hmac.digest(self._key.secret, before + b"\n" + text, "sha256").hex()

    def _keep_checkpoint(self, note: str | None) -> None:
        with self._locked():
            if note is None:
                self._checkpoint.unlink(missing_ok=True)
                self._sync_directory()
                return
            if self._checkpoint.exists() and self._checkpoint.read_text() == note:
                return
            fresh = self._checkpoint.with_suffix(".new")
            with fresh.open("w") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._checkpoint)
            self._sync_directory()

    @contextmanager
    def _locked(self) -> Iterator[BinaryIO]:
        made = not self._journal.exists()
        if made:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if made:
                self._sync_directory()
            yield file

    def _sync_directory(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _line_of(ending: Ending) -> bytes:
    return msgspec.json.encode(
        _Line(
            id=ending.id,
            tenant=ending.tenant_id,
            kind=ending.kind,
            what=ending.what,
            by=ending.by,
            detail=ending.detail,
            at=ending.at,
        )
    )


def _ending_of(line: _Line) -> Ending:
    return Ending(
        id=line.id,
        tenant_id=TenantId(line.tenant),
        kind=line.kind,
        what=line.what,
        by=None if line.by is None else PersonId(line.by),
        detail=line.detail,
        at=line.at,
    )
