"""A notebook on its way to being damaged, and what the damage may cost."""

from __future__ import annotations

import copy
import itertools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[3]
LAB, NAME = "05_fast_rcnn", "fast_rcnn.ipynb"
EXERCISES = ("spatial_pyramid_pool", "roi_pool", "smooth_l1", "sample_rois", "fast_rcnn_loss", "detect")
# the master's loss calls the learner's smooth L1, so that a mistake there would cost both
INDEPENDENT = (
    "box_loss = smooth_l1(own, target_deltas[positive], beta).sum() / regions",
    """size = (own - target_deltas[positive]).abs()
    losses = torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta) if beta else size
    box_loss = losses.sum() / regions""",
)
WRONG = "def {name}(*args):\n    return None  # wrong"


@dataclass
class Draft:
    """A submission as plain JSON values, sources as strings.

    ``lost`` are the exercises that must earn nothing, ``fatal`` says that nothing of the file can be graded.
    """

    random: random.Random
    notebook: dict = field(default_factory=lambda: solved())
    lost: set[str] = field(default_factory=set)
    fatal: bool = False
    done: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=lambda: [*EXERCISES, "imports"])

    @property
    def cells(self) -> list[dict]:
        if "worksheets" in self.notebook:
            return [cell for sheet in self.notebook["worksheets"] for cell in sheet["cells"]]
        return self.notebook["cells"]

    def pick(self) -> str:
        """An exercise whose cells no other mutation has touched: what two do to one cell may be past repair."""
        names = [name for name in self.free if name in EXERCISES]
        if not names:
            raise Tired
        return self.take(self.random.choice(names))

    def take(self, name: str) -> str:
        """An exercise, or the imports."""
        if name not in self.free:
            raise Tired
        self.free.remove(name)
        return name

    def place(self) -> int:
        """Where a cell may be put in: not between the parts of a split one."""
        return self.random.choice(
            [n for n, cell in enumerate(self.cells) if not cell["id"].startswith("split-")]
        )

    def pick_neighbours(self) -> tuple[str, str]:
        """Two exercises that follow each other."""
        pairs = [pair for pair in itertools.pairwise(EXERCISES) if {*pair} <= {*self.free}]
        if not pairs:
            raise Tired
        pair = self.random.choice(pairs)
        self.free = [name for name in self.free if name not in pair]
        return pair

    def answer(self, name: str) -> int:
        """Where the learner's answer stands."""
        return next(n for n, cell in enumerate(self.cells) if right_end(name) in cell["source"])

    def check(self, name: str) -> int:
        return next(
            n
            for n, cell in enumerate(self.cells)
            if cell["source"].startswith("# check") and f"({name})" in cell["source"]
        )

    def training(self) -> list[int]:
        """Cells that the grader does not run."""
        return [
            n for n, cell in enumerate(self.cells) if "skip-execution" in cell["metadata"].get("tags", [])
        ]


class Tired(Exception):
    """There is nothing left that this mutation could do."""


Mutation = Callable[[Draft], None]


def code(source: str, **metadata: object) -> dict:
    return {
        "cell_type": "code", "id": f"new-{abs(hash(source)) % 10**6}", "metadata": metadata, "source": source,
        "outputs": [], "execution_count": 3,
    }  # fmt: skip


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "id": f"text-{len(source)}", "metadata": {}, "source": source}


def right_end(name: str) -> str:
    """The last line of a right answer ends with this."""
    return f"  # end of {name}"


def solved() -> dict:
    """The released lab with the master's answers, which here do not call one another."""
    return copy.deepcopy(_SOLVED)


def _solve() -> dict:
    master = nbformat.read(ROOT / "solutions" / LAB / NAME, as_version=4)
    answers = {cell["id"]: cell.source for cell in master.cells}
    notebook = json.loads((ROOT / "labs" / LAB / NAME).read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
        if cell["id"] in EXERCISES:
            lines = [line for line in answers[cell["id"]].splitlines() if " SOLUTION" not in line]
            cell["source"] = "\n".join(lines).rstrip().replace(*INDEPENDENT) + right_end(cell["id"])
    return notebook


_SOLVED = _solve()
