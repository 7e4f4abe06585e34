"""How many threads make a training step quickest on this machine, now.

On two free cores two threads beat one; on a busy machine they wait for each other, and a step can take ten times as
long.
"""

import time

import torch
from torch.nn import functional as F


def quickest_threads(at_most: int = 4, repeats: int = 3) -> int:
    """Time one small training step with 1, 2, 4 ... threads, and keep torch at the quickest number.

    Args:
        at_most: threads to try; more than four only wait for each other on our small images.
        repeats: the best of so many steps counts. The trial takes about a second.

    Returns:
        the number, which torch now uses. More threads must be quicker by a fifth to be chosen.
    """
    choices = [1]
    while 2 * choices[-1] <= min(at_most, torch.get_num_threads()):
        choices.append(2 * choices[-1])
    if len(choices) == 1:
        torch.set_num_threads(1)
        return 1
    best, quickest = 1, float("inf")
    for threads in choices:
        torch.set_num_threads(threads)
        _step()  # threads are started
        seconds = min(_step() for _ in range(repeats))
        if seconds > 0.8 * quickest:
            break
        best, quickest = threads, seconds
    torch.set_num_threads(best)
    return best


def _step() -> float:
    """Seconds of a convolution over eight images of the course's size, forward and backward."""
    images = torch.ones(8, 16, 32, 64)
    weight = torch.ones(32, 16, 3, 3, requires_grad=True)
    start = time.perf_counter()
    for _ in range(4):
        F.conv2d(images, weight, padding=1).sum().backward()
    return time.perf_counter() - start
