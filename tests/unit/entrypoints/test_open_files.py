"""Limits are of a process, so each case gets one of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

ASKED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from entrypoints.open_files import allow_open_files
print(allow_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(64, 512), (512, 512)])
def test_a_server_takes_as_many_open_files_as_it_may(soft: int, hard: int) -> None:
    asked = [sys.executable, "-c", ASKED.format(soft=soft, hard=hard)]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout
    assert told.split() == [str(hard)] * 3
