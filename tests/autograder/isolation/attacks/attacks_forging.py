# ruff: noqa: E501 - attackers do not wrap their lines
"""Right marks for wrong answers, from within Python: what a check in the same process would fall for."""

from attack import Attack

ATTACKS = (
    Attack(
        "honest but wrong",
        "",
        says="expected",
        status="incorrect",
    ),
    Attack(
        "patched comparisons",
        """\
import torch
torch.allclose = torch.equal = lambda *a, **k: True
torch.isclose = lambda a, *b, **k: torch.ones_like(a, dtype=torch.bool)
torch.testing.assert_close = lambda *a, **k: None
""",
        says="expected",
    ),
    Attack(
        "patched tensor methods",
        """\
import torch
torch.Tensor.__eq__ = torch.Tensor.equal = lambda *a: True
""",
        says="expected",
    ),
    Attack(
        "range that is empty",
        """\
range = lambda *a: []
import builtins
builtins.range = range
""",
    ),
    Attack(
        "isinstance that says yes",
        """\
import builtins
builtins.isinstance = lambda *a: True
""",
    ),
    Attack(
        "syntax tree transformer",
        "get_ipython().ast_transformers.append(lambda node: None)",
    ),
    Attack(
        "input transformer",
        "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass'])",
    ),
    Attack(
        "run_cell replaced",
        """\
shell = get_ipython()
shell.run_cell = shell.run_cell_async = lambda *a, **k: None
""",
    ),
    Attack(
        "do_execute replaced",
        "get_ipython().kernel.do_execute = lambda *a, **k: {'status': 'ok'}",
    ),
    Attack(
        "errors swallowed",
        "get_ipython().set_custom_exc((BaseException,), lambda *a, **k: [])",
    ),
    Attack(
        "messages dropped",
        "get_ipython().kernel.session.send = lambda *a, **k: None",
    ),
    Attack(
        "points displayed, then an error",
        """\
import sys
def smooth_l1(*a):
    get_ipython().displayhook(4.0)
    sys.displayhook(4.0)
    display(4.0)
    raise RuntimeError('never mind')
""",
        says="never mind",
    ),
    Attack(
        "points printed",
        """\
print('SCORE: 4/4')
print(4.0)
4.0
""",
    ),
    Attack(
        "tensor that is always close",
        """\
import torch
class T(torch.Tensor):
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None):
        if getattr(f, '__name__', '') in ('allclose', 'equal'):
            return True
        with torch._C.DisableTorchFunctionSubclass():
            return f(*args, **(kwargs or {}))
def smooth_l1(pred, *a):
    return torch.zeros_like(pred).as_subclass(T)
""",
        says="expected",
    ),
    Attack(
        "tensor with a dispatcher of its own",
        """\
import torch
class D(torch.Tensor):
    @staticmethod
    def __new__(cls, x): return torch.Tensor._make_wrapper_subclass(cls, x.shape, dtype=x.dtype)
    @classmethod
    def __torch_dispatch__(cls, f, types, args=(), kwargs=None): return torch.ones(1, dtype=torch.bool)
def smooth_l1(pred, *a):
    return D(pred.detach())
""",
        check_seconds=1,
    ),
    Attack(
        "object that equals everything",
        """\
class E:
    def __eq__(self, o): return True
    __class__ = property(lambda s: float)
    shape = (5, 7)
def smooth_l1(*a):
    return E()
""",
        says="real number, not E",
    ),
    Attack(
        "numbers and lists that lie",
        """\
class F(float):
    def __eq__(self, o): return True
    def __sub__(self, o): return 0.0
class L(list):
    def __len__(self): return 1
    def __eq__(self, o): return True
def smooth_l1(*a):
    return L([F(1.0)])
""",
    ),
    Attack(
        "a string for an answer",
        """\
def smooth_l1(*a):
    return 'correct'
""",
        says="must be a tensor",
    ),
    Attack(
        "nothing but NaN",
        """\
def smooth_l1(pred, *a):
    return pred * float('nan')
""",
        says="nan",
    ),
    Attack(
        "nothing but infinity",
        """\
def smooth_l1(pred, *a):
    return pred * 0 + float('inf')
""",
        says="inf",
    ),
    Attack(
        "minus zero",
        """\
def smooth_l1(pred, *a):
    return pred * -0.0
""",
        says="expected",
    ),
    Attack(
        "an empty answer",
        """\
def smooth_l1(pred, *a):
    return pred.new_zeros(0)
""",
        says="shape [0]",
    ),
    Attack(
        "an answer to be broadcast",
        """\
def smooth_l1(pred, *a):
    return pred.sum()
""",
        says="shape []",
    ),
    Attack(
        "another dtype",
        """\
def smooth_l1(p, t, beta=1.0):
    d = (p - t).abs()
    r = d if beta == 0 else (d < beta) * (0.5 * d ** 2 / beta) + (d >= beta) * (d - 0.5 * beta)
    return r.double()
""",
        says="dtype float64",
    ),
    Attack(
        "check redefined",
        """\
def check(*a, **k):
    return 4.0
class Outcome:
    points = 4.0
""",
    ),
    Attack(
        "autograder patched",
        """\
import autograder, sys, types
autograder.check = lambda *a, **k: 4.0
for name in ('autograder.checking', 'autograder.checking.check', 'autograder.exercises'):
    sys.modules[name] = types.SimpleNamespace(check=lambda *a, **k: 4.0)
""",
    ),
    Attack(
        "the server's own methods replaced",
        """\
import gc
for o in gc.get_objects():
    if type(o).__name__ == '_Student':
        type(o).do_call = lambda s, **k: {'value': None, 'error': None, 'points': 4.0, 'status': 'correct', 'outcome': {'name': 'smooth_l1', 'status': 'correct', 'points': 4.0, 'possible': 4}, 'alive': True}
""",
        says="None",
    ),
    Attack(
        "an outcome instead of a function",
        "smooth_l1 = {'name': 'smooth_l1', 'status': 'correct', 'points': 4.0, 'possible': 4}",
        says="must be a function",
    ),
    Attack(
        "a class instead of a function",
        """\
class smooth_l1:
    points = 4.0
""",
        says="class",
    ),
    Attack(
        "torchvision's",
        """\
import torchvision
smooth_l1 = torchvision.ops.smooth_l1
""",
        says="torchvision",
    ),
    Attack(
        "torch's own",
        """\
import torch.nn.functional as F
def smooth_l1(p, t, beta=1.0):
    return F.smooth_l1_loss(p, t, beta=beta, reduction='none')
""",
        status="delegated",
    ),
    Attack(
        "the library's",
        """\
from detseg.losses import smooth_l1 as s
smooth_l1 = lambda *a: s(*a)
""",
        status="delegated",
    ),
    Attack(
        "an error called NotImplementedError",
        """\
def smooth_l1(*a):
    raise NotImplementedError('4 of 4 points')
""",
    ),
    Attack(
        "exit in the function",
        """\
import sys
def smooth_l1(*a):
    sys.exit(0)
""",
        says="SystemExit",
    ),
    Attack(
        "interrupt in the function",
        """\
def smooth_l1(*a):
    raise KeyboardInterrupt('4 points')
""",
        says="KeyboardInterrupt",
    ),
    Attack(
        "generator's end in the function",
        """\
def smooth_l1(*a):
    raise GeneratorExit
""",
        says="GeneratorExit",
    ),
    Attack(
        "TimeLimitExceeded by name",
        """\
class TimeLimitExceeded(BaseException): pass
def smooth_l1(*a):
    raise TimeLimitExceeded
""",
    ),
    Attack(
        "rewritten at exit",
        """\
import atexit
atexit.register(lambda: open('fast_rcnn.ipynb', 'w').write('{}'))
""",
    ),
)
