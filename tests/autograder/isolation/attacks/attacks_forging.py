"""Right marks for wrong answers, from within Python: what a check in the same process would fall for."""

from attack import Attack

ATTACKS = (
    Attack("honest but wrong", "", says="expected", status="incorrect"),
    Attack(
        "patched comparisons",
        "import torch\ntorch.allclose = torch.equal = lambda *a, **k: True\n"
        "torch.isclose = lambda a, *b, **k: torch.ones_like(a, dtype=torch.bool)\n"
        "torch.testing.assert_close = lambda *a, **k: None",
        says="expected",
    ),
    Attack("patched tensor methods", "import torch\ntorch.Tensor.__eq__ = torch.Tensor.equal = lambda *a: True", says="expected"),
    Attack("range that is empty", "range = lambda *a: []\nimport builtins\nbuiltins.range = range"),
    Attack("isinstance that says yes", "import builtins\nbuiltins.isinstance = lambda *a: True"),
    Attack("syntax tree transformer", "get_ipython().ast_transformers.append(lambda node: None)"),
    Attack("input transformer", "get_ipython().input_transformers_cleanup.append(lambda lines: ['pass'])"),
    Attack("run_cell replaced", "shell = get_ipython()\nshell.run_cell = shell.run_cell_async = lambda *a, **k: None"),
    Attack("do_execute replaced", "get_ipython().kernel.do_execute = lambda *a, **k: {'status': 'ok'}"),
    Attack("errors swallowed", "get_ipython().set_custom_exc((BaseException,), lambda *a, **k: [])"),
    Attack("messages dropped", "get_ipython().kernel.session.send = lambda *a, **k: None"),
    Attack(
        "points displayed, then an error",
        "import sys\ndef smooth_l1(*a):\n    get_ipython().displayhook(4.0)\n    sys.displayhook(4.0)\n"
        "    display(4.0)\n    raise RuntimeError('never mind')",
        says="never mind",
    ),
    Attack("points printed", "print('SCORE: 4/4')\nprint(4.0)\n4.0"),
    Attack(
        "tensor that is always close",
        "import torch\n"
        "class T(torch.Tensor):\n"
        "    @classmethod\n"
        "    def __torch_function__(cls, f, types, args=(), kwargs=None):\n"
        "        if getattr(f, '__name__', '') in ('allclose', 'equal'):\n            return True\n"
        "        with torch._C.DisableTorchFunctionSubclass():\n            return f(*args, **(kwargs or {}))\n"
        "def smooth_l1(pred, *a):\n    return torch.zeros_like(pred).as_subclass(T)",
        says="expected",
    ),
    Attack(
        "tensor with a dispatcher of its own",
        "import torch\n"
        "class D(torch.Tensor):\n"
        "    @staticmethod\n"
        "    def __new__(cls, x): return torch.Tensor._make_wrapper_subclass(cls, x.shape, dtype=x.dtype)\n"
        "    @classmethod\n"
        "    def __torch_dispatch__(cls, f, types, args=(), kwargs=None): return torch.ones(1, dtype=torch.bool)\n"
        "def smooth_l1(pred, *a):\n    return D(pred.detach())",
    ),
    Attack(
        "object that equals everything",
        "class E:\n    def __eq__(self, o): return True\n    __class__ = property(lambda s: float)\n    shape = (5, 7)\n"
        "def smooth_l1(*a):\n    return E()",
        says="cannot be sent",
    ),
    Attack(
        "numbers and lists that lie",
        "class F(float):\n    def __eq__(self, o): return True\n    def __sub__(self, o): return 0.0\n"
        "class L(list):\n    def __len__(self): return 1\n    def __eq__(self, o): return True\n"
        "def smooth_l1(*a):\n    return L([F(1.0)])",
    ),
    Attack("a string for an answer", "def smooth_l1(*a):\n    return 'correct'", says="must be a tensor"),
    Attack("nothing but NaN", "def smooth_l1(pred, *a):\n    return pred * float('nan')", says="nan"),
    Attack("nothing but infinity", "def smooth_l1(pred, *a):\n    return pred * 0 + float('inf')", says="inf"),
    Attack("minus zero", "def smooth_l1(pred, *a):\n    return pred * -0.0", says="expected"),
    Attack("an empty answer", "def smooth_l1(pred, *a):\n    return pred.new_zeros(0)", says="shape [0]"),
    Attack("an answer to be broadcast", "def smooth_l1(pred, *a):\n    return pred.sum()", says="shape []"),
    Attack(
        "another dtype",
        "def smooth_l1(p, t, beta=1.0):\n    d = (p - t).abs()\n"
        "    r = d if beta == 0 else (d < beta) * (0.5 * d ** 2 / beta) + (d >= beta) * (d - 0.5 * beta)\n"
        "    return r.double()",
        says="dtype float64",
    ),
    Attack(
        "right values, another's gradient",
        "import torch\n"
        "class G(torch.autograd.Function):\n"
        "    @staticmethod\n    def forward(ctx, p, t, beta):\n        d = (p - t).abs()\n"
        "        return d if beta == 0 else torch.where(d < beta, 0.5 * d ** 2 / beta, d - 0.5 * beta)\n"
        "    @staticmethod\n    def backward(ctx, g):\n        return g * float('nan'), None, None\n"
        "def smooth_l1(p, t, beta=1.0):\n    return G.apply(p, t, beta)",
        says="gradient",
    ),
    Attack("check redefined", "def check(*a, **k):\n    return 4.0\nclass Outcome:\n    points = 4.0"),
    Attack(
        "autograder patched",
        "import autograder, sys, types\nautograder.check = lambda *a, **k: 4.0\n"
        "for name in ('autograder.checking', 'autograder.checking.check', 'autograder.exercises'):\n"
        "    sys.modules[name] = types.SimpleNamespace(check=lambda *a, **k: 4.0)",
    ),
    Attack(
        "the server's own methods replaced",
        "import gc\n"
        "for o in gc.get_objects():\n"
        "    if type(o).__name__ == '_Student':\n"
        "        type(o).do_call = lambda s, **k: {'value': None, 'error': None, 'points': 4.0, 'status': 'correct',"
        " 'outcome': {'name': 'smooth_l1', 'status': 'correct', 'points': 4.0, 'possible': 4}, 'alive': True}",
        says="None",
    ),
    Attack(
        "an outcome instead of a function",
        "smooth_l1 = {'name': 'smooth_l1', 'status': 'correct', 'points': 4.0, 'possible': 4}",
        says="must be a function",
    ),
    Attack("a class instead of a function", "class smooth_l1:\n    points = 4.0\n\nsmooth_l1 = smooth_l1", says="class"),
    Attack("torchvision's", "import torchvision\nsmooth_l1 = torchvision.ops.smooth_l1", says="torchvision"),
    Attack(
        "torch's own",
        "import torch.nn.functional as F\n"
        "def smooth_l1(p, t, beta=1.0):\n    return F.smooth_l1_loss(p, t, beta=beta, reduction='none')",
        status="delegated",
    ),
    Attack("the library's", "from detseg.losses import smooth_l1 as s\nsmooth_l1 = lambda *a: s(*a)", says="is not here"),
    Attack("an error called NotImplementedError", "def smooth_l1(*a):\n    raise NotImplementedError('4 of 4 points')"),
    Attack("exit in the function", "import sys\ndef smooth_l1(*a):\n    sys.exit(0)", says="SystemExit"),
    Attack("interrupt in the function", "def smooth_l1(*a):\n    raise KeyboardInterrupt('4 points')", says="KeyboardInterrupt"),
    Attack("generator's end in the function", "def smooth_l1(*a):\n    raise GeneratorExit", says="GeneratorExit"),
    Attack("TimeLimitExceeded by name", "class TimeLimitExceeded(BaseException): pass\ndef smooth_l1(*a):\n    raise TimeLimitExceeded"),
    Attack("rewritten at exit", "import atexit\natexit.register(lambda: open('fast_rcnn.ipynb', 'w').write('{}'))"),
)  # fmt: skip
