"""Files as other tools and accidents leave them become clean notebooks, or one line that says why not."""

import copy
import json
import random

import nbformat
import pytest

from autograder.notebooks import reading
from autograder.notebooks.reading import Unreadable, read_notebook
from autograder.notebooks.skim import TooMuch, skim


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def as_bytes(notebook):
    return json.dumps(notebook, indent=1).encode()


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "is empty"),
        (b"   \n\0\0", "is empty"),
        (b"%PDF-1.4", "is not a notebook but a PDF"),
        (b"PK\x03\x04....", "is not a notebook but a zip archive"),
        (b"\n<!DOCTYPE html><html></html>", "is not a notebook but a web page"),
        (b"Dear instructor, here is my lab", "it is not JSON"),
        (b'{"cells": [], "nbformat": 4', "is cut off after 27 bytes"),
        (b"[1, 2]", "JSON but not a notebook"),
        (b'{"cells": 3}', "JSON but not a notebook"),
        (b"\xff\xfe\x00", "is not a notebook"),
        (b"[" * 100_000, "nested more than 100 levels deep"),
        (b'{"cells": [' + b"{}," * 6000 + b"{}]}", "has 6001 cells"),
        (b'{"cells": [], "nbformat": ' + b"9" * 5000 + b"}", "it is not JSON"),
    ],
)
def test_unreadable_files_are_one_line(raw, said):
    with pytest.raises(Unreadable, match=said) as error:
        read_notebook(raw, "tiny.ipynb")
    assert "\n" not in str(error.value)
    assert "tiny.ipynb" in str(error.value)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_encodings(solved, encoding):
    solved.cells[0].source = "Größe – 5 €"
    text = json.dumps(solved, ensure_ascii=False)
    notebook, repairs = read_notebook(text.encode(encoding), "tiny.ipynb")
    assert sources(notebook) == sources(solved)
    assert bool(repairs) == (encoding != "utf-8")


def test_single_broken_bytes_leave_the_other_characters_alone(solved):
    solved.cells[0].source = "Größe €"
    raw = json.dumps(solved, ensure_ascii=False).encode().replace("€".encode(), b"\xe2\x82")
    notebook, repairs = read_notebook(raw, "tiny.ipynb")
    assert notebook.cells[0].source == "Größe \ufffd"
    assert repairs == ["some characters were damaged"]


def test_foreign_cells(solved):
    """Colab keeps ids in the metadata, Deepnote the source as a string; others write what no schema knows."""
    content = json.loads(nbformat.writes(solved))
    ids = [cell["id"] for cell in solved.cells]
    for cell in content["cells"]:
        cell["metadata"] = {"id": cell.pop("id"), "colab": {}, "tags": 3}
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
    content["nbformat_minor"] = 0
    content["cells"] += [None, {"cell_type": "sql", "source": "x"}, {"cell_type": "code", "source": 3}]
    content["metadata"] = {"widgets": {"application/vnd.jupyter.widget-state+json": {}}, "kernelspec": None}
    notebook, repairs = read_notebook(as_bytes(content), "tiny.ipynb")
    nbformat.validate(notebook)
    assert repairs == ["2 entries that are no cells were left out"]
    assert [cell["id"] for cell in notebook.cells[:-1]] == ids
    assert sources(notebook) == [*sources(solved), "x"]
    assert notebook.cells[-1].cell_type == "raw"


def test_format_3(solved):
    old = nbformat.convert(copy.deepcopy(solved), 3)
    old.worksheets[0].cells.insert(0, nbformat.v3.new_heading_cell("Old", level=2))
    notebook, repairs = read_notebook(as_bytes(old), "tiny.ipynb")
    assert sources(notebook)[1:] == sources(solved)
    assert [cell.cell_type for cell in notebook.cells[1:]] == [cell.cell_type for cell in solved.cells]
    assert notebook.cells[0].source == "# Old"
    assert repairs == ["the notebook was in format 3"]


def test_another_language_is_said(solved):
    solved.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    _, repairs = read_notebook(as_bytes(solved), "tiny.ipynb")
    assert repairs == ["the notebook said that it is written in R; it was graded as Python"]


def test_half_a_surrogate_pair_can_be_written(solved):
    raw = as_bytes(solved).replace(b"A tiny lab", b"A \\ud83d lab")
    notebook, _ = read_notebook(raw, "tiny.ipynb")
    assert nbformat.writes(notebook).encode()
    assert notebook.cells[0].source == "# A ? lab"


def test_pictures_in_a_text_stay_and_nothing_else_does(solved):
    pasted = {"a.png": {"image/png": "QUJD"}, "b.svg": {"image/svg+xml": "QUJD"}, "c": 3}
    solved.cells[0]["attachments"] = pasted
    notebook, _ = read_notebook(as_bytes(solved), "tiny.ipynb")
    assert notebook.cells[0].attachments == {"a.png": {"image/png": "QUJD"}}


def test_a_script_is_one_cell_a_part(solved):
    script = "\n\n".join(f"# In[{n}]:\n\n{text}" for n, text in enumerate(sources(solved)[1:]))
    notebook, repairs = read_notebook(b"#!/usr/bin/env python\n\n" + script.encode(), "tiny.py")
    assert sources(notebook)[1:] == sources(solved)[1:]
    assert "Python file" in repairs[0]


