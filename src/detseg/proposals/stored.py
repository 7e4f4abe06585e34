"""Selective search's proposals for the farm scenes, stored: 950 scenes would take a learner minutes.

They come with the course as one npz file a split (int16 boxes, best first, and the version of the data they belong
to). Where those do not serve, the search is run once and its result kept in the user's cache folder.
"""

import multiprocessing
import os
import zipfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.data.farm.cache import cache_folder
from detseg.proposals.selective_search import selective_search

FOLDER = Path(__file__).parent / "stored_boxes"
LIMIT = 300  # proposals of a scene
COUNTS = {"train": 800, "test": 150}  # scenes that come with the course


def stored_proposals(
    split: Literal["train", "test"],
    count: int | None = None,
    folder: Path = FOLDER,
    workers: int | None = None,
) -> list[Tensor]:
    """Proposals of the first ``count`` scenes of ``FarmScenes.train()`` or ``.test()``.

    Args:
        split: "train" or "test".
        count: scenes; None for 800 and 150. More than these are searched here and now, and cached.
        folder: where the stored files are.
        workers: processes to search with; None for one a core.

    Returns:
        For each scene float32 ``[P, 4]``, best first, P at most 300.

    Raises:
        ValueError: an unknown split, or a damaged file.
    """
    if split not in COUNTS:
        raise ValueError(f"split must be one of {', '.join(COUNTS)}, got {split!r}")
    count = COUNTS[split] if count is None else count
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    shipped = folder / f"farm_{split}.npz"
    if shipped.exists():
        proposals, version = read_proposals(shipped)
        if version == DATA_VERSION and count <= len(proposals):
            return proposals[:count]
        if version != DATA_VERSION:
            print(
                f"{shipped} belongs to version {version} of the farm scenes, not {DATA_VERSION}: searching anew, which "
                "takes minutes, once (`make checkpoints` brings the file up to date)"
            )
    return _cached(split, count, workers)


def _cached(split: str, count: int, workers: int | None) -> list[Tensor]:
    """Proposals from the user's cache folder; the search is run where they are missing or damaged."""
    path = cache_folder() / f"proposals-{split}-v{DATA_VERSION}-{count}.npz"
    if path.exists():
        try:
            return read_proposals(path)[0]
        except ValueError as error:
            print(f"searching anew: {error}")
    scenes = FarmScenes.train(count) if split == "train" else FarmScenes.test(count)
    proposals = search_scenes((scenes[index][0] for index in range(count)), count, workers)
    try:
        write_proposals(path, proposals)
    except OSError as error:
        print(
            f"the proposals are not kept: {path} cannot be written ({error}); set DETSEG_CACHE to a folder that can"
        )
    return proposals


def search_scenes(images: Iterable[Tensor], count: int, workers: int | None = None) -> list[Tensor]:
    """Run `selective_search` on ``count`` images, in parallel; a quarter of a second each at 128 x 128."""
    search = partial(selective_search, limit=LIMIT)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers < 2:
        return [search(image) for image in tqdm(images, total=count, desc="selective search")]
    # A fresh process each: a fork would inherit torch's threads in a state of which nobody knows anything.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        found = executor.map(search, (image.numpy().transpose(1, 2, 0) for image in images), chunksize=5)
        return list(tqdm(found, total=count, desc="selective search"))


def write_proposals(path: Path, proposals: list[Tensor], data_version: int = DATA_VERSION) -> None:
    """Store proposals with whole coordinates; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    columns = (
        torch.cat(proposals).T.contiguous().to(torch.int16)
    )  # [4, sum P]: like numbers together pack tighter
    counts = np.array([len(boxes) for boxes in proposals], np.int16)
    try:
        np.savez_compressed(
            unfinished, columns=columns.numpy(), counts=counts, data_version=np.int64(data_version)
        )
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_proposals(path: Path) -> tuple[list[Tensor], int]:
    """Stored proposals of each scene, and the version of the data they belong to.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"no stored proposals {path}; make them with: make checkpoints")
    try:
        with np.load(path, allow_pickle=False) as file:
            boxes = torch.from_numpy(file["columns"].T.astype(np.float32))  # [sum P, 4]
            counts: list[int] = file["counts"].tolist()
            return list(boxes.split(counts)), int(file["data_version"])
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"stored proposals {path} are damaged ({error}); get the file again (git checkout) or: make checkpoints"
        ) from error
