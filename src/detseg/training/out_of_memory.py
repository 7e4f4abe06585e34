"""When memory runs out: say which knob to turn, in place of an allocator's message."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn

TRAINING = ("rois_per_image", "anchors_per_image", "windows_per_image", "train_proposals")
TESTING = ("test_proposals",)
"""What memory grows with, beside the batch, the images and the proposals given: the models' names for it."""

_SIGNS = re.compile(r"out of memory|DefaultCPUAllocator|ALLOC_FAILED", re.IGNORECASE)


class OutOfMemory(MemoryError):
    """Memory ran out; the message says where, and what to lower."""


@contextmanager
def explain_out_of_memory(
    where: str, batch_size: int, model: object = None, knobs: Sequence[str] = (), proposals: int | None = None
) -> Iterator[None]:
    """Turn whatever an allocator raises, on the CPU or a GPU, into `OutOfMemory`; all else passes.

    Args:
        where: such as "training step 3".
        batch_size: in force there.
        model: at work there.
        knobs: its attributes, or its parts', that cost memory; those that it has are named with their values.
        proposals: given for each image, if any.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.cuda.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError) and not _SIGNS.search(str(error)):
            raise
        parts = list(model.modules()) if isinstance(model, nn.Module) else [model]
        found = {name: getattr(part, name) for name in knobs for part in parts if hasattr(part, name)}
        if proposals is not None:
            found["the number of proposals an image"] = proposals
        others = ", ".join(f"{name} (it is {value})" for name, value in found.items())
        raise OutOfMemory(
            f"out of memory in {where}: lower batch_size (it is {batch_size}) first, {'then ' * bool(others)}{others}"
            f"{', ' * bool(others)}or take smaller images; on a GPU, restart the kernel to free what other models hold"
        ) from error