def test_an_unresolved_merge(solved):
    raw = as_bytes(solved)
    line = next(line for line in raw.splitlines() if b"return 3 * n" in line)
    conflict = b"<<<<<<< HEAD\n" + line + b"\n=======\n" + line.replace(b"3", b"4") + b"\n>>>>>>> other"
    notebook, repairs = read_notebook(raw.replace(line, conflict), "tiny.ipynb")
    assert sources(notebook) == sources(solved)
    assert "merge" in repairs[0]


# --- outputs and damage ----------------------------------------------------------------------------------


def with_outputs(notebook):
    """Outputs of all shapes, also with brackets and quotes in their text."""
    notebook = copy.deepcopy(notebook)
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            nasty = '\\"]}[{"outputs": ["' * number
            cell.outputs = [
                nbformat.v4.new_output("stream", text=nasty),
                nbformat.v4.new_output("display_data", {"application/json": {"outputs": [[nasty], {}]}}),
            ]
    notebook.metadata["widgets"] = {"state": [{"cells": [{}]}]}
    return notebook


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_skimming_equals_parsing_and_taking_the_outputs_out(solved, indent):
    skimmed = skim(json.dumps(with_outputs(solved), indent=indent).encode())
    expected = json.loads(json.dumps(solved))
    expected["metadata"]["widgets"] = {}
    assert json.loads(skimmed.whole) == expected
    assert [json.loads(cell) for cell in skimmed.cells] == expected["cells"]
    assert skimmed.complete


def test_wherever_a_file_is_cut_off_the_whole_cells_are_found(solved):
    full = json.dumps(with_outputs(solved), indent=1)
    decoder, starts = json.JSONDecoder(), []
    position = full.index("[", full.index('"cells"')) + 1
    ends = []
    for _ in solved.cells:
        position = full.index("{", position)
        starts.append(position)
        _, position = decoder.raw_decode(full, position)
        ends.append(position)
    generator = random.Random(0)
    for cut in [*ends, *generator.sample(range(ends[0], len(full) - 1), 100)]:
        expected = sum(end <= cut for end in ends)
        notebook, repairs = read_notebook(full[:cut].encode(), "tiny.ipynb")
        assert sources(notebook) == sources(solved)[:expected], cut
        assert "is cut off" in repairs[0]
    with pytest.raises(Unreadable, match="cut off"):
        read_notebook(full[: ends[0] - 1].encode(), "tiny.ipynb")


@pytest.mark.parametrize("damage", [b",,", b"}", b"trailing", b"\0" * 50])
def test_damage_costs_at_most_the_cell_it_is_in(solved, damage):
    raw = as_bytes(solved)
    notebook, repairs = read_notebook(raw + damage, "tiny.ipynb")
    assert sources(notebook) == sources(solved)
    assert "is damaged" in repairs[0]
    notebook, _ = read_notebook(raw.replace(b'"# A tiny lab"', b'"# A tiny lab" oops'), "tiny.ipynb")
    assert sources(notebook) == sources(solved)[1:]


def test_a_line_end_inside_a_string_is_no_damage(solved):
    raw = as_bytes(solved).replace(b"A tiny lab", b"A tiny\n\tlab")
    notebook, repairs = read_notebook(raw, "tiny.ipynb")
    assert notebook.cells[0].source == "# A tiny\n\tlab"
    assert repairs == []


def test_a_hundred_megabytes_of_outputs(solved):
    raw = as_bytes(solved).replace(
        b'"outputs": []', b'"outputs": [{"data": "' + b"A" * (100 << 20) + b'"}]', 1
    )
    notebook, repairs = read_notebook(raw, "tiny.ipynb")
    assert sources(notebook) == sources(solved)
    assert repairs == []


def test_too_large_is_said(solved, monkeypatch):
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)
    with pytest.raises(Unreadable, match="larger than 1 MB"):
        read_notebook(as_bytes(solved) + b" " * (1 << 20), "tiny.ipynb")
    monkeypatch.setattr(reading, "LARGEST_TEXT", 1000)
    with pytest.raises(Unreadable, match="besides its outputs"):
        read_notebook(as_bytes(solved), "tiny.ipynb")


@pytest.mark.parametrize("raw", [b'{"outputs": [' + b"[]," * 1300, b"[]," * 300, b'"",' * 600])
def test_more_brackets_and_strings_than_any_notebook_has(raw):
    with pytest.raises(TooMuch):
        skim(raw, most=500)


def test_more_text_than_any_notebook_has(solved):
    solved.cells[1].source = "x = 1\n" * 1_000_000
    with pytest.raises(Unreadable, match=r"6,00[0-9],[0-9]{3} characters of text and code"):
        read_notebook(as_bytes(solved), "tiny.ipynb")


@pytest.mark.parametrize("quotes", [b'\\"', b'"', b'"\\"'])
def test_quotes_without_end_are_no_notebook(quotes):
    with pytest.raises(Unreadable):
        read_notebook(b'{"cells": [' + quotes * 500_000, "tiny.ipynb")
