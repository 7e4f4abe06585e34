"""torch's own function that is the exercise is really gone from the process: the ways a determined learner tries."""

import pytest
import torch

from autograder.checking.outcome import Outcome
from autograder.exercises import load, names
from autograder.grading.execute import execute
from autograder.isolation.channel import Channel
from autograder.isolation.checker import check_remotely
from autograder.isolation.remote import Withheld
from autograder.isolation.withheld import operators_fitting

SMOOTH_L1 = operators_fitting(load("smooth_l1").delegates)
POOLS = operators_fitting(load("roi_pool").delegates)

RIGHT = """\
def smooth_l1(pred, target, beta=1.0):
    size = (pred - target).abs()
    if beta == 0:
        return size
    return torch.where(size < beta, 0.5 * size**2 / beta, size - 0.5 * beta)
"""

HEAD = """
import sys, threading, gc, torch
import torch.nn.functional as F
a, b = torch.tensor([0.5, 3.0], requires_grad=True), torch.zeros(2)
def attempt(way):
    try:
        got = way()
    except BaseException as error:
        print("REFUSED", type(error).__name__, str(error)[:60].replace(chr(10), " "))
    else:
        print("GOT", got)
"""
WAYS = {
    "by its name": "attempt(lambda: F.smooth_l1_loss(a, b))",
    "without the watch": "sys.setprofile(None)\nattempt(lambda: F.smooth_l1_loss(a, b))",
    "in a thread": "found = []\nt = threading.Thread(target=lambda: found.append(F.smooth_l1_loss(a, b)))\n"
    "threading.excepthook = lambda *a: None\nt.start(); t.join()\nattempt(lambda: found[0])",
    "as a module": "attempt(lambda: torch.nn.SmoothL1Loss()(a, b))",
    "its cousin": "attempt(lambda: F.huber_loss(a, b))",
    "from C": "attempt(lambda: torch._C._nn.smooth_l1_loss(a, b))",
    "as an operator": "attempt(lambda: torch.ops.aten.smooth_l1_loss(a, b))",
    "with an output": "attempt(lambda: torch.ops.aten.smooth_l1_loss.out(a.detach(), b, out=torch.empty(0)))",
    "by redispatch": "op = torch.ops.aten.smooth_l1_loss.default\nfor key in ('CPU', 'AutogradCPU', "
    "'CompositeExplicitAutograd', 'CompositeExplicitAutogradNonFunctional', 'BackendSelect'):\n"
    "    attempt(lambda: op.redispatch(torch._C.DispatchKeySet(getattr(torch._C.DispatchKey, key)), a, b))",
    "in half precision": "attempt(lambda: F.smooth_l1_loss(a.half(), b.half()))",
    "in batches": "attempt(lambda: torch.vmap(lambda x: F.smooth_l1_loss(x, x * 0))(torch.ones(2, 3)))",
    "as its gradient": "attempt(lambda: torch.ops.aten.smooth_l1_loss_backward(a, a, b, 0, 1.0))",
    "in TorchScript": "import warnings; warnings.simplefilter('ignore')\n"
    "attempt(lambda: torch.jit.script(F.smooth_l1_loss)(a.detach(), b))",
    "registered back": "lib = torch.library.Library('aten', 'IMPL')\n"
    "attempt(lambda: lib.impl('smooth_l1_loss', torch.library.get_kernel('aten::smooth_l1_loss', 'CPU'), 'CPU'))\n"
    "attempt(lambda: F.smooth_l1_loss(a, b))",
    "by its kernel": "attempt(lambda: torch.library.get_kernel('aten::smooth_l1_loss', 'CPU').call_boxed("
    "torch._C.DispatchKeySet(torch._C.DispatchKey.CPU), a.detach(), b))",
    "all libraries undone": "import torch.library, weakref\n"
    "for key in list(weakref.finalize._registry):\n"
    "    try: key() if 'librar' in str(weakref.finalize._registry[key].func) else None\n"
    "    except AttributeError: pass\n"
    "for o in gc.get_objects():\n"
    "    if type(o).__name__ == 'Library': o._destroy()\n"
    "    if type(o).__name__ == '_DispatchModule' and hasattr(o, 'reset'): o.reset()\n"
    "attempt(lambda: F.smooth_l1_loss(a, b))",
    "the refusal rewritten": "def outer(called, name):\n    return lambda *x, **y: (called, name)[2:] or None\n"
    "for o in gc.get_objects():\n"
    "    if getattr(o, '__name__', '') == 'refuse': o.__code__ = outer(0, 0).__code__\n"
    "attempt(lambda: F.smooth_l1_loss(a.detach(), b) + 0)",
    "in Python": "import torch._decomp.decompositions, torch._refs.nn.functional\n"
    "attempt(lambda: torch._decomp.decompositions.smooth_l1_loss(a, b))\n"
    "attempt(lambda: torch._refs.nn.functional.smooth_l1_loss(a, b))\n"
    "attempt(lambda: torch._refs.nn.functional.huber_loss(a, b))",
    "in Python, by its source": "import inspect, torch._decomp.decompositions as d\n"
    "attempt(lambda: 'abs' in inspect.getsource(d.smooth_l1_loss) or 1 / 0)",
    "in Python, compiled before": "import glob, os\n"
    "for name in ('_decomp', '_refs/nn/functional'):\n"
    "    folder = os.path.join(os.path.dirname(torch.__file__), name, '__pycache__')\n"
    "    attempt(lambda: os.listdir(folder)[0])",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_the_answer_cannot_be_called(way, student):
    student("withhold", operators=list(SMOOTH_L1))
    ran = student("run", label="cell 0", source=HEAD + WAYS[way])
    assert ran["error"] is None, ran
    assert "REFUSED" in ran["printed"], ran
    assert "GOT" not in ran["printed"], ran


def test_without_withholding_the_same_ways_work(student):
    ran = student("run", label="cell 0", source=HEAD + "".join(WAYS[way] + "\n" for way in list(WAYS)[:8]))
    assert ran["printed"].count("GOT") == 8


@pytest.mark.parametrize(
    "call",
    [
        "F.adaptive_max_pool2d(x, 2)",
        "F.adaptive_max_pool1d(x[0], 2)",
        "F.adaptive_avg_pool2d(x, 2)",
        "F.adaptive_max_pool3d(x, 2)",
        "torch.nn.AdaptiveMaxPool2d(2)(x)",
        "torch.nn.AdaptiveAvgPool2d((3, 2))(x)",
        "F.adaptive_avg_pool2d(x, 1)",
        "torch.ops.aten.adaptive_avg_pool2d.default.decompose(x, [2, 2])",
    ],
)
def test_pools_cannot_be_called(call, student):
    student("withhold", operators=list(POOLS))
    ran = student("run", label="cell 0", source=HEAD + f"x = torch.rand(1, 2, 4, 5)\nattempt(lambda: {call})")
    assert ran["printed"].startswith("REFUSED NotHere"), ran


def test_what_torch_makes_of_other_operators_can_be_withheld_and_leaves_them(student):
    student("withhold", operators=list(operators_fitting(("torch*conv_transpose2d*", "torch*max_unpool2d*"))))
    source = HEAD + (
        "x, weight = torch.rand(1, 2, 4, 6), torch.rand(2, 3, 3, 3)\n"
        "attempt(lambda: F.conv_transpose2d(x, weight))\n"
        "attempt(lambda: torch.nn.ConvTranspose2d(2, 3, 3)(x))\n"
        "attempt(lambda: torch.convolution(x, weight, None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1))\n"
        "pooled, switches = F.max_pool2d(x, 2, return_indices=True)\n"
        "attempt(lambda: F.max_unpool2d(pooled, switches, 2))\n"
        "attempt(lambda: torch.nn.MaxUnpool2d(2)(pooled, switches))\n"
        "F.conv2d(x, weight.transpose(0, 1)); F.fold(F.unfold(x, 2), (4, 6), 2)\n"
        "pooled.scatter(0, switches * 0, pooled)\n"
        "print('the rest works')"
    )
    printed = student("run", label="cell 0", source=source)["printed"]
    assert printed.count("REFUSED NotHere") == 5
    assert "GOT" not in printed
    assert printed.endswith("the rest works\n")


def test_everything_else_still_works(student):
    student("withhold", operators=[*SMOOTH_L1, *POOLS])
    source = HEAD + (
        "x = torch.rand(1, 3, 8, 9, requires_grad=True)\n"
        "net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.MaxPool2d(2))\n"
        "F.l1_loss(net(x), torch.zeros(1, 4, 3, 3)).backward()\n"
        "F.interpolate(x, size=(3, 2)); F.max_pool2d(x, 2); F.avg_pool2d(x, 2); F.mse_loss(x, x)\n"
        "print(x.grad.abs().sum() > 0)"
    )
    assert student("run", label="cell 0", source=source) == {"printed": "tensor(True)\n", "error": None}


@pytest.mark.parametrize(
    "call",
    [
        "torch.optim.Adam([a])",
        "torch.func.jacrev(torch.sin)(b)",
        "torch.func.jvp(torch.sin, (b,), (b,))",
        "torch.vmap(torch.sin)(torch.ones(2, 2))",
        "torch.autograd.gradcheck(torch.sin, a.double())",
        "torch.testing.assert_close(a, a)",
        "__import__('tempfile').TemporaryFile()",
    ],
)
def test_what_imports_much_of_torch_finds_it(call, student):
    student("withhold", operators=list(SMOOTH_L1))
    ran = student("run", label="cell 0", source=HEAD + f"attempt(lambda: {call})", seconds=120)
    assert ran["printed"].startswith("GOT"), ran


def test_a_call_is_told_even_when_it_is_caught(student):
    student("withhold", operators=list(SMOOTH_L1))
    source = (
        HEAD + "def smooth_l1(p, t, beta):\n    attempt(lambda: F.smooth_l1_loss(p, t))\n    return p * 0"
    )
    student("run", label="cell 0", source=source)
    reply = student(
        "call", name="smooth_l1", arguments=[torch.ones(2), torch.ones(2), 1.0], gradient_of=[], watch=[]
    )
    assert reply["called"] == "torch.ops.aten.smooth_l1_loss"
    assert reply["error"] is None


def test_a_cell_that_compares_with_the_answer_still_defines_what_follows(student):
    student("withhold", operators=list(SMOOTH_L1))
    source = (
        "from __future__ import annotations\nimport torch\nimport torchvision\nfrom torchvision.ops import nms\nx = 1\n"
        "print(torch.nn.functional.smooth_l1_loss(\n    torch.ones(2), torch.ones(2)))\ny: Missing = 2\n"
    )
    ran = student("run", label="cell 0", source=source)
    assert ran["error"]["type"] == "ModuleNotFoundError"
    assert student("run", label="cell 1", source="print(x, y)")["printed"] == "1 2\n"
    ran = student("run", label="cell 2", source="z = 1\n1 / 0\nz = 2")
    assert ran["error"]["type"] == "ZeroDivisionError"
    assert student("run", label="cell 3", source="print(z)")["printed"] == "1\n"


def test_an_answer_that_needs_what_another_exercise_is_about_is_not_marked_down(student):
    student("withhold", operators=[*SMOOTH_L1, *POOLS])
    source = HEAD + (
        "def xyxy_to_cxcywh(boxes):\n    F.adaptive_max_pool2d(torch.ones(1, 4, 4), 2)\n"
        "    x1, y1, x2, y2 = boxes.unbind(1)\n"
        "    return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)\n"
        "def smooth_l1(pred, target, beta=1.0):\n    return F.smooth_l1_loss(pred, target)"
    )
    student("run", label="cell 0", source=source)
    with pytest.raises(Withheld, match="adaptive_max_pool2d"):
        check_remotely(Channel(student.child.connection), "xyxy_to_cxcywh", True, 7)
    outcome, alive = check_remotely(Channel(student.child.connection), "smooth_l1", True, 7)
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.points, alive) == ("delegated", 0, True)


