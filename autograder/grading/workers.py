"""Submissions on Dask workers: one of our own (`local_worker`) or those of any cluster. Nothing else knows Dask.

A worker keeps its warm processes from one submission to the next, and they end with it, however it ends. A task whose
worker was killed is given to another one by Dask.
"""

from __future__ import annotations

import hashlib
import os
import queue
import re
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any

from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker

from .graders import NoJail, WarmGraders
from .local_worker import CLOSE_SECONDS, local_worker
from .task import Done, Task, run

CONNECT_SECONDS = 5.0
STARTS = 3  # of a worker that is killed while it starts
IDLE_SECONDS = 120.0  # a worker that waits longer for work gives its warm processes' memory back
_PLUGIN = "autograder-graders"


class WorkersError(RuntimeError):
    """There are no workers to grade with; the message says why and what to do."""


class _Graders(WorkerPlugin):
    """What a worker keeps between tasks. It warms up for ``lab`` at once, while the first task is prepared."""

    name = _PLUGIN

    def __init__(self, lab: str | None, unsafe: bool) -> None:
        self._lab, self._unsafe = lab, unsafe

    def setup(self, worker: Any) -> None:
        self.warm = WarmGraders(IDLE_SECONDS, Path(worker.local_directory))
        if self._lab is not None:
            threading.Thread(target=self._warm_up, args=[self._lab], daemon=True).start()

    def _warm_up(self, lab: str) -> None:
        with suppress(Exception), self.warm.lend(lab, self._unsafe):
            pass  # what fails here fails again, with its reason, when the first task comes

    def teardown(self, worker: Any) -> None:
        self.warm.close()


