"""Where the seconds go: the parts of a model's work, each with the time spent in it alone."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class Stopwatch:
    """Adds up seconds by part. Parts nest: while an inner one runs, the outer one's clock stands still."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """Use ``clock`` (an argument so that tests need not wait)."""
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what runs in the block as this part's."""
        self._switch()
        self._running.append(name)
        try:
            yield
        finally:
            self._switch()
            self._running.pop()

    def watch(self, module: nn.Module, name: str) -> None:
        """Count every forward pass of a module as this part's, from now on."""
        inner = module.forward
        module.forward = self._counted(inner, name)

    def watch_method(self, owner: Any, method: str, name: str) -> None:
        """Count every call of ``owner.method`` as this part's, from now on."""
        object.__setattr__(owner, method, self._counted(getattr(owner, method), name))

    def _counted(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return function(*arguments, **options)

        return counted

    def _switch(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = self._clock()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now
