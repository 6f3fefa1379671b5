"""The waiting process: `python -m adapters.extraction.child LIMITS`, with a socket as its input.

It has every parser loaded, gives up its privileges, and forks a reader for each document, so
that a reader starts in milliseconds and takes nothing along when it dies. It parses nothing
itself. It ends, and its readers with it, when the other end of the socket is closed.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys

import msgspec

from adapters.extraction.confinement import Confinement
from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.reader import answer_one
from adapters.extraction.samples import samples
from adapters.extraction.wire import COMMAND, ENDED, EXTRACT, NOT_STARTED, READY


def main() -> None:
    limits = msgspec.json.decode(sys.argv[1], type=ExtractionLimits)
    for media_type, content in samples().items():
        extract_any(content, media_type, limits)
    confinement = Confinement()
    confinement.give_up_privileges()
    gc.collect()
    gc.freeze()  # forked readers then share these pages, as their collector leaves them alone
    with socket.socket(fileno=os.dup(0)) as control:
        os.dup2(1, 0)
        _Waiting(control, confinement, limits).serve()


class _Waiting:
    def __init__(
        self, control: socket.socket, confinement: Confinement, limits: ExtractionLimits
    ) -> None:
        self._control = control
        self._confinement = confinement
        self._limits = limits
        self._task_by_pid: dict[int, int] = {}

    def serve(self) -> None:
        woken, wake = socket.socketpair()
        woken.setblocking(False)
        wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno())
        self._control.sendall(READY)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is woken:
                        woken.recv(4_096)
                        self._reap()
                    elif not self._obey():
                        self._kill_all()
                        return

    def _obey(self) -> bool:
        """Carry out one command; False when there are no more."""
        record, descriptors, _, _ = socket.recv_fds(self._control, COMMAND.size, 1)
        if len(record) < COMMAND.size:
            return False
        kind, task = COMMAND.unpack(record)
        if kind == EXTRACT and descriptors:
            with socket.socket(fileno=descriptors[0]) as document:
                self._start(task, document)
        else:
            # Only this process reaps, so the number cannot have gone to another process yet.
            for pid, running in self._task_by_pid.items():
                if running == task:
                    os.kill(pid, signal.SIGKILL)
        return True

    def _start(self, task: int, document: socket.socket) -> None:
        waiting = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            self._control.sendall(ENDED.pack(task, NOT_STARTED))
            return
        if pid == 0:
            try:
                self._read(document, waiting)
            finally:
                os._exit(1)
        self._task_by_pid[pid] = task

    def _read(self, document: socket.socket, waiting: int) -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(document.detach(), 3, inheritable=False)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        self._confinement.confine_reader(self._limits, waiting)
        answer_one(socket.socket(fileno=3), self._limits)
        os._exit(0)

    def _reap(self) -> None:
        while self._task_by_pid:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            task = self._task_by_pid.pop(pid)
            self._control.sendall(ENDED.pack(task, status))

    def _kill_all(self) -> None:
        for pid in self._task_by_pid:
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
