"""The pictures of a range of seeds: from the cache where it has them, else drawn in parallel and cached."""

import os
import queue
import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from detseg.data.farm.cache import CHUNK, chunk_path, read_chunk, write_chunk
from detseg.data.farm.records import Record, draw_record, stack
from detseg.data.farm.worker import DrawingProcess

WORTH_A_PROCESS = 50
"""Fewer pictures than this are drawn sooner than a process starts."""


def load_or_draw(
    kind: str,
    first_seed: int,
    count: int,
    size: int,
    *,
    folder: Path | None,
    workers: int | None = None,
    progress: bool = True,
) -> Record:
    """The batch of the seeds first_seed, ..., first_seed + count - 1.

    Args:
        kind: "scene" or "crop".
        first_seed: first seed.
        count: number of pictures, at least 1.
        size: pixels across.
        folder: cache folder; None draws just these seeds and stores nothing.
        workers: processes to draw with; 0 draws in this one, None takes one a core.
        progress: show a bar while drawing.
    """
    last = first_seed + count
    step = CHUNK[kind]
    chunks = [range(start, start + step) for start in range(first_seed // step * step, last, step)]
    batches: dict[int, Record] = {}
    missing = chunks
    if folder is None:
        missing = [range(max(chunk.start, first_seed), min(chunk.stop, last)) for chunk in chunks]
    else:
        batches = _read(kind, size, folder, chunks)
        missing = [chunk for chunk in chunks if chunk.start not in batches]
    total = sum(len(chunk) for chunk in missing)
    with closing(_draw(kind, size, missing, workers)) as drawn, _bar(kind, total, progress) as bar:
        for chunk, batch in drawn:
            batches[chunk.start] = batch
            bar.update(len(chunk))
            if folder is not None and not _keep(chunk_path(folder, kind, size, chunk.start), batch):
                folder = None
    parts = [batches[start] for start in sorted(batches)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    skip = first_seed - min(batches)
    return {name: array[skip : skip + count] for name, array in joined.items()}


def _read(kind: str, size: int, folder: Path, chunks: Sequence[range]) -> dict[int, Record]:
    """The chunks that are in the cache, by first seed."""
    batches = {}
    for chunk in chunks:
        path = chunk_path(folder, kind, size, chunk.start)
        try:
            batches[chunk.start] = read_chunk(path, kind, size)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except ValueError as error:
            _warn(f"the cache file {path} is damaged ({error}); its pictures are drawn again")
    return batches


def _keep(path: Path, batch: Record) -> bool:
    """Store a chunk; warn and return False if that is impossible."""
    try:
        write_chunk(path, batch)
    except OSError as error:
        _warn(
            f"the cache folder {path.parent} cannot be written ({error}), so the pictures stay in memory only; "
            "set DETSEG_CACHE to a folder that can"
        )
        return False
    return True


def _draw(
    kind: str, size: int, chunks: Sequence[range], workers: int | None
) -> Generator[tuple[range, Record], None, None]:
    """Draw the chunks, in any order."""
    if workers is None:
        pictures = sum(len(chunk) for chunk in chunks)
        workers = _cores() if pictures >= WORTH_A_PROCESS else 0
    left = list(chunks)
    if workers > 0 and chunks:
        try:
            for chunk, batch in _draw_in_parallel(kind, size, chunks, min(workers, len(chunks))):
                left.remove(chunk)
                yield chunk, batch
        except (OSError, RuntimeError) as error:
            _warn(f"drawing in parallel failed ({error}); drawing in this process instead")
    for chunk in left:
        yield chunk, stack([draw_record(kind, seed, size) for seed in chunk])


def _draw_in_parallel(
    kind: str, size: int, chunks: Sequence[range], workers: int
) -> Iterator[tuple[range, Record]]:
    """Draw with `workers` processes, each led by a thread of this one."""
    idle: queue.SimpleQueue[DrawingProcess] = queue.SimpleQueue()

    def draw_chunk(chunk: range) -> Record:
        process = idle.get()
        try:
            return stack([process.draw(kind, seed, size) for seed in chunk])
        finally:
            idle.put(process)

    with ExitStack() as resources:
        executor = ThreadPoolExecutor(workers)
        # Left in reverse order: the processes end first, so that after an interrupt no thread waits for a picture.
        resources.callback(executor.shutdown, cancel_futures=True)
        for _ in range(workers):
            idle.put(resources.enter_context(DrawingProcess()))
        futures = {executor.submit(draw_chunk, chunk): chunk for chunk in chunks}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _bar(kind: str, total: int, shown: bool) -> Any:
    """A progress bar, a widget in a notebook; invisible when there is nothing to draw."""
    from tqdm.auto import tqdm  # not at the top: the drawing processes need no bar

    return tqdm(total=total, desc=f"drawing farm {kind}s", unit=f" {kind}", disable=not shown or total == 0)


def _cores() -> int:
    """Cores this process may use, at most 8: more would only take memory."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, 8)


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=3)
