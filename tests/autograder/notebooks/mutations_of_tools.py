"""What notebook tools write. All of it is harmless."""

from __future__ import annotations

import copy
import json

import jupytext
import nbformat
from mutation import Tired


def colab(draft):
    for number, cell in enumerate(draft.cells):
        cell["metadata"].update(
            id=cell.pop("id", "x"), colab={"base_uri": "https://localhost/"}, executionInfo={"elapsed": 3}
        )
        cell["metadata"]["outputId"] = f"o-{number}"
    draft.notebook["nbformat_minor"] = 0
    widgets = {"application/vnd.jupyter.widget-state+json": {"abc": {"model_name": "HBoxModel"}}}
    draft.notebook["metadata"] = {"colab": {"provenance": []}, "widgets": widgets, "accelerator": "GPU"}


def colab_without_marks(draft):
    colab(draft)
    for cell in draft.cells:
        cell["metadata"].pop("nbgrader", None)


def kaggle(draft):
    for number, cell in enumerate(draft.cells):
        cell["metadata"] = {
            "_uuid": f"{number:032x}",
            "_cell_guid": f"{number:x}",
            "trusted": True,
            "papermill": {},
            "tags": [],
        }
        cell["id"] = f"{number * 977:08x}"
    draft.notebook["metadata"]["kaggle"] = {"accelerator": "none", "dataSources": []}


def vscode(draft):
    for cell in draft.cells:
        cell["metadata"]["vscode"] = {"languageId": "python"}
        if cell["cell_type"] == "code":
            cell["outputs"] = [
                {"output_type": "update_display_data", "data": {}, "metadata": {}, "transient": {}}
            ]


def vscode_of_old(draft):
    for cell in draft.cells:
        if cell["cell_type"] == "code":
            cell["metadata"] = {}
    draft.notebook["metadata"]["kernelspec"] = {
        "name": "python395jvsc74a57bd0",
        "display_name": "base",
        "language": "python",
    }


def pycharm(draft):
    for cell in draft.cells:
        cell["metadata"]["pycharm"] = {"name": "#%%\n"}
    draft.notebook["metadata"]["language_info"] = {
        "name": "python",
        "version": "2.7.6",
        "codemirror_mode": {"version": 2},
    }


def deepnote(draft):
    for number, cell in enumerate(draft.cells):
        cell["metadata"] = {
            "cell_id": f"{number:032x}",
            "source_hash": "b623e53d",
            "deepnote_cell_type": "code",
            "tags": 7,
        }
        cell.pop("id", None)
        cell["block_group"] = f"{number:x}"


def nbstripout(draft):
    for number, cell in enumerate(draft.cells):
        cell["id"] = str(number)
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)


def nb_clean(draft):
    for cell in draft.cells:
        cell["metadata"] = {}


def jupytext_round_trip(draft):
    """To a .py file and back: ids are gone; a raw or retyped cell stays what it is."""
    kind = draft.random.choice(["py:percent", "py:percent", "md"])
    notebook = nbformat.from_dict({**copy.deepcopy(draft.notebook), "nbformat": 4, "nbformat_minor": 4})
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader") if isinstance(cell.metadata, dict) else None
        cell.metadata = nbformat.from_dict({"nbgrader": marks} if isinstance(marks, dict) else {})
        if cell.cell_type == "code":
            cell.setdefault("outputs", [])
            cell.outputs = []
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}}
    )
    if any(text in cell.source for cell in notebook.cells for text in ("```", "\x00", "# %%")):
        raise Tired  # text that its formats take for their own marks
    draft.notebook = json.loads(nbformat.writes(jupytext.reads(jupytext.writes(notebook, kind), kind)))
    for cell in draft.cells:
        cell["source"] = "".join(cell["source"])


def format_3(draft):
    cells = []
    for cell in draft.cells:
        old = {key: cell[key] for key in ("cell_type", "metadata", "source")}
        if cell["cell_type"] == "code":
            old.update(
                input=old.pop("source"), language="python", outputs=[], prompt_number=3, collapsed=False
            )
        cells.append(old)
    cells.insert(0, {"cell_type": "heading", "level": 2, "source": "Old", "metadata": {}})
    half = len(cells) // 2
    sheets = [{"cells": cells[:half], "metadata": {}}, {"cells": cells[half:]}]
    draft.notebook = {"metadata": {"name": "old"}, "nbformat": 3, "nbformat_minor": 0, "worksheets": sheets}


