"""The saved state of a training run, from which it goes on after a kernel restart.

``python -m detseg.training.checkpoint`` (``make checkpoints``) makes every stored file of the course again.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

State = dict[str, Any]


def save_checkpoint(path: Path, state: State) -> None:
    """Write a state of tensors, numbers, strings, lists and dicts; the file appears whole or stays as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(
        f".{path.name}.{os.getpid()}"
    )  # one process, one name: two notebooks cannot mix
    try:
        torch.save(state, unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> State:
    """Read a saved state; no code in the file is run.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged.
    """
    if not path.exists():
        raise FileNotFoundError(f"no checkpoint {path}; train first, or check the name")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"checkpoint {path} is damaged ({reason}); delete it and train again") from error
    if not isinstance(state, dict):
        raise ValueError(
            f"checkpoint {path} holds a {type(state).__name__}, not a saved run; delete it and train again"
        )
    return state


if __name__ == "__main__":
    from detseg.training.stored_files import main

    main()
