"""Trained weights that come with the course: one safetensors file a model, in half precision, with its card
inside.

The card says where the weights come from: seed, version of the data, recipe, and the score they reached. It
lies in the file's own metadata, so weights and card cannot be mixed up. ``make checkpoints`` makes all of
them again.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

FOLDER = Path(__file__).parent / "weights"

Card = dict[str, Any]


def save_weights(model: nn.Module, name: str, card: Card, folder: Path = FOLDER) -> Path:
    """Store a model's weights as ``folder/name.safetensors``; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    halves = {
        key: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for key, value in model.state_dict().items()
    }
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    # Not save_file: its files can be read by their owner alone.
    unfinished.write_bytes(save(halves, metadata={"card": json.dumps(card, sort_keys=True)}))
    unfinished.replace(path)
    return path


def load_weights(model: nn.Module, name: str, folder: Path = FOLDER) -> Card:
    """Fill a model with stored weights, in place, and return their card.

    Raises:
        FileNotFoundError, ValueError: the file is missing, damaged, or belongs to another model.
    """
    path, tensors, card = _read(name, folder)
    own = {key: list(value.shape) for key, value in model.state_dict().items()}
    stored = {key: list(value.shape) for key, value in tensors.items()}
    if own != stored:
        odd = sorted(key for key in own.keys() | stored.keys() if own.get(key) != stored.get(key))[0]
        raise ValueError(
            f"{path.name} does not fit {type(model).__name__}: {odd} is {stored.get(odd, 'missing')} in the file and "
            f"{own.get(odd, 'missing')} in the model; build the model with its default sizes"
        )
    model.load_state_dict(tensors)  # copies, and widens half precision to the model's float32
    return card


def read_card(name: str, folder: Path = FOLDER) -> Card:
    """The card of stored weights: what they are, and what they reached."""
    return _read(name, folder)[2]


def _read(name: str, folder: Path) -> tuple[Path, dict[str, torch.Tensor], Card]:
    path = folder / f"{name}.safetensors"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(
            f"no stored weights {path} (there are: {known}); make them with: make checkpoints"
        )
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
            return path, tensors, json.loads((file.metadata() or {})["card"])
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(
            f"stored weights {path} are damaged ({error}); get the file again (git checkout) or run: make checkpoints"
        ) from error
