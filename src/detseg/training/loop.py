"""The training loop of every lab."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from detseg.training.budget import Budget
from detseg.training.checkpoint import State, load_checkpoint, save_checkpoint
from detseg.training.out_of_memory import TRAINING, OutOfMemory, explain_out_of_memory


class Batches(Protocol):
    """Examples to learn from, fetched a batch at a time."""

    def __len__(self) -> int:
        """The number of examples."""

    def batch(self, indices: list[int], generator: torch.Generator, device: str) -> tuple[Any, ...]:
        """What the model's ``losses`` takes, for these examples; ``generator`` draws the augmentation."""


class NonFiniteLoss(ArithmeticError):
    """A loss or a gradient is NaN or infinite; the message names the step, the part and the images."""


@dataclass
class Fitted:
    """What a run of `fit` did."""

    reason: str  # "finished", "out of time" or "interrupted"
    steps: int
    seconds: float  # of training, earlier parts included
    history: dict[str, list[float]] = field(repr=False)  # each part of the loss, step by step


@torch.random.fork_rng(devices=[])  # what is drawn here leaves the notebook's own random numbers alone
def fit(
    model: nn.Module,
    examples: Batches,
    *,
    epochs: int,
    batch_size: int = 8,
    learning_rate: float = 1e-3,
    weight_decay: float = 0.02,
    warmup: int = 50,
    clip: float = 10.0,
    seconds: float | None = None,
    seed: int = 0,
    device: str = "cpu",
    checkpoint: str | Path | None = None,
    save_every: float = 20.0,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
    progress: bool = True,
) -> Fitted:
    """Train a model with AdamW, in place; it is left in evaluation mode.

    Ctrl-C (or the notebook's stop button) ends the run in order: the state is saved, and what was learned is
    kept.

    Args:
        model: its ``losses(*batch, generator)`` returns the parts of the loss by name; they are added up.
        examples: see `Batches`.
        epochs: passes over the examples; what does not fill a batch at the end of a pass is left out.
        batch_size: examples a step.
        learning_rate: at its peak; `Budget` says how it rises and falls.
        weight_decay: of AdamW.
        warmup: steps with a rising learning rate.
        clip: gradients longer than this are shortened to it.
        seconds: time budget; with a slow machine the run ends early, with its learning rate at zero.
        seed: of the order, the augmentation and the sampling (not of the model's first weights).
        device: "cpu" or "cuda".
        checkpoint: file the run is saved in, and resumed from if it holds a run of the same recipe.
        save_every: seconds between two saves.
        on_step: called after each step with its number (from 1) and the parts of the loss, for a live curve.
            A resumed run first reports its earlier steps.
        progress: whether to show a progress bar.

    Raises:
        NonFiniteLoss: the run stops at the first NaN; the checkpoint keeps the last good state.
        OutOfMemory: with the settings to lower; the checkpoint is kept as well.
    """
    steps_per_epoch = len(examples) // batch_size
    if steps_per_epoch == 0:
        raise ValueError(
            f"fit: {len(examples)} examples do not fill a batch of {batch_size}; lower batch_size"
        )
    run = _Run(model.to(device), learning_rate, weight_decay, seed, epochs * steps_per_epoch)
    recipe = {
        "model": type(model).__name__, "parameters": sum(p.numel() for p in model.parameters()),
        "examples": len(examples), "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate,
        "weight_decay": weight_decay, "warmup": warmup, "clip": clip, "seed": seed, **getattr(model, "recipe", {}),
    }  # fmt: skip
    path = Path(checkpoint) if checkpoint is not None else None
    spent = run.resume(path, recipe) if path is not None else 0.0
    limit = f"at most {seconds:.0f} s, " if seconds is not None else ""
    print(f"seed {seed}, {run.steps} steps of {batch_size}, {limit}{device}")
    if on_step:
        for earlier in range(run.step):
            on_step(earlier + 1, {part: values[earlier] for part, values in run.history.items()})

    budget = Budget(run.steps, seconds, warmup, spent)
    saved, reason = budget.spent, "finished"
    bar = tqdm(total=run.steps, initial=run.step, unit="step", disable=not progress)
    model.train()
    try:
        while run.step < run.steps:
            if budget.over:
                reason = "out of time"
                break
            epoch, position = divmod(run.step, steps_per_epoch)
            shuffle = torch.Generator().manual_seed(1000 * seed + epoch)
            order = torch.randperm(len(examples), generator=shuffle).tolist()
            images = order[position * batch_size : (position + 1) * batch_size]
            with explain_out_of_memory(f"training step {run.step + 1}", batch_size, model, TRAINING):
                batch = examples.batch(images, run.generator, device)
                losses = run.one_step(batch, images, budget.rate(run.step), clip)
            bar.update()
            bar.set_postfix({part: f"{value:.3f}" for part, value in losses.items()}, refresh=False)
            if on_step:
                on_step(run.step, losses)
            if path is not None and budget.spent - saved > save_every:
                run.save(path, recipe, budget.spent)
                saved = budget.spent
    except KeyboardInterrupt:
        reason = "interrupted"
    except (NonFiniteLoss, OutOfMemory) as error:
        if path is not None and path.exists():
            error.add_note(f"{path} keeps the last state that was saved; the run can be resumed from it")
        raise
    finally:
        bar.close()
        model.eval()
    if path is not None:
        run.save(path, recipe, budget.spent)
    print(f"{reason} after {run.step} steps, {budget.spent:.0f} s of training")
    return Fitted(reason, run.step, budget.spent, run.history)


