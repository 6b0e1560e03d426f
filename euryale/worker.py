"""The worker: it serves an application's runs until it is told to stop, then drains."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import Worker

from euryale.build import build_id
from euryale.plugin import EuryalePlugin

log = structlog.get_logger("euryale.worker")

GRACE = timedelta(seconds=30)
"""How long calls in progress may go on when the worker is told to stop. What isn't finished then
is cancelled, and carried out by another worker."""

TUNING: Mapping[str, Any] = {
    # Calls that a workflow task may hand to this worker directly. Temporal's 3 hold up a handler
    # that makes many calls at once.
    "max_eager_activity_reservations_per_workflow_task": 100,
    # How long a run waits for the worker that remembers it before any other may replay it. When a
    # worker is killed, that is what its runs wait for: of Temporal's 10 s, 2 s are left. A worker
    # that is merely busy for so long costs a replay, and no work.
    "sticky_queue_schedule_to_start_timeout": timedelta(seconds=2),
    # How often an activity's progress is told at the most. Temporal waits for 80 % of the heartbeat
    # timeout; of 2,000 calls that travelled together, 670 to 1,040 were made again after a kill,
    # with this 32 to 38, for the same CPU. A cancellation is heard as soon.
    "max_heartbeat_throttle_interval": timedelta(milliseconds=200),
}
"""What differs from Temporal's own defaults, each with the reason. `python -m benchmarks.tuning`
measures these and the others: slots, pollers and cached runs made no difference on two cores."""


def make_worker(client: Client, plugin: EuryalePlugin, *, grace: timedelta = GRACE) -> Worker:
    """A Temporal worker that serves the application of the plugin."""
    return Worker(
        client,
        task_queue=plugin.app.queue,
        plugins=[plugin],
        build_id=build_id(plugin.registry),
        graceful_shutdown_timeout=grace,
        **TUNING,
    )


async def serve(worker: Worker, stop: asyncio.Event) -> None:
    """Run the worker until `stop` is set; then drain it.

    Draining takes no new work, lets calls in progress finish within the worker's grace, and tells
    the server at once about runs that another worker should go on with.
    """
    running = asyncio.ensure_future(worker.run())
    stopping = asyncio.ensure_future(stop.wait())
    shutdown: asyncio.Future[None] | None = None
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            log.info("draining", action="worker_draining")
            # A worker that fails before it has begun never tells that it was shut down.
            shutdown = asyncio.ensure_future(worker.shutdown())
            await asyncio.wait({running, shutdown}, return_when=asyncio.FIRST_COMPLETED)
        await running
    finally:
        stopping.cancel()
        if shutdown is not None:
            shutdown.cancel()
        if not running.done():
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


@contextlib.contextmanager
def stop_on(
    signals: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM),
) -> Iterator[asyncio.Event]:
    """An event that is set by the first of the signals; the next one ends the process as usual."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def told(name: str) -> None:
        log.info("told to stop", action="worker_stop", signal=name)
        stop.set()
        for one in signals:
            loop.remove_signal_handler(one)

    for one in signals:
        loop.add_signal_handler(one, told, one.name)
    try:
        yield stop
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
