"""Ending the process, never ending, and what a submission may use up."""

from attack import Attack

ATTACKS = (
    Attack(
        "os._exit",
        """\
import os
def smooth_l1(*a):
    os._exit(0)
""",
        status="crashed",
    ),
    Attack(
        "kill -9 itself",
        """\
import os
def smooth_l1(*a):
    os.kill(os.getpid(), 9)
    os.abort()
""",
        status="crashed",
    ),
    Attack(
        "os._exit when collected",
        """\
import os
class B:
    def __del__(self): os._exit(0)
def smooth_l1(*a):
    B()
""",
        status="crashed",
    ),
    Attack(
        "segmentation fault",
        """\
import ctypes
def smooth_l1(*a):
    ctypes.string_at(0)
""",
        status="crashed",
    ),
    Attack(
        "exit of the cell",
        """\
import os
os._exit(0)
""",
        status="crashed",
    ),
    Attack(
        "a loop",
        """\
def smooth_l1(*a):
    while True: pass
""",
        status="timed_out",
    ),
    Attack(
        "a loop in the cell",
        "while True: pass",
        status="timed_out",
        seconds=2,
    ),
    Attack(
        "asleep",
        """\
import time
def smooth_l1(*a):
    time.sleep(10**6)
""",
        check_seconds=1,
        status="timed_out",
    ),
    Attack(
        "a loop that catches everything",
        """\
def smooth_l1(*a):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
        check_seconds=1,
        status="timed_out",
    ),
    Attack(
        "deaf to signals",
        """\
import signal
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
while True: pass
""",
        status="timed_out",
        seconds=2,
    ),
    Attack(
        "signal handlers and alarms",
        """\
import signal
signal.signal(signal.SIGALRM, lambda *a: 1 / 0)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
""",
    ),
    Attack(
        "a regular expression without end",
        """\
import re
def smooth_l1(*a):
    re.match('(a|a)*b', 'a' * 64)
""",
        check_seconds=1,
        status="timed_out",
    ),
    Attack(
        "an error whose text loops",
        """\
class E(Exception):
    def __str__(self):
        while True: pass
def smooth_l1(*a):
    raise E()
""",
        check_seconds=1,
        status="timed_out",
    ),
    Attack(
        "an error whose text raises",
        """\
class E(Exception):
    def __str__(self): raise SystemExit
def smooth_l1(*a):
    raise E()
""",
        says="E",
    ),
    Attack(
        "an error of the cell whose text loops",
        """\
class E(Exception):
    def __str__(self):
        while True: pass
raise E()
""",
        status="timed_out",
        seconds=2,
    ),
    Attack(
        "recursion",
        """\
def smooth_l1(*a):
    return smooth_l1(*a)
""",
        says="RecursionError",
    ),
    Attack(
        "recursion in C",
        """\
import sys
sys.setrecursionlimit(10**9)
def smooth_l1(*a):
    return smooth_l1(*a)
""",
    ),
    Attack(
        "a tensor of 10^12 elements",
        """\
import torch
def smooth_l1(*a):
    return torch.zeros(10**12)
""",
    ),
    Attack(
        "an expanded tensor of 10^12 elements",
        """\
import torch
def smooth_l1(*a):
    return torch.zeros(1).expand(10**12)
""",
        says="too much",
    ),
    Attack(
        "many tensors",
        """\
import torch
def smooth_l1(*a):
    return [torch.zeros(2**20) for _ in range(20)]
""",
        says="too much",
    ),
    Attack(
        "a value within itself",
        """\
def smooth_l1(*a):
    x = []
    x.append(x)
    return x
""",
        says="RecursionError",
    ),
    Attack(
        "an integer of a million digits",
        """\
def smooth_l1(*a):
    return 1 << 4_000_000
""",
        says="64 bits",
    ),
    Attack(
        "too many numbers",
        """\
def smooth_l1(*a):
    return list(range(200_000))
""",
        says="too much",
    ),
    Attack(
        "memory bomb",
        """\
def smooth_l1(*a):
    x = []
    while True: x.append(bytearray(2**27))
""",
        says="MemoryError",
    ),
    Attack(
        "memory outside the address space",
        """\
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
attempt('memfd', lambda: os.memfd_create('x'))
attempt('shmget', lambda: libc.shmget(0, 2**30, 0o1600) >= 0)
""",
        refused=2,
    ),
    Attack(
        "fork bomb",
        """\
import os
attempt('fork', os.fork)
attempt('double fork', lambda: os.fork() or os.fork())
attempt('forkpty', os.forkpty)
import subprocess
attempt('subprocess', lambda: subprocess.run(['/bin/sh', '-c', 'sleep 1000 &']).returncode == 0)
attempt('system', lambda: os.system('sleep 1000 &') == 0)
attempt('spawn', lambda: os.posix_spawn('/bin/true', ['true'], {}))
import multiprocessing
def start():
    p = multiprocessing.get_context('fork').Process(target=print)
    p.start()
    return p
attempt('multiprocessing', start)
attempt('exec', lambda: os.execv('/bin/sh', ['sh']))
""",
        refused=8,
    ),
    Attack(
        "thread bomb",
        """\
import threading, time
n = 0
try:
    while n < 500:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        n += 1
except RuntimeError: pass
attempt('threads', lambda: n >= 40)
""",
        refused=1,
    ),
    Attack(
        "threads that loop",
        """\
import threading
def spin():
    while True: pass
for _ in range(3): threading.Thread(target=spin, daemon=True).start()
""",
        seconds=10,
    ),
    Attack(
        "disk fill",
        """\
import os
def fill():
    n = 0
    for d in ('.', '/tmp', '/dev/shm', '/var/tmp', '/'):
        for i in range(20):
            try:
                with open(os.path.join(d, f'f{i}'), 'wb') as f:
                    for _ in range(20): n += f.write(bytes(2**20))
            except OSError: break
    return n
attempt('200 MiB', lambda: fill() > 200 * 2**20)
""",
        refused=1,
    ),
    Attack(
        "a file beyond its limit",
        """\
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def big():
    with open('big', 'wb') as f:
        f.truncate(2**40)
    return True
attempt('1 TiB', big)
""",
        refused=1,
    ),
    Attack(
        "a million files",
        """\
def many():
    for i in range(100_000): open(f'f{i}', 'w').close()
    return True
attempt('files', many)
""",
        refused=1,
    ),
    Attack(
        "all file descriptors",
        """\
import os
fds = []
def take():
    while len(fds) < 5000: fds.append(os.dup(1))
    return True
attempt('descriptors', take)
for fd in fds: os.close(fd)
""",
        refused=1,
    ),
    Attack(
        "zip bomb",
        """\
import zlib
bomb = zlib.compress(bytes(2**26), 9)
def boom():
    x = []
    while True: x.append(zlib.decompress(bomb))
attempt('unpacked', boom)
""",
        refused=1,
    ),
    Attack(
        "output flood",
        """\
for _ in range(10**5): print('x' * 1000)
def smooth_l1(*a):
    print('y' * 10**8)
    return 0
""",
    ),
    Attack(
        "flood of the standard descriptors",
        """\
import os
for _ in range(100): os.write(1, bytes(2**20)); os.write(2, bytes(2**20))
""",
    ),
    Attack(
        "all deadlines used up",
        """\
import time
def smooth_l1(*a):
    time.sleep(0.05)
    return a[0] * 0 - 7
""",
    ),
)
