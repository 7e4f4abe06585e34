"""What people do to cells, on purpose or not. All of it is harmless: every exercise keeps its points."""

from __future__ import annotations

import copy

from mutation import WRONG, Draft, code, markdown


def copy_answer(draft):
    """As JupyterLab does: with all marks, another id."""
    place = draft.answer(draft.pick())
    draft.cells.insert(
        place + draft.random.choice([0, 1]), {**copy.deepcopy(draft.cells[place]), "id": "copied"}
    )


def copy_answer_below_its_check(draft):
    name = draft.pick()
    twin = {**copy.deepcopy(draft.cells[draft.answer(name)]), "id": "copied"}
    draft.cells.insert(draft.check(name) + 1, twin)


def empty_copy_below(draft):
    name = draft.pick()
    place = draft.answer(name)
    draft.cells.insert(place + 1, {**copy.deepcopy(draft.cells[place]), "source": stub(draft, name)})


def copy_check(draft):
    place = draft.check(draft.pick())
    where = draft.place()
    draft.cells.insert(where, {**copy.deepcopy(draft.cells[place]), "id": "copied"})


def copy_training(draft):
    place = draft.random.choice(draft.training())
    draft.cells.insert(place + 1, {**copy.deepcopy(draft.cells[place]), "id": "copied"})


def wrong_first_then_right(draft):
    name = draft.pick()
    draft.cells.insert(draft.answer(name), code(WRONG.format(name=name)))


def wrong_far_below(draft):
    name = draft.pick()
    draft.cells.append(code(WRONG.format(name=name)))


def answer_in_a_cell_of_ones_own(draft):
    """The stub stays, the answer stands in a new cell without marks, before or behind the check."""
    name = draft.pick()
    place = draft.answer(name)
    written = draft.cells[place]["source"]
    draft.cells[place]["source"] = stub(draft, name)
    draft.cells.insert(place + draft.random.choice([1, 2]), code(written.split("\n", 1)[1]))


def answer_typed_into_the_check(draft):
    name = draft.pick()
    place, check = draft.answer(name), draft.check(name)
    draft.cells[check]["source"] += "\n\n" + draft.cells[place]["source"].split("\n", 1)[1]
    draft.cells[place]["source"] = stub(draft, name)


