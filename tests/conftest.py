"""What every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from entrypoints.settings import forbid_reports_home

forbid_reports_home()
# How long an example takes says how busy the machine is.
settings.register_profile("strongroom", deadline=None)
settings.load_profile("strongroom")

ROOT = Path(__file__).parents[1]
_FIGURE = "figure"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real collections and published vectors, where the machine has them."""
    named = os.environ.get("STRONGROOM_SHARED_DATA")
    path = Path(named) if named else ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no shared data on this machine: set STRONGROOM_SHARED_DATA to run this test")
    return path


@pytest.fixture(scope="session")
def service() -> Callable[[str], str]:
    """Where a program, or a directory, is that does not come with our dependencies.

    `.ci/services.sh` installs them. Where one is absent the test skips, or fails if
    STRONGROOM_TEST_SERVICES is `required`.
    """
    give_up = (
        pytest.fail if os.environ.get("STRONGROOM_TEST_SERVICES") == "required" else pytest.skip
    )

    def find(name: str) -> str:
        found = name if Path(name).is_dir() else shutil.which(name)
        if found is None:
            give_up(f"there is no {name} here: run .ci/services.sh for this test")
        return found

    return find


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells the reader of the test report a figure that was measured on the way."""
    # A property of its report: a test may run in another process than the one that reports.
    return lambda line: request.node.user_properties.append((_FIGURE, line))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, line in report.user_properties:
                if name == _FIGURE:
                    terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {line}")
