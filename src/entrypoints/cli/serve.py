"""Start everything in order, serve, and stop everything in reverse."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version

from sqlalchemy import text

from application.retrieval.vector_store import VectorStoreUnavailable
from domain.breaker import BreakerState
from entrypoints.background import beside
from entrypoints.cli.deployment import deployment, indexing
from entrypoints.cli.fence import fence_opened, fence_watched, listening
from entrypoints.cli.steps import say, step
from entrypoints.container import Container
from entrypoints.http.app import http_application
from entrypoints.http.drain import Drain
from entrypoints.http.health import Health
from entrypoints.http.metrics import BreakerGauge, Metrics
from entrypoints.http.pages import Cursors
from entrypoints.http.server import CannotListen, DrainAwareServer
from entrypoints.logs import configure_logs
from entrypoints.open_files import OPEN_FILES_MIN, allow_open_files
from entrypoints.settings import Settings, SettingsError
from entrypoints.telemetry import configure_telemetry
from entrypoints.worker.jobs import Worker
from entrypoints.worker.sequencer import Sequencer
from entrypoints.worker.sweeper import Chore, Sweeper

# Slower than the logs grow: how fast each of them does is nobody else's business.
CHECKPOINT_LOG_SECONDS = 10.0


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C. Streams hear of it first; the database is stopped last."""
    started = time.monotonic()
    configure_logs(settings)
    configure_telemetry(settings)
    if (files := allow_open_files()) < OPEN_FILES_MIN:
        say(f"the system allows {files} open files, and each open stream takes one: see ulimit -Hn")
    async with AsyncExitStack() as parts:
        container = await parts.enter_async_context(deployment(settings))
        if not await fence_opened(container, settings):
            say("stopping")
            return
        await parts.enter_async_context(indexing(container))
        sweepers = [*sweepers_of(container), *await vectors_mirrored(container, parts)]
        sequencer, worker = sequencer_of(container), worker_of(container, settings)
        await parts.enter_async_context(sequencer.sequencing())
        await parts.enter_async_context(beside(fence_watched(container), name="fence"))
        for sweeper in sweepers:
            await parts.enter_async_context(beside(sweeper.run(), name="sweeper"))
        if settings.worker:
            await parts.enter_async_context(worker.working())
        for model in container.chain().models:
            parts.push_async_callback(model.close)
        reranker = container.reranker()
        if reranker is not None:
            parts.push_async_callback(reranker.close)
        parts.push_async_callback(container.run_executor().drain, settings.drain_seconds_max / 2)
        server = await _server(container, settings, sequencer, worker, sweepers, started)
        try:
            await server.serve()
        except CannotListen as taken:
            raise SettingsError(
                f"{taken}. Stop what listens there, or set STRONGROOM_HOST and STRONGROOM_PORT."
            ) from None
        say("stopping")


def sequencer_of(container: Container) -> Sequencer:
    return Sequencer(
        entries=container.log(),
        integrate=container.integrate_entries(),
        signals=container.signals(),
    )


def sweepers_of(container: Container) -> Sequence[Sweeper]:
    """What a process that died has left behind is found and ended by any other."""
    return (
        Sweeper(chores={"abandoned_runs": container.fail_abandoned_runs()}, every_seconds=5),
        Sweeper(
            chores={"queued_runs": container.start_queued_runs()},
            every_seconds=1,
            signals=container.signals(),
            topic="queue",
        ),
        Sweeper(
            chores={"released_reservations": container.release_reservations()}, every_seconds=5
        ),
        Sweeper(chores={"expired_consents": container.expire_consents()}, every_seconds=15),
        Sweeper(chores={"abandoned_uploads": container.blobs().sweep}, every_seconds=600),
        Sweeper(
            chores={"logged_checkpoints": container.checkpoint_log().record},
            every_seconds=CHECKPOINT_LOG_SECONDS,
        ),
        Sweeper(chores={"endings_kept": container.keep_endings().sweep}, every_seconds=5),
        Sweeper(chores={"keys_rewrapped": container.keykeeper().rewrap}, every_seconds=5),
        Sweeper(chores={"ended_sessions": container.sessions().sweep}, every_seconds=600),
        Sweeper(chores={"documents_reanalysed": container.reanalyse_versions()}, every_seconds=30),
        Sweeper(chores={"documents_reembedded": container.reembed_documents()}, every_seconds=2),
        Sweeper(chores={"embedder_announced": announcing(container)}, every_seconds=5),
    )


def announcing(container: Container) -> Chore:
    """Says every few seconds that this process lives, whatever else takes it long."""
    embedder, others = container.guarded_embedder(), container.other_embedders()

    async def announce() -> int:
        models = container.embedding_models()
        await models.announce(embedder.model, [each.model for each in others])
        return 0

    return announce


