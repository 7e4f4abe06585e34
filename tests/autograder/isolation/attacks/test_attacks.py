"""Every attack earns nothing, learns nothing and leaves nothing, and those beside it keep what they earned."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attacks_ending
import attacks_escaping
import attacks_forging
import attacks_on_readers
import attacks_on_the_wire
import attacks_on_values
import nbformat
import pytest
from attack import ATTEMPT

from autograder.grading.execute import execute
from autograder.grading.limits import Limits
from autograder.grading.result import OUTCOME

THEMES = (
    attacks_forging,
    attacks_ending,
    attacks_escaping,
    attacks_on_the_wire,
    attacks_on_readers,
    attacks_on_values,
)
ATTACKS = [attack for theme in THEMES for attack in theme.ATTACKS]
ROOT = Path(__file__).resolve().parents[4]
MASTER = ROOT / "solutions" / "05_fast_rcnn" / "fast_rcnn.ipynb"
SEED = 7


@pytest.fixture(scope="session")
def course(tmp_path_factory):
    """What an attack may be after: a gradebook, answers, others' work."""
    root = tmp_path_factory.mktemp("course")
    for name in (
        "gradebook.db",
        "source/05_fast_rcnn/fast_rcnn.ipynb",
        "submitted/other/05_fast_rcnn/fast_rcnn.ipynb",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("secret")
        (root / name).chmod(0o666)
    before = _digest(root)
    yield root
    assert _digest(root) == before


@pytest.fixture
def grade(graders, small, course):
    """Grade an attack: its result, and all that its feedback shows."""

    def run(attack):
        cells = [
            cell.replace("{course}", str(course)).replace("{root}", str(ROOT))
            for cell in (attack.before, attack.answer)
        ]
        notebook = small(cells[1], ATTEMPT, cells[0])
        (result,) = execute(
            notebook, graders, SEED, Limits(attack.seconds, attack.check_seconds, submission=120)
        )
        return result, notebook

    return run


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_earns_learns_and_leaves_nothing(attack, grade, graders, living):
    result, notebook = grade(attack)
    shown = nbformat.writes(notebook)
    said = _said(notebook) + f"{result.status} {result.reason} {result.message}"

    assert result.points == 0, said
    assert result.possible == 4
    assert result.status != "correct"
    assert attack.status in ("", result.status), said
    assert attack.says in said, said
    assert "GOT" not in said, said
    assert said.count("REFUSED") == attack.refused, said
    assert len(shown) < 200_000
    shown.encode()
    for mark in ("\x1b", "\x07", "\u202e"):
        assert mark not in said
    for page in _pages(notebook):
        assert "<script" not in page
        assert "<img" not in page
    assert living(graders.student) == living(graders.checker) == []


def test_honest_submissions_beside_attacks_keep_their_points(grade, graders):
    hungry = {
        "memory bomb",
        "thread bomb",
        "threads that loop",
        "disk fill",
        "a loop",
        "output flood",
        "a slow drip",
    }
    attacks = [attack for attack in ATTACKS if attack.name in hungry]
    assert len(attacks) == len(hungry)
    with ThreadPoolExecutor(1) as beside:
        attacking = beside.submit(lambda: [grade(attack)[0].points for attack in attacks])
        honest = []
        while not honest or not attacking.done():
            honest.append(execute(nbformat.read(MASTER, 4), graders, SEED))
        assert attacking.result() == [0] * len(attacks)
    for results in honest:
        assert [result.status for result in results] == ["correct"] * 6
        assert sum(result.points for result in results) == sum(result.possible for result in results)


def test_metadata_and_outputs_that_claim_points_are_not_asked(graders, small):
    claim = {"name": "smooth_l1", "status": "correct", "points": 4.0, "possible": 4}
    notebook = small("def smooth_l1(*a):\n    return 0")
    for cell in notebook.cells:
        cell.metadata["autograder"] = {"exercise": "smooth_l1", **claim}
        cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "4", OUTCOME: claim})]
    notebook.metadata["autograder"] = {"points": 4}

    (result,) = execute(notebook, graders, SEED)

    assert (result.points, result.status) == (0, "incorrect")
    assert notebook.cells[-1].metadata["autograder"]["points"] == 0
    assert notebook.cells[-1].outputs[-1].data["text/plain"] == "0"


def test_there_are_enough_attacks():
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 100


def _said(notebook):
    """All text of the outputs."""
    return "\n".join(
        json.dumps(cell.outputs, ensure_ascii=False) for cell in notebook.cells if cell.cell_type == "code"
    )


def _pages(notebook):
    for cell in notebook.cells:
        for output in cell.outputs:
            yield from (value for kind, value in output.get("data", {}).items() if kind != "text/plain")


def _digest(root):
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()
    }


@pytest.mark.parametrize("how", ["sys.setprofile(None)", "threading.Thread"])
def test_a_determined_call_of_the_answer_is_noticed(how, graders, small):
    call = "torch.nn.functional.smooth_l1_loss(p, t, beta=beta, reduction='none')"
    body = {
        "sys.setprofile(None)": f"sys.setprofile(None)\n    found = [{call}]",
        "threading.Thread": f"found = []\n    thread = threading.Thread(target=lambda: found.append({call}))\n"
        "    thread.start()\n    thread.join()",
    }
    answer = f"import sys, threading\ndef smooth_l1(p, t, beta=1.0):\n    {body[how]}\n    return found[0]"
    (result,) = execute(small(answer), graders, SEED)
    assert result.status == "delegated"