def split_answer(draft):
    """In two or three cells, with the marks on all of them or on the first only, perhaps with a text between."""
    name = draft.pick()
    place = draft.answer(name)
    cell = draft.cells[place]
    lines = cell["source"].splitlines()
    body = [n for n, line in enumerate(lines) if line.startswith("    ") and '"""' not in line]
    ends = sorted(draft.random.sample(body[len(body) // 2 :], draft.random.choice([1, 2])))
    parts = ["\n".join(lines[a:b]) for a, b in zip([0, *ends], [*ends, len(lines)], strict=True)]
    made = [cell]
    for number, part in enumerate(parts[1:]):
        marks = cell["metadata"] if draft.random.random() < 0.5 else {}
        made.append({**code(part, **copy.deepcopy(marks)), "id": f"split-{name}-{number}"})
    if draft.random.random() < 0.3:
        made.insert(1, markdown("And now the rest."))
    cell["source"] = parts[0]
    draft.cells[place : place + 1] = made


def split_off_the_comment(draft):
    name = draft.pick()
    place = draft.answer(name)
    cell = draft.cells[place]
    comment, rest = cell["source"].split("\n", 1)
    draft.cells[place : place + 1] = [{**cell, "source": comment}, code(rest)]


def merge_two_answers(draft):
    first, second = draft.pick_neighbours()
    into, merged = draft.answer(first), draft.answer(second)
    draft.cells[into]["source"] += "\n\n" + draft.cells[merged]["source"]
    del draft.cells[merged]


def merge_answer_and_check(draft):
    name = draft.pick()
    place, check = draft.answer(name), draft.check(name)
    draft.cells[place]["source"] += "\n\n" + draft.cells[check]["source"]
    del draft.cells[check]


def merge_check_and_next_answer(draft):
    first, second = draft.pick_neighbours()
    check, answer = draft.check(first), draft.answer(second)
    draft.cells[check]["source"] += "\n" + draft.cells[answer]["source"]
    del draft.cells[answer]


def merge_everything_of_two(draft):
    """All code from one answer to the next check in one cell, demos and training between them included."""
    first, second = draft.pick_neighbours()
    start, end = draft.answer(first), draft.check(second) + 1
    parts = [cell["source"] for cell in draft.cells[start:end] if cell["cell_type"] == "code"]
    draft.cells[start]["source"] = "\n\n".join(parts)
    del draft.cells[start + 1 : end]


def merge_helper_into_answer(draft):
    cell = draft.cells[draft.answer(draft.pick())]
    cell["source"] = "def half(x):\n    return x / 2\n\n\n" + cell["source"]


def move_answer_below_its_check(draft):
    name = draft.pick()
    cell = draft.cells.pop(draft.answer(name))
    draft.cells.insert(draft.check(name) + draft.random.choice([1, 3]), cell)


def move_check(draft):
    name = draft.pick()
    cell = draft.cells.pop(draft.check(name))
    draft.cells.insert(draft.place(), cell)


def move_imports_down(draft):
    draft.take("imports")
    draft.cells.append(draft.cells.pop(_imports(draft)))


def delete_check(draft):
    del draft.cells[draft.check(draft.pick())]


def delete_imports(draft):
    draft.take("imports")
    del draft.cells[_imports(draft)]


def delete_texts(draft):
    draft.cells[:] = [
        cell for cell in draft.cells if cell["cell_type"] == "code" or draft.random.random() < 0.5
    ]


def delete_training(draft):
    del draft.cells[draft.random.choice(draft.training())]


def retype_answer(draft):
    _retype(draft.cells[draft.answer(draft.pick())], draft.random.choice(["markdown", "raw"]))


def retype_check(draft):
    _retype(draft.cells[draft.check(draft.pick())], draft.random.choice(["markdown", "raw"]))


def retype_imports(draft):
    draft.take("imports")
    _retype(draft.cells[_imports(draft)], "raw")


def edit_check(draft):
    cell = draft.cells[draft.check(draft.pick())]
    cell["source"] = draft.random.choice(
        ["check(print)", "print('passed'); 100.0", cell["source"] + "\n# all right", "", "raise SystemExit"]
    )


def claim_points(draft):
    cell = draft.cells[draft.check(draft.pick())]
    cell["metadata"]["nbgrader"]["points"] = 1000
    cell["metadata"]["autograder"] = {"points": 1000, "status": "correct"}
    draft.notebook["metadata"]["autograder"] = {"unreadable": None, "repairs": []}


def check_claimed_as_answer(draft):
    marks = draft.cells[draft.check(draft.pick())]["metadata"]["nbgrader"]
    marks.update(grade=False, solution=True, locked=False)


def bonus_cell(draft):
    marks = {
        "grade": True,
        "solution": False,
        "locked": False,
        "grade_id": "bonus",
        "points": 100,
        "schema_version": 3,
    }
    draft.cells.append(code("100.0", nbgrader=marks))


def swap_grade_ids(draft):
    first, second = draft.pick(), draft.pick()
    for one, other in (
        (draft.answer(first), draft.answer(second)),
        (draft.check(first), draft.check(second)),
    ):
        a, b = draft.cells[one]["metadata"], draft.cells[other]["metadata"]
        a["nbgrader"], b["nbgrader"] = b.get("nbgrader"), a.get("nbgrader")


def change_grade_id(draft):
    draft.cells[draft.answer(draft.pick())]["metadata"]["nbgrader"]["grade_id"] = "smooth_l2"


def rename_comment(draft):
    """The comment above the answer says another thing, or nothing."""
    cell = draft.cells[draft.answer(draft.pick())]
    instead = draft.random.choice(["# my answer", "#exercise 99 : whatever", "# TODO"])
    cell["source"] = instead + "\n" + cell["source"].split("\n", 1)[1]


def own_cells(draft):
    for source in draft.random.sample(OWN, 3):
        draft.cells.insert(draft.place(), code(source))


def own_texts(draft):
    texts = [
        "Why?\n\n```python\ndef detect(*a):\n    return 1\n```",
        "<script>alert(1)</script>",
        "# exercise",
        "\x00\x07",
    ]
    for text in texts:
        draft.cells.insert(draft.place(), markdown(text))


def shout(draft):
    """Answers copied into a text, as people keep what they tried before."""
    name = draft.pick()
    draft.cells.append(markdown("My first try:\n\n```\n" + WRONG.format(name=name) + "\n```\n"))


OWN = [
    "1 / 0",
    "print('x' * 10**5)",
    "%matplotlib inline\n!pip install nothing",
    "import sys\nsys.exit(3)",
    "this is no python",
    "%%time\nx = sum(range(10))",
    "def helper(a):\n    return a\n\nhelper(2)",
    "assert False, 'mine'",
    "    indented = 1",
    "raise NotImplementedError('write me')",
    "get_ipython().run_line_magic('who', '')",
    "(",
    "@",
]  # fmt: skip


def stub(draft: Draft, name: str) -> str:
    """The released text of an answer's cell."""
    place = draft.answer(name)
    head = draft.cells[place]["source"].split('"""')
    return f'{head[0]}"""{head[1]}"""\n' + _body(name)


def _body(name: str) -> str:
    blank = "\n" if name == "sample_rois" else ""  # as released
    return f'{blank}    raise NotImplementedError("write me")'


def _imports(draft: Draft) -> int:
    return next(n for n, cell in enumerate(draft.cells) if cell["source"].startswith("import math\n"))


def _retype(cell: dict, kind: str) -> None:
    cell["cell_type"] = kind
    cell.pop("outputs", None)
    cell.pop("execution_count", None)


# Cells put in at any place come last: what is merged later would be merged with them.
MUTATIONS = [
    copy_answer, copy_answer_below_its_check, empty_copy_below, wrong_first_then_right, wrong_far_below,
    answer_in_a_cell_of_ones_own, answer_typed_into_the_check, split_answer, split_off_the_comment, merge_two_answers,
    merge_answer_and_check, merge_check_and_next_answer, merge_everything_of_two, merge_helper_into_answer,
    move_answer_below_its_check, move_imports_down, delete_check, delete_imports, delete_texts, delete_training,
    retype_answer, retype_check, retype_imports, edit_check, claim_points, check_claimed_as_answer, bonus_cell,
    swap_grade_ids, change_grade_id, rename_comment, copy_training, copy_check, move_check, own_cells, own_texts, shout,
]  # fmt: skip
