"""The peer: Litestar and SQLAlchemy, and one row by its primary key for each request.

Its own PostgreSQL is the same embedded one, started in the same way, unless HELLO_DATABASE_URL
names another. It uses SQLAlchemy Core, which is the faster half of it and the quicker to import:
nobody is asked for a token, nothing is decrypted, nothing is logged.

    HELLO_DATA_DIR=/tmp/hello python -m uvicorn benchmarks.hello_world:app --no-access-log
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from litestar import Litestar, get
from litestar.params import FromPath
from sqlalchemy import Column, Integer, MetaData, Table, Text, make_url, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.postgres.embedded import embedded_database

POOL_SIZE = 16  # as many as Strongroom has

people = Table(
    "hello_world_people",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("email", Text, nullable=False),
)


@get("/health/live")
async def live() -> dict[str, str]:
    return {"status": "live"}


@get("/people/{person_id:int}")
async def read_person(person_id: FromPath[int]) -> dict[str, str | int]:
    engine: AsyncEngine = app.state.engine
    statement = select(people.c.id, people.c.email).where(people.c.id == person_id)
    async with engine.connect() as connection:
        row = (await connection.execute(statement)).one()
    return {"id": row.id, "email": row.email}


@asynccontextmanager
async def _database(app: Litestar) -> AsyncIterator[None]:
    async with _running() as url:
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"), pool_size=POOL_SIZE, max_overflow=0
        )
        async with engine.begin() as connection:
            await connection.run_sync(people.metadata.create_all)
            row = {"id": 1, "email": "asha@example.org"}
            await connection.execute(insert(people).values(row).on_conflict_do_nothing())
        app.state.engine = engine
        yield
        await engine.dispose()


@asynccontextmanager
async def _running() -> AsyncIterator[str]:
    given = os.environ.get("HELLO_DATABASE_URL")
    if given:
        yield given
        return
    async with embedded_database(Path(os.environ["HELLO_DATA_DIR"])) as url:
        yield url


app = Litestar(route_handlers=[live, read_person], lifespan=[_database], openapi_config=None)
