"""Climb the ladder: measure every rung, each in its own process, and keep what is done if the run is stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from detseg.data.farm import DATA_VERSION
from detseg.ladder.measure import Measurement
from detseg.ladder.rungs import RUNGS

QUICK_SCENES, FULL_SCENES = 40, 150


def climb(
    folder: Path,
    quick: bool,
    seeds: tuple[int, ...] = (0,),
    names: tuple[str, ...] = (),
    threads: int = 1,
    on_rung: Callable[[str, int, bool], None] = lambda name, seed, resumed: None,
) -> list[Measurement]:
    """Measure the rungs that ``folder`` does not hold yet.

    Args:
        folder: one JSON file a rung and seed; delete it to start anew.
        quick: from stored checkpoints on few scenes; otherwise each model is trained first.
        seeds: of the training; a quick run has only the stored checkpoints' seed.
        names: of rungs; all by default.
        threads: of torch.
        on_rung: called before each rung, and told whether it is there already.

    Raises:
        RuntimeError: a rung failed; the message holds the end of what it printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    scenes = QUICK_SCENES if quick else FULL_SCENES
    measurements = []
    for seed in (0,) if quick else seeds:
        for rung in RUNGS:
            if names and rung.name not in names:
                continue
            path = folder / f"{rung.name}-{'quick' if quick else 'full'}-{seed}.json"
            done = _read(path)
            on_rung(rung.title, seed, done is not None)
            if done is None:
                _measure(rung.name, seed, scenes, quick, threads, path)
                done = _read(path)
            assert done is not None
            measurements.append(done)
    return measurements


def _measure(name: str, seed: int, scenes: int, quick: bool, threads: int, path: Path) -> None:
    command = [sys.executable, "-m", "detseg.ladder.measure", name, "--out", str(path), "--seed", str(seed)]
    command += ["--scenes", str(scenes), "--threads", str(threads)]
    command += ["--timed", "4"] if quick else ["--timed", "8", "--train"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        raise RuntimeError(f"{name} could not be measured:\n{done.stderr[-2000:]}")


def _read(path: Path) -> Measurement | None:
    """A finished measurement of the present data, else None."""
    try:
        found = Measurement(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.data_version == DATA_VERSION else None
