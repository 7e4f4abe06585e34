"""Drawing in parallel: `python -m detseg.data.farm.worker` draws what its standard input asks for.

A process of its own rather than a fork or `multiprocessing`: it never runs the caller's script or notebook again (no
`if __name__ == "__main__"` is needed), never inherits threads that hold locks, and imports no torch; so it behaves
the same in Jupyter, in a script, on Linux, macOS and Windows.

Protocol: one line "KIND SEED SIZE" in, then the length (8 bytes, big-endian) and the bytes of the packed record out;
until standard input ends.
"""

import contextlib
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from detseg.data.farm.records import Record, draw_record, layout, pack, unpack

LENGTH_BYTES = 8


class DrawingProcess:
    """A child process that draws one record at a time; a context manager that ends it."""

    def __init__(self) -> None:
        """Start the process."""
        source = str(Path(__file__).parents[3])  # the folder that holds detseg, installed or not
        paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
        # -P keeps the notebook's folder off the path: a learner's random.py must not be imported.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "detseg.data.farm.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        )

    def draw(self, kind: str, seed: int, size: int) -> Record:
        """Have one record drawn.

        Raises:
            RuntimeError: the process has ended or answers something else.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f"{kind} {seed} {size}\n".encode())
            self._process.stdin.flush()
        except OSError as error:
            raise RuntimeError(f"the drawing process ended: {error}") from error
        expected = sum(math.prod(shape) for shape in layout(kind, size).values())
        length = int.from_bytes(self._process.stdout.read(LENGTH_BYTES), "big")
        data = self._process.stdout.read(expected) if length == expected else b""
        if len(data) != expected:
            raise RuntimeError(f"the drawing process gave no {kind} for seed {seed}")
        return unpack(data, kind, size)

    def __enter__(self) -> Self:
        """Use it in a `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # a request may still be in the pipe's buffer
                    pipe.close()


def main() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted notebook ends its children itself
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints must not mix with the replies
    for line in sys.stdin:
        kind, seed, size = line.split()
        data = pack(draw_record(kind, int(seed), int(size)))
        replies.write(len(data).to_bytes(LENGTH_BYTES, "big"))
        replies.write(data)
        replies.flush()


if __name__ == "__main__":
    main()
