"""What costs an exercise its points, and no other."""

from __future__ import annotations

from mutation import WRONG, code
from mutations_of_cells import stub


def _destroys(change):
    def mutate(draft):
        name = draft.pick()
        change(draft, name, draft.answer(name))
        draft.lost.add(name)

    mutate.__name__ = change.__name__
    return mutate


@_destroys
def delete_answer(draft, name, place):
    del draft.cells[place]


@_destroys
def delete_answer_and_check(draft, name, place):
    del draft.cells[draft.check(name)]
    del draft.cells[place]


@_destroys
def blank_answer(draft, name, place):
    draft.cells[place]["source"] = stub(draft, name)


@_destroys
def empty_answer(draft, name, place):
    draft.cells[place]["source"] = ""


@_destroys
def cut_answer(draft, name, place):
    source = draft.cells[place]["source"]
    start = source.index('"""', source.index('"""') + 3) + 5
    draft.cells[place]["source"] = source[: draft.random.randrange(start, len(source) - len(name) - 30)]


@_destroys
def misspell_answer(draft, name, place):
    cell = draft.cells[place]
    cell["source"] = cell["source"].replace(f"def {name}(", f"def my_{name}(")


@_destroys
def break_answer(draft, name, place):
    cell = draft.cells[place]
    cell["source"] = cell["source"].replace("return", "retrun (")


@_destroys
def wrong_answer(draft, name, place):
    draft.cells[place]["source"] = WRONG.format(name=name)


@_destroys
def crashing_answer(draft, name, place):
    draft.cells[place]["source"] = f"import os\n\n\ndef {name}(*args):\n    os._exit(1)"


@_destroys
def right_first_then_wrong(draft, name, place):
    draft.cells.insert(place + 1, code(WRONG.format(name=name)))


MUTATIONS = [
    delete_answer, delete_answer_and_check, blank_answer, empty_answer, cut_answer, misspell_answer, break_answer,
    wrong_answer, crashing_answer, right_first_then_wrong,
]  # fmt: skip
