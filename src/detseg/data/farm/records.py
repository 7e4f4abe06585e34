"""What is sent between processes and stored in the cache: each scene or crop as a few uint8 arrays of fixed shape."""

import math
from collections.abc import Sequence

import numpy as np

from detseg.data.farm.crop import farm_crop
from detseg.data.farm.scene import MAX_OBJECTS, farm_scene

Record = dict[str, np.ndarray]
"""Name -> uint8 array; several records stacked along a first axis are called a batch."""

KINDS = ("scene", "crop")


def layout(kind: str, size: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a record's arrays. Labels are padded with 0; boxes and masks follow from `instances`."""
    if kind == "scene":
        square = (size, size)
        return {"image": (*square, 3), "instances": square, "stuff": square, "labels": (MAX_OBJECTS,)}
    return {"image": (size, size, 3), "label": ()}


def draw_record(kind: str, seed: int, size: int) -> Record:
    """Draw the scene or crop of a seed."""
    if kind == "scene":
        scene = farm_scene(seed, size)
        labels = np.zeros(MAX_OBJECTS, np.uint8)
        labels[: len(scene.labels)] = scene.labels
        return {"image": scene.image, "instances": scene.instances, "stuff": scene.stuff, "labels": labels}
    image, label = farm_crop(seed, size)
    return {"image": image, "label": np.array(label, np.uint8)}


def pack(record: Record) -> bytes:
    """The arrays' bytes, one after the other in the order of `layout`."""
    return b"".join(array.tobytes() for array in record.values())


def unpack(data: bytes, kind: str, size: int) -> Record:
    """The inverse of `pack`."""
    record, start = {}, 0
    for name, shape in layout(kind, size).items():
        count = math.prod(shape)
        record[name] = np.frombuffer(data, np.uint8, count, start).reshape(shape)
        start += count
    return record


def stack(records: Sequence[Record]) -> Record:
    """Records -> one batch, with a new first axis."""
    return {name: np.stack([record[name] for record in records]) for name in records[0]}
