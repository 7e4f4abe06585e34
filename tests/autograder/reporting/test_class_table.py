"""The class table says who got what, and why not more."""

import pytest
from rich.console import Console

from autograder.grading.result import Result, from_outcome
from autograder.grading.submission import Report
from autograder.reporting.class_table import class_table, remarks

REPORTS = [
    Report("ada", (Result("nms", 6.0, 6.0, "correct"), Result("detect", 8.0, 8.0, "correct"))),
    Report(
        "ben",
        (
            Result("nms", 1.5, 6.0, "incorrect", misconception="ties swapped"),
            Result("detect", 0.0, 8.0, "crashed", reason="detect ended the Python process"),
        ),
        repairs=("nms: moved",),
    ),
    Report("pam", problem="lab.ipynb is empty"),
]


def shown(wide, width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(class_table(REPORTS, "the class", wide))
    return console.export_text()


def test_wide_table():
    text = shown(wide=True, width=140)
    assert "6 ✓" in text
    assert "1.5 ties swapped" in text
    assert "0 crashed" in text
    assert "14.0" in text


def test_narrow_table_and_its_remarks():
    text = shown(wide=False, width=70)
    assert "ties" not in text
    assert "1 nms, 2 detect" in text
    assert max(map(len, text.splitlines())) <= 70
    assert remarks(REPORTS, wide=False) == [
        "ben: nms: ties swapped",
        "ben: detect: crashed",
        "ben: repaired: nms: moved",
        "pam: lab.ipynb is empty",
    ]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result("nms", 0.0, 6.0, "not_attempted"), "not attempted"),
        (Result("nms", 0.0, 6.0, "crashed", case="ordinary boxes"), "crashed"),
        (Result("nms", 2.0, 6.0, "incorrect", case="ties"), "wrong: ties"),
        (Result("nms", 2.0, 6.0, "incorrect"), "wrong"),
        (Result("nms", 2.0, 6.0, "incorrect", misconception="ties swapped", case="ties"), "ties swapped"),
        (Result("nms", 0.0, 6.0, "timed_out", case="ties"), "timed out"),
    ],
)
def test_what_went_wrong_in_a_few_words(result, words):
    assert remarks([Report("ben", (result,))], wide=False) == [f"ben: nms: {words}"]


def test_wide_table_needs_fewer_remarks():
    assert remarks(REPORTS) == ["ben: repaired: nms: moved", "pam: lab.ipynb is empty"]


@pytest.mark.parametrize(
    ("points", "possible", "expected"),
    [(3, 6, 4.0), (9, 6, 8.0), (-1, 6, 0.0), (float("nan"), 6, 0.0), ("6", 6, 0.0), (1, 0, 0.0)],
)
def test_points_are_a_share_of_what_the_cell_is_worth(points, possible, expected):
    outcome = {"points": points, "possible": possible, "status": "incorrect"}
    assert from_outcome(outcome, "nms", 8.0, 0.1).points == expected


def test_results_survive_json():
    result = REPORTS[1].results[0]
    assert Result.from_dict(result.as_dict()) == result


def test_a_learner_s_words_are_only_text(capsys):
    """Names of folders and files, texts of errors: no markup of rich's (which could fail), no escapes."""
    words = "[/x] [red]a[/red] [link=http://evil]b[/link]\x1b[2J\x07\u202e\r\nc"
    wrong = Result("nms", 0.0, 6.0, "incorrect", misconception=words, case=words)
    reports = [Report(words, (wrong,), repairs=(words,)), Report("eve", problem=words)]
    for wide in (True, False):
        console = Console(width=200, file=open("/dev/null", "w"), record=True)  # noqa: SIM115
        console.print(class_table(reports, "the class", wide))
        for line in remarks(reports, wide):
            console.print(f"  {line}", highlight=False, markup=False)
        text = console.export_text(styles=True, clear=False)
        assert "[/x] [red]a[/red] [link=http://evil]b[/link]" in console.export_text()
        assert not set("\x07\u202e\r") & set(text)
        assert "\x1b[2J" not in text