class _Run:
    """What changes while a model is trained, and what a checkpoint holds of it."""

    def __init__(
        self, model: nn.Module, learning_rate: float, weight_decay: float, seed: int, steps: int
    ) -> None:
        self.model = model
        self.learning_rate = learning_rate
        self.optimiser = torch.optim.AdamW(
            model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True
        )
        self.generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)  # layers such as dropout draw from torch's own generator
        self.steps = steps
        self.step = 0
        self.history: dict[str, list[float]] = {}

    def one_step(
        self, batch: tuple[Any, ...], images: list[int], rate: float, clip: float
    ) -> dict[str, float]:
        """Losses, gradients, one update; nothing is updated if any of them is not finite."""
        try:
            losses: dict[str, Tensor] = self.model.losses(*batch, self.generator)  # type: ignore[operator]
        except (ValueError, TypeError) as error:  # such as an RPN that has diverged
            error.add_note(f"in training step {self.step + 1}, on images {images}")
            raise
        values = {part: loss.item() for part, loss in losses.items()}
        for part, value in values.items():
            if not math.isfinite(value):
                raise NonFiniteLoss(
                    f"step {self.step + 1}: the {part} loss is {value}, on images {images}; lower learning_rate, "
                    "and look at these images and their targets"
                )
        self.optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        length = nn.utils.clip_grad_norm_(self.model.parameters(), clip).item()
        if not math.isfinite(length):
            raise NonFiniteLoss(
                f"step {self.step + 1}: the losses are finite, their gradient is {length}, on images {images}; "
                "look for a division by zero, or a root or logarithm of zero"
            )
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * rate
        self.optimiser.step()
        for part, value in values.items():
            self.history.setdefault(part, []).append(value)
        self.step += 1
        return values

    def save(self, path: Path, recipe: dict[str, Any], seconds: float) -> None:
        """Write everything that `resume` needs; training goes on when that is impossible."""
        state: State = {
            "recipe": recipe,
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "torch_generator": torch.get_rng_state(),
            "step": self.step,
            "seconds": seconds,
            "history": self.history,
        }
        try:
            save_checkpoint(path, state)
        except OSError as error:
            warnings.warn(f"cannot save {path} ({error}); training goes on unsaved", stacklevel=3)

    def resume(self, path: Path, recipe: dict[str, Any]) -> float:
        """Go on from a saved run of the same recipe; returns the seconds it took, 0 for a new run."""
        if not path.exists():
            return 0.0
        try:
            state = load_checkpoint(path)
        except ValueError as error:
            print(f"{error}: starting anew")
            return 0.0
        saved = state["recipe"]
        changes = [
            f"{key} was {saved.get(key)}, is {recipe.get(key)}"
            for key in recipe
            if saved.get(key) != recipe[key]
        ]
        if changes:
            print(f"{path} was trained with another recipe ({'; '.join(changes)}): starting anew")
            return 0.0
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch_generator"])
        self.step = state["step"]
        self.history = {part: values[: self.step] for part, values in state["history"].items()}
        print(f"resumed {path} after {self.step} steps; delete the file to start anew")
        return float(state["seconds"])
