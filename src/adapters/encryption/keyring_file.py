"""The keyring's file: mode 0600, and replaced as a whole or not at all.

Whoever writes holds an advisory lock on `NAME.lock`, writes `NAME.new` and renames it. Readers
need no lock: they see the old document or the new one. All of this blocks.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.encryption.keyring_document import read_document, write_document
from adapters.encryption.keyring_faults import (
    KeyringDamaged,
    KeyringLocked,
    KeyringMissing,
    KeyringOpenToOthers,
)
from adapters.encryption.keyring_keys import KeyringKeys
from adapters.encryption.passphrase import Passphrase

Stamp = tuple[int, int, int]
"""Differs once the file has been replaced."""

_BYTES_MAX = 1024 * 1024
_LOCK_SECONDS_MAX = 10.0
_LOCK_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class KeyringFile:
    """Every method raises KeyringUnusable or OSError."""

    path: Path
    passphrase: Passphrase | None

    def stamp(self) -> Stamp:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            raise KeyringMissing(self.path) from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def read(self) -> KeyringKeys:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise KeyringMissing(self.path) from None
        with os.fdopen(descriptor, "rb") as file:
            # Asked of what was opened, not of the path, which may be another file by now.
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                raise KeyringDamaged(self.path, "it is not a regular file")
            if mode & 0o077:
                raise KeyringOpenToOthers(self.path, stat.S_IMODE(mode))
            raw = file.read(_BYTES_MAX + 1)
        if len(raw) > _BYTES_MAX:
            raise KeyringDamaged(self.path, f"it has more than {_BYTES_MAX} bytes")
        return read_document(raw, self.passphrase, self.path)

    def create_if_missing(self) -> None:
        """Of several processes that start at once, one creates it and the others find it."""
        if self.path.exists():
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            if not self.path.exists():
                self._replace(KeyringKeys.fresh())

    def change(self, change: Callable[[KeyringKeys], KeyringKeys]) -> KeyringKeys:
        """Apply `change` to what the file holds now; changes of several processes all count."""
        with self._locked():
            changed = change(self.read())
            self._replace(changed)
        return changed

    def _replace(self, keys: KeyringKeys) -> None:
        document = write_document(keys, self.passphrase)
        fresh = self._beside("new")
        fresh.unlink(missing_ok=True)  # of a process that was killed: we hold the lock
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)  # whatever the umask
                file.write(document)
                file.flush()
                os.fsync(descriptor)
            fresh.replace(self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
        _sync_directory(self.path.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        with os.fdopen(os.open(self._beside("lock"), flags, 0o600), "r+b") as lock:
            deadline = time.monotonic() + _LOCK_SECONDS_MAX
            while not _taken(lock.fileno()):
                if time.monotonic() > deadline:
                    raise KeyringLocked(self.path, _LOCK_SECONDS_MAX)
                time.sleep(_LOCK_POLL_SECONDS)
            yield  # closing the file gives the lock back, and so does being killed

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{suffix}")


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_directory(path: Path) -> None:
    """Without it a rename may be undone by a power failure."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
