"""What every test may ask for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from entrypoints.settings import forbid_reports_home

forbid_reports_home()

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real collections and published vectors, where the machine has them."""
    named = os.environ.get("STRONGROOM_SHARED_DATA")
    path = Path(named) if named else ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no shared data on this machine: set STRONGROOM_SHARED_DATA to run this test")
    return path
