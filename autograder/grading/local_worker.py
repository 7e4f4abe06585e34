"""A Dask worker of our own on this machine, for as long as a run lasts."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

import dask
from distributed import LocalCluster
from distributed.security import Security

from . import steady  # noqa: F401 - for the scheduler and the client, which live in this process

CLOSE_SECONDS = 5.0
_SCRATCH = "autograder-scratch-"
_STEADY = {
    "distributed.worker.preload": ["autograder.grading.steady"],
    "distributed.scheduler.worker-ttl": None,  # by the time of day, too; a worker that ends is seen by its connection
}
# no pages about it on any port, no looking what it does, no notes about slow event loops
_QUIET = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.limit": "1h",
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
}


@contextmanager
def local_worker(jobs: int) -> Iterator[LocalCluster]:
    """One process with ``jobs`` threads, which share its warm processes. Encrypted: ports are open to all users."""
    _sweep()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory(
            prefix=f"{_SCRATCH}{os.getpid()}-", ignore_cleanup_errors=True
        ) as scratch,
        dask.config.set({**_STEADY, **_QUIET, "temporary-directory": scratch}),
    ):
        with _ctrl_c_only_here():
            cluster = LocalCluster(
                n_workers=1,
                threads_per_worker=jobs,
                processes=True,
                host="127.0.0.1",
                security=Security.temporary(),
                dashboard_address="127.0.0.1:0",
                memory_limit=0,
                silence_logs=logging.CRITICAL,
                local_directory=scratch,
            )
        try:
            yield cluster
        finally:
            _end(cluster)


def _end(cluster: LocalCluster) -> None:
    """Kill the worker, which has nothing to tidy up, rather than wait for what it is doing."""
    for nanny in cluster.workers.values():
        nanny.close_gracefully()  # or it would start another one
        if nanny.pid:
            with suppress(ProcessLookupError):
                os.kill(nanny.pid, signal.SIGKILL)
    with suppress(TimeoutError):
        cluster.close(timeout=CLOSE_SECONDS)


@contextmanager
def _ctrl_c_only_here() -> Iterator[None]:
    """The processes started by threads started in the block do not hear the Ctrl-C that a terminal sends to all.

    They inherit the signals that are blocked here; a worker that heard it would end, and be replaced, as we stop.
    """
    resource_tracker.ensure_running()  # multiprocessing lets the signal through to the thread that starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _sweep() -> None:
    """Remove the scratch folders of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*-*"):
        owner = folder.name.removeprefix(_SCRATCH).split("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
