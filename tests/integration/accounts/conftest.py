from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import Database
from tests.integration.accounts.front_door import FrontDoor, front_door


@pytest.fixture
async def door(database: Database, engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[FrontDoor]:
    door = await front_door(database, engine, tmp_path)
    yield door
    door.passwords.close()
