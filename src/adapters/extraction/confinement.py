"""What a process that reads untrusted files gives up. Each step is a one-way street.

Resource limits hold on every POSIX system; the rest is Linux, and is left out where the kernel
or its administrator does not permit it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

from adapters.extraction.limits import ExtractionLimits

_NOBODY = 65_534
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000


class Confinement:
    """Looked up before the first file is read: afterwards nothing can be opened any more."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

    def give_up_privileges(self) -> None:
        """For the waiting process: no network, no new privileges, and not root."""
        if self._libc is not None:
            if self._libc.unshare(_CLONE_NEWNET) != 0:
                self._libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)
            self._libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        if self._libc is not None:  # neither traced nor dumped by another process of this user
            self._libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)

    def confine_reader(self, limits: ExtractionLimits, parent: int) -> None:
        """For the process that reads one file: it opens nothing, forks nothing, and ends in time.

        Every descriptor but the first few must be closed before.
        """
        if self._libc is not None:
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        cpu = limits.cpu_seconds_max
        _limit(resource.RLIMIT_AS, _address_space_bytes() + limits.memory_bytes_max)
        _limit(resource.RLIMIT_CPU, cpu, cpu + 1)
        _limit(resource.RLIMIT_FSIZE, 0)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_NPROC, 0)
        _limit(resource.RLIMIT_NOFILE, lowest_free)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds_max)


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    """Lower a limit; one that is lower already stays."""
    _, present = resource.getrlimit(kind)
    wanted = soft if hard is None else hard
    highest = wanted if present == resource.RLIM_INFINITY else min(wanted, present)
    resource.setrlimit(kind, (min(soft, highest), highest))


def _address_space_bytes() -> int:
    if sys.platform != "linux":
        return 512 << 20  # there is no portable way to ask
    with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123
        return int(statm.read().split()[0]) * resource.getpagesize()
