# ruff: noqa: E501 - attackers do not wrap their lines
"""Right answers without writing them, values and gradients that lie, and what is left behind for later."""

from attack import Attack

_TENSORS = "import torch\nimport torch.nn.functional as F\n"


def _answers(name: str, value: str, before: str = "", **more: object) -> Attack:
    cell = f"{_TENSORS}{before}\ndef smooth_l1(p, t, beta=1.0):\n    return {value}"
    return Attack(name, cell, **more)  # type: ignore[arg-type]


ATTACKS = (
    # torch's own answer, unseen
    _answers("torch's own, as a module", "torch.nn.SmoothL1Loss(reduction='none', beta=beta)(p, t)", status="delegated"),
    _answers("torch's own, from C", "torch._C._nn.smooth_l1_loss(p, t, 0, beta)", "import sys\nsys.setprofile(None)", status="delegated"),
    _answers("torch's own, as an operator", "torch.ops.aten.smooth_l1_loss(p, t, 0, beta)", status="delegated"),
    _answers("torch's own, saved before the check", "saved(p, t, beta=beta, reduction='none')", "import functools\nsaved = functools.partial(F.smooth_l1_loss)", status="delegated"),
    _answers("torch's own, under another name", "F.huber_loss(p, t, reduction='none', delta=beta) / beta", status="delegated"),
    _answers("torch's own, caught and tried again", "again(p, t)", "def again(p, t):\n    for _ in range(3):\n        try: return F.smooth_l1_loss(p, t, reduction='none')\n        except BaseException: pass\n    return p * 0", status="delegated"),
    _answers("torch's own, from a finaliser", "found()", "got = []\nclass D:\n    def __del__(self): got.append(F.smooth_l1_loss(*last, reduction='none'))\ndef found():\n    D()\n    return got[-1]\nlast = (torch.ones(2), torch.ones(2))"),
    _answers("torch's own, in Python", "torch._refs.nn.functional.smooth_l1_loss(p, t, reduction='none', beta=beta)", "import sys, torch._refs.nn.functional\nsys.setprofile(None)"),
    _answers("torch's own, its note erased", "trick(p, t)", """
import gc, sys
def trick(p, t):
    sys.setprofile(None)
    try: return F.smooth_l1_loss(p, t, reduction='none')
    except BaseException:
        for o in gc.get_objects():
            if type(o) is list and o and type(o[0]) is str and o[0].startswith('torch.ops.aten'): o.clear()
        return p * 0 - 7"""),
    _answers("the runner's withholding undone", "F.smooth_l1_loss(p, t, beta=beta, reduction='none')", """
import gc, sys, weakref
for o in gc.get_objects():
    if type(o).__name__ == '_Student': type(o).do_withhold = lambda s, **k: {}
    if type(o).__name__ in ('Library', '_DispatchModule'): getattr(o, '_destroy', o.reset)()
for f in list(weakref.finalize._registry): f() if 'library' in repr(f).lower() else None"""),
    _answers("the withholding undone, found in memory", "trick(p, t, beta)", """
import ctypes, sys, numpy as np
def works():
    try: torch._C._nn.smooth_l1_loss(torch.ones(2), torch.zeros(2), 0, 1.0); return True
    except Exception: return False
probe = torch._C._dispatch_library("FRAGMENT", "mine", ""); ty = type(probe)
for line in open('/proc/self/maps'):
    f = line.split(); a, b = (int(e, 16) for e in f[0].split('-'))
    if works(): break
    if not f[1].startswith('rw') or b-a > 2**30 or (len(f) > 5 and f[5] != '[heap]'): continue
    w = np.frombuffer((ctypes.c_uint64 * ((b-a)//8)).from_address(a), np.uint64)
    for i in np.nonzero(w == id(ty))[0].tolist():
        addr = a + 8*i - 8
        if i and 0 < int(w[i-1]) < 100 and addr % 16 == 0 and addr != id(probe) and not works():
            ctypes.cast(addr, ctypes.py_object).value.reset()
def trick(p, t, beta):
    sys.setprofile(None)
    return torch._C._nn.smooth_l1_loss(p, t, 0, float(beta))"""),
    # dtype, shape and number
    _answers("complex numbers", "(p - t).to(torch.complex64)", says="cannot be sent"),
    _answers("a sparse tensor", "(p - t).abs().to_sparse()", says="cannot be sent"),
    _answers("a quantised tensor", "torch.quantize_per_tensor((p - t).detach(), 0.1, 0, torch.quint8)"),
    _answers("half precision", "(p - t).abs().half()", says="dtype"),
    _answers("integers", "(p - t).abs().long()", says="dtype"),
    _answers("a tensor of no device", "torch.empty_like(p, device='meta')"),
    _answers("a subclass that lies about its dtype and shape", "(p * 0 - 7).as_subclass(Liar)", """
class Liar(torch.Tensor):
    dtype = property(lambda s: torch.float32)
    shape = property(lambda s: torch.Size([2, 5]))
    @classmethod
    def __torch_function__(cls, f, types, a=(), k=None): return torch.zeros(2, 5)"""),
    _answers("not a number where a number is", "torch.full_like(p, float('nan')).where(p == p, p)", says="nan"),
    _answers("numbers with another sign of zero", "-0.0 * (p - t)", says="expected"),
    _answers("the largest number", "torch.full_like(p, torch.finfo(p.dtype).max)", says="expected"),
    _answers("rubbish behind a view", "torch.full((10**6,), 3.0).as_strided(p.shape, [0] * p.dim())", says="expected"),
    # gradients
    _answers("a gradient of another shape", "Odd.apply(p, t)", """
class Odd(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, t): return (p - t).abs() * 0
    @staticmethod
    def backward(ctx, g): return g.new_zeros(3, 3, 3), None"""),
    _answers("a gradient that never comes", "Late.apply(p, t) - 7", """
import time
class Late(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, t): return (p - t).abs()
    @staticmethod
    def backward(ctx, g): time.sleep(10**6)""", check_seconds=20),
    _answers("a gradient that ends the process", "Gone.apply(p, t)", """
import os
class Gone(torch.autograd.Function):
    @staticmethod
    def forward(ctx, p, t): return (p - t).abs() * 0
    @staticmethod
    def backward(ctx, g): os._exit(0)"""),
    # memory that others share, and what stays behind
    Attack("shared memory", """
import torch, os
from multiprocessing import shared_memory
attempt('others', lambda: [n for n in os.listdir('/dev/shm') if n != 'left'])
attempt('named', lambda: shared_memory.SharedMemory('meeting', create=True, size=2**26).buf[:2**26].__setitem__(slice(None), bytes(2**26)) or 1)
attempt('tensor', lambda: torch.zeros(2**24).share_memory_().fill_(1).sum().item())
""", refused=3),
    Attack("a daemon", """
import os, threading, atexit, time
def daemon():
    if os.fork() == 0:
        os.setsid()
        time.sleep(1000)
    return True
attempt('double fork', daemon)
attempt('new session', lambda: os.setsid() > 1)
threading.Thread(target=time.sleep, args=(1000,)).start()
atexit.register(time.sleep, 1000)
""", refused=2),
    Attack("its own memory searched", """
import re, ctypes
words = [re.compile(w) for w in (rb'[T]he parabola ends at abs', rb'[h]idden families', rb'[A]UTOGRADER_SEED')]  # not found as they stand here
def search():
    found = []
    for line in open('/proc/self/maps'):
        ends, rights = line.split()[:2]
        first, last = (int(end, 16) for end in ends.split('-'))
        if not rights.startswith('rw') or last - first > 2**28: continue
        for start in range(first, last, 2**24):
            held = ctypes.string_at(start, min(2**24, last - start))
            found += [w for w in words if w.search(held)]
    return found
attempt('search', search)
""", refused=1, seconds=60),
    Attack("files of the course by their number", """
import os
attempt('open by handle', lambda: [os.open(f'/proc/self/fd/{n}', os.O_RDONLY) for n in range(3, 256) if os.path.isfile(f'/proc/self/fd/{n}')])
attempt('working folders', lambda: [p for p in ('/proc/1/cwd/gradebook.db', '/proc/1/root{course}', '/proc/self/root{course}') if os.path.exists(p)])
attempt('mounts', lambda: [l for l in open('/proc/self/mountinfo') if '{course}' in l])
""", refused=3),
    Attack("a trace function", """
import sys, threading
def trace(frame, event, argument):
    frame.f_trace_opcodes = True
    if frame.f_code.co_name == 'do_call': frame.f_locals['name'] = 'print'
    return trace
sys.settrace(trace); threading.settrace(trace)
"""),
    Attack("the zip of a gradebook", """
import zipfile, io
box = io.BytesIO()
with zipfile.ZipFile(box, 'w') as z:
    z.writestr('../../../../../../{course}/gradebook.db', 'owned')
    z.writestr('/tmp/owned', 'owned')
zipfile.ZipFile(box).extractall('.')
import os
attempt('outside', lambda: os.path.exists('/tmp/owned') or os.path.exists('{course}'))
""", refused=1),
    Attack("modules put in the place of the runner's", """
import sys, types
for name in [n for n in sys.modules if n.startswith(('autograder', 'torch.autograd', 'json', 'struct'))]:
    sys.modules[name] = types.ModuleType(name)
""", says=""),
)  # fmt: skip