def older_format_4(draft):
    draft.notebook["nbformat_minor"] = draft.random.choice([0, 1, 2, 3, 4])
    for cell in draft.cells:
        cell.pop("id", None)


def newer_format(draft):
    draft.notebook.update(nbformat=5, nbformat_minor=0)


def other_kernel(draft):
    kernels = [
        None,
        3,
        {},
        {"name": "conda-env-x-py"},
        {"name": "ir", "language": "R"},
        {"name": "missing", "language": ""},
    ]
    draft.notebook["metadata"]["kernelspec"] = draft.random.choice(kernels)
    draft.notebook["metadata"]["language_info"] = draft.random.choice([None, {"name": "r"}, 3])


def equal_ids(draft):
    for cell in draft.cells:
        cell["id"] = draft.random.choice(["same", "", None, 3, "x" * 100, "ü?"])


def shuffled_ids(draft):
    ids = [cell.get("id") for cell in draft.cells]
    draft.random.shuffle(ids)
    for cell, other in zip(draft.cells, ids, strict=True):
        cell["id"] = other


def windows_line_ends(draft):
    for cell in draft.cells:
        cell["source"] = cell["source"].replace("\n", "\r\n")


def trailing_blanks(draft):
    for cell in draft.cells:
        if cell["cell_type"] == "code":
            cell["source"] = (
                "\n".join(line + "  " * (not line.endswith("\\")) for line in cell["source"].split("\n"))
                + "\n\n"
            )


def without_comments(draft):
    """Formatters and AI tools drop comment lines."""
    for cell in draft.cells:
        if cell["cell_type"] == "code":
            lines = [line for line in cell["source"].split("\n") if not line.startswith("# ")]
            cell["source"] = "\n".join(lines)


def listed_sources(draft):
    for cell in draft.cells:
        step = draft.random.choice([1, 7, 80])
        cell["source"] = [cell["source"][n : n + step] for n in range(0, len(cell["source"]), step)]


def junk_metadata(draft):
    for cell in draft.cells:
        junk = draft.random.choice(
            [
                None,
                [],
                "text",
                {"nbgrader": 3},
                {"nbgrader": {"grade_id": 3}},
                {"tags": [None]},
                {"x": {"y": [[]]}},
            ]
        )
        cell["metadata"] = junk
    draft.notebook["metadata"] = draft.random.choice([None, [], {"lab": 3}, {"\ud800": "\udfff"}])


def entries_that_are_no_cells(draft):
    for junk in (
        None,
        3,
        [],
        {},
        {"cell_type": "code"},
        {"cell_type": "sql", "source": "select 1"},
        {"source": {}},
    ):
        draft.cells.insert(draft.random.randrange(len(draft.cells)), junk)


def outputs_of_all_kinds(draft):
    kinds = [
        None,
        3,
        "text",
        [None],
        [{"output_type": "error", "ename": "E", "evalue": "[", "traceback": [']}"']}],
        [{"output_type": "stream", "text": '\\"{[' * 50}],
        [{"output_type": "display_data", "data": {"outputs": [[], {}]}}],
    ]
    for cell in draft.cells:
        if cell["cell_type"] == "code":
            cell["outputs"] = draft.random.choice(kinds)
            cell["execution_count"] = draft.random.choice([None, -1, "x", 10**30])


def big_outputs(draft):
    for cell in draft.random.sample(draft.cells, 5):
        cell["outputs"] = [{"output_type": "display_data", "data": {"image/png": "iVBOR" * 200_000}}]


def odd_characters(draft):
    odd = "\ud83d \U0001f600 \u200b \u2028 \x0c \x85 é\ufeff"
    draft.cells.insert(0, {"cell_type": "markdown", "id": "odd", "metadata": {}, "source": odd})


MARKS_KEPT = [
    colab, vscode, pycharm, nbstripout, older_format_4, newer_format, other_kernel, windows_line_ends, trailing_blanks,
    outputs_of_all_kinds, big_outputs, odd_characters, equal_ids, shuffled_ids,
]  # fmt: skip
MARKS_LOST = [colab_without_marks, kaggle, vscode_of_old, deepnote, nb_clean, junk_metadata]
# These change how the cells are stored, so nothing may come after them.
LAST = [jupytext_round_trip, format_3, listed_sources, entries_that_are_no_cells, without_comments]
MUTATIONS = [*MARKS_KEPT, *MARKS_LOST, *LAST]