class Workers:
    """Takes tasks and gives back what became of them, in any order. Use it as a context manager."""

    def __init__(
        self,
        jobs: int = 2,
        scheduler: str | None = None,
        gpu: bool = False,
        wait_seconds: float = 60.0,
        lab: str | None = None,
        unsafe: bool = False,
    ) -> None:
        """Connect, or start a worker here.

        Args:
            jobs: submissions at a time, of the worker that is started here.
            scheduler: address of a running Dask scheduler, whose workers are used instead.
            gpu: only on workers with the resource GPU.
            wait_seconds: how long tasks wait for a (fitting) worker when there is none.
            lab: what a worker that is started here gets ready for at once; by default it waits for a task.
            unsafe: the tasks of that lab are to run without a jail.

        Raises:
            WorkersError: nobody answers at the address, or no worker can be started here.
        """
        self._resources = {"GPU": 1} if gpu else {}
        self._wait_seconds, self._scheduler = wait_seconds, scheduler
        # others' workers may be many, and not all of them get a task
        self._graders = _Graders(None if scheduler else lab, unsafe)
        self._futures: dict[Any, Task] = {}
        self._finished: queue.SimpleQueue[Future] = queue.SimpleQueue()
        self._seen = time.monotonic()
        self._asked = float("-inf")
        self._workers: list[dict[str, Any]] = []
        for others in reversed(range(STARTS)):
            with ExitStack() as self._stack:
                try:
                    self._start(jobs)
                    self._stack = self._stack.pop_all()  # which keeps it open
                    return
                except WorkersError:
                    raise
                except (OSError, RuntimeError) as error:  # killed just then, or the clock jumped
                    if not others:
                        raise WorkersError(f"no worker starts ({type(error).__name__}: {error})") from error

    def _start(self, jobs: int) -> None:
        self._stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # that a submission is large, say
        if self._scheduler:
            self._client = _connect_to_others(self._scheduler)
        else:
            self._client = _connect(self._stack.enter_context(local_worker(jobs)))
        self._stack.callback(self._client.close, timeout=CLOSE_SECONDS)
        self._client.register_plugin(self._graders)

    def __enter__(self) -> Workers:
        """Connected."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what is still waiting; end the worker that was started here."""
        with suppress(Exception):
            self._client.cancel(list(self._futures), force=True)
        if self._scheduler:
            with suppress(Exception):
                self._client.unregister_worker_plugin(_PLUGIN)
        self._stack.close()

    @property
    def room(self) -> int:
        """How many more tasks keep every worker busy without piling up here."""
        threads = sum(worker["nthreads"] for worker in self._fitting())
        return max(2, 2 * threads) - len(self._futures)

    def submit(self, task: Task) -> None:
        """Send a task out; `poll` gives it back."""
        if not self._futures:
            self._seen = time.monotonic()
        key = f"{task.student}-{os.urandom(4).hex()}"
        future = self._client.submit(
            _run,
            task,
            fingerprint() if self._scheduler else None,
            key=key,
            pure=False,
            resources=self._resources,
        )
        self._futures[future] = task
        future.add_done_callback(self._finished.put)

    def poll(self, seconds: float) -> Iterator[Done]:
        """What has been finished since the last time; waits for up to ``seconds`` for the first.

        Raises:
            NoJail: a worker's machine allows none.
            WorkersError: a worker has another version of this package, or none.
        """
        try:
            yield self._outcome(self._finished.get(timeout=seconds))
            while True:
                yield self._outcome(self._finished.get_nowait())
        except queue.Empty:
            yield from self._given_up()

    def _outcome(self, future: Future) -> Done:
        task = self._futures.pop(future, None)
        if task is None:
            raise queue.Empty  # given up before
        try:
            return future.result()
        except (NoJail, WorkersError):
            raise
        except KilledWorker as error:
            reason = f"its worker was killed {error.allowed_failures + 1} times while it was graded"
        except ImportError as error:
            raise WorkersError(f"a worker cannot use this package ({error}): {_SAME_VERSION}") from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
        finally:
            future.release()
        return Done(task.student, {}, problem=reason)

    def _given_up(self) -> Iterator[Done]:
        """All that waits, when no fitting worker has been there for too long."""
        now = time.monotonic()
        if self._fitting():
            self._seen = now
        elif self._futures and now - self._seen > self._wait_seconds:
            what = "worker with the resource GPU" if self._resources else "worker"
            how = " --resources GPU=1" if self._resources else ""
            reason = f"no {what} appeared within {self._wait_seconds:g} s: start one with `dask worker ADDRESS{how}`"
            waiting, self._futures = self._futures, {}
            self._client.cancel(list(waiting), force=True)
            for task in waiting.values():
                yield Done(task.student, {}, problem=reason)

    def _fitting(self) -> list[dict[str, Any]]:
        """The workers that may take our tasks, as the scheduler knew them at most a second ago."""
        now = time.monotonic()
        if now - self._asked > 1:
            self._asked = now
            try:
                self._workers = list(self._client.scheduler_info(n_workers=-1)["workers"].values())
            except OSError:  # it does not answer just now
                self._workers = []
        return [worker for worker in self._workers if self._resources.items() <= worker["resources"].items()]


def _connect(address: str | LocalCluster) -> Client:
    return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)


def _connect_to_others(scheduler: str) -> Client:
    if not re.fullmatch(r"\w+://.+:\d+", scheduler):
        raise WorkersError(f'"{scheduler}" is no address of a Dask scheduler: they look like tcp://HOST:8786')
    try:
        return _connect(scheduler)
    except (OSError, ValueError) as error:
        raise WorkersError(
            f"no Dask scheduler answers at {scheduler} ({type(error).__name__}): start one with `dask scheduler`, "
            "or leave out --scheduler to grade on this machine"
        ) from error


_SAME_VERSION = "install the same version of the course there as here"


def _run(task: Task, expected: str | None) -> Done:
    """What a worker does with a task; one that was started elsewhere must have the ``expected`` package."""
    if expected is not None and fingerprint() != expected:
        raise WorkersError(
            f"the worker at {get_worker().address} has another version of this package: {_SAME_VERSION}"
        )
    plugin: Any = get_worker().plugins[_PLUGIN]
    return run(task, plugin.warm)


@cache
def fingerprint() -> str:
    """Digest of the source of this package and of the library it checks with."""
    import detseg

    digest = hashlib.sha256()
    for package in (Path(__file__).parents[1], Path(detseg.__file__).parent):
        for path in sorted(package.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