def test_such_an_answer_is_checked_again_in_a_process_that_has_it(graders, small):
    pool = "torch.nn.functional.adaptive_max_pool2d(torch.ones(1, 4, 4), 2)"
    right = "    a, c = b[:, :2], b[:, 2:]\n    return torch.cat([(a + c) / 2, c - a], 1)"
    boxes = small(f"def xyxy_to_cxcywh(b):\n    {pool}\n{right}", exercise="xyxy_to_cxcywh", points=2)
    pools = small(
        f"def roi_pool(f, r, s, c):\n    try: {pool}\n    except BaseException: pass\n", exercise="roi_pool"
    )
    smooth = small(RIGHT)
    boxes.cells += [*pools.cells[1:], *smooth.cells[1:]]
    results = execute(boxes, graders, 7)
    assert [(r.exercise, r.status, r.points) for r in results] == [
        ("xyxy_to_cxcywh", "correct", 2),
        ("roi_pool", "delegated", 0),
        ("smooth_l1", "correct", 4),
    ]


def test_every_pattern_of_every_exercise_that_means_torch_finds_an_operator():
    for name in names():
        for pattern in load(name).delegates:
            if pattern.endswith("_loss*") or "pool" in pattern:
                assert operators_fitting((pattern,)), (name, pattern)
