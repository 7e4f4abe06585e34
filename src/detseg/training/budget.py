"""How far a training run has come, in steps and in seconds."""

import math
import time
from collections.abc import Callable

GRACE = 0.1  # of the time budget


class Budget:
    """A run ends after its steps or its seconds, whichever comes first, and its learning rate knows it.

    The learning rate follows a cosine of ``progress``, the larger of two fractions: steps done of all steps,
    and seconds spent of all seconds. On a machine that is fast enough the steps lead throughout, and the run
    is the same every time. On a slow one the clock leads: fewer steps are done, and yet the rate comes down
    to zero at the end, so the weights settle as they should.

    The clock is not heard in the first tenth of its seconds, where the cosine is flat anyway: a slow first
    step (libraries wake up, memory is fetched) must not make a run irreproducible.
    """

    def __init__(
        self,
        steps: int,
        seconds: float | None = None,
        warmup: int = 0,
        spent: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the clock.

        Args:
            steps: to do in all.
            seconds: of training at most; None for no limit.
            warmup: steps in which the rate rises from zero in a straight line.
            spent: seconds that earlier parts of a resumed run took.
            clock: returns seconds; an argument so that tests need not wait.
        """
        if seconds is not None and seconds <= 0:
            raise ValueError(f"seconds must be positive, got {seconds}; None means no limit")
        self.steps = steps
        self.seconds = seconds
        self.warmup = warmup
        self._clock = clock
        self._started = clock() - spent

    @property
    def spent(self) -> float:
        """Seconds of training so far."""
        return self._clock() - self._started

    @property
    def over(self) -> bool:
        """Whether the seconds are used up."""
        return self.seconds is not None and self.spent >= self.seconds

    def progress(self, step: int) -> float:
        """From 0 at the first step to 1 at the end of the run."""
        by_steps = step / self.steps
        by_clock = self.spent / self.seconds if self.seconds is not None else 0.0
        return min(max(by_steps, by_clock if by_clock > GRACE else 0.0), 1.0)

    def rate(self, step: int) -> float:
        """The factor of the learning rate for a step (from 0): linear warm-up, then half a cosine down to zero."""
        warm = min((step + 1) / self.warmup, 1.0) if self.warmup else 1.0
        return warm * 0.5 * (1 + math.cos(math.pi * self.progress(step)))