async def vectors_mirrored(container: Container, parts: AsyncExitStack) -> Sequence[Sweeper]:
    """What brings vectors to a store beside the database, where there is one."""
    store = container.vector_store()
    if store is None:
        await container.vector_changes().cease()
        return ()
    parts.push_async_callback(store.close)
    mirror = container.mirror_vectors()
    async with step("preparing the vector store"):
        try:
            await mirror.start()
        except VectorStoreUnavailable:
            raise SettingsError("qdrant_url: nothing answers there.") from None
    return (Sweeper(chores={"vectors_mirrored": mirror}, every_seconds=1),)


def worker_of(container: Container, settings: Settings) -> Worker:
    return Worker(
        database=container.database(),
        index_version=container.index_version(),
        jobs_at_once=settings.worker_jobs_at_once,
        alone=settings.database_url is None,
    )


async def _server(
    container: Container,
    settings: Settings,
    sequencer: Sequencer,
    worker: Worker,
    sweepers: Sequence[Sweeper],
    started: float,
) -> DrainAwareServer:
    drain = Drain()
    secret = await container.key_service().secret("cursors")
    app = http_application(
        container,
        version=version("strongroom"),
        drain=drain,
        cursors=Cursors(secret=secret.secret),
        health=_health(container, settings, sequencer, worker),
        measured=_metrics(container, sequencer, sweepers, drain),
    )
    return DrainAwareServer(
        app, listening(settings), drain, announce=lambda server: _announce(server, started)
    )


def _health(
    container: Container, settings: Settings, sequencer: Sequencer, worker: Worker
) -> Health:
    async def database() -> str | None:
        async with container.engine().connect() as connection:
            await connection.execute(text("SELECT 1"))
        return None

    async def key_service() -> str | None:
        await container.key_service().secret("cursors")
        return None

    async def audit() -> str | None:
        return await container.audit_probe().look()

    async def signals() -> str | None:
        return None if container.postgres_signals().connected else "not listening"

    async def log() -> str | None:
        if sequencer.stuck:
            return f"{len(sequencer.stuck)} logs cannot go on"
        return None if sequencer.connected else "not integrating"

    async def work() -> str | None:
        return None if worker.connected or not settings.worker else "not connected"

    async def fence() -> str | None:
        behind = container.keep_endings().behind
        return None if behind is None else f"the journal of endings cannot be written: {behind}"

    async def embedder() -> str | None:
        await container.guarded_embedder().embed_query("ready?")
        return None

    return Health(
        needed={"database": database, "audit": audit, "key_service": key_service},
        useful={
            "signals": signals,
            "log": log,
            "worker": work,
            "embedder": embedder,
            "fence": fence,
        },
    )


def _metrics(
    container: Container, sequencer: Sequencer, sweepers: Sequence[Sweeper], drain: Drain
) -> Metrics:
    metrics = Metrics()
    metrics.gauge(
        "log_lag_seconds",
        "How long the oldest entry of the last pass waited for the log.",
        lambda: sequencer.lag_seconds,
    )
    for sweeper in sweepers:
        for chore in sweeper.chores:
            metrics.gauge(
                f"chores_{chore}",
                "How much of this chore was done since the start.",
                partial(sweeper.done.__getitem__, chore),
            )
    metrics.gauge("open_streams", "Streams that are open.", lambda: drain.watching)
    metrics.add(container.prometheus_models().collectors)
    metrics.add([*_breakers(container), *container.prometheus_embedders().collectors])
    metrics.add(container.prometheus_searches().collectors)
    metrics.gauge(
        "reembedding_documents_left",
        "Documents that lacked vectors at the end of the last pass of this process.",
        lambda: container.reembed_documents().left,
    )
    pool = container.engine().pool
    metrics.gauge(
        "database_connections_in_use",
        "Connections of the pool that are checked out.",
        lambda: pool.checkedout(),  # type: ignore[attr-defined]
    )
    return metrics


def _breakers(container: Container) -> Sequence[BreakerGauge]:
    chain, health = container.chain(), container.model_health()
    embedders = [container.guarded_embedder(), *container.other_embedders()]
    return (
        BreakerGauge(
            "model_breaker",
            lambda: dict.fromkeys(chain.names, BreakerState.CLOSED) | dict(health.states()),
        ),
        BreakerGauge("embedder_breaker", lambda: {each.model: each.state for each in embedders}),
    )


def _announce(server: DrainAwareServer, started: float) -> None:
    host, port = server.config.host, server.port
    seconds = time.monotonic() - started
    say(f"ready on http://{host}:{port} after {seconds:.1f} s (API page: /docs; Ctrl-C stops)")
