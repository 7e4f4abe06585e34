import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from autograder import hint
from autograder.exercises import load


def test_hints_come_one_after_the_other_and_the_last_stays():
    hints = load("roi_pool").hints
    assert [hint("roi_pool").text for _ in range(len(hints) + 1)] == [*hints, hints[-1]]
    assert hint("roi_pool", 1).text == hints[0]
    assert "Hint 1 of" in str(hint("roi_pool", 1))


def test_unknown_hints_are_named():
    with pytest.raises(ValueError, match="no hint 9"):
        hint("roi_pool", 9)
    with pytest.raises(ValueError, match='no exercise called "roipool"'):
        hint("roipool")


def test_a_misspelt_name_shows_one_line_in_a_notebook():
    shell = InteractiveShell()
    with capture_output() as shown:
        shell.run_cell('from autograder import hint\nhint("smooth")')
    assert shown.stdout.strip().endswith('no exercise called "smooth": did you mean smooth_l1?')
    assert "hints.py" not in shown.stdout
