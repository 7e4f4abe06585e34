"""Ending the process, never ending, and what a submission may use up."""

from attack import Attack

_IN = "def smooth_l1(*a):\n    "

ATTACKS = (
    Attack("os._exit", f"import os\n{_IN}os._exit(0)", status="crashed"),
    Attack("kill -9 itself", f"import os\n{_IN}os.kill(os.getpid(), 9)\n    os.abort()", status="crashed"),
    Attack("os._exit when collected", "import os\nclass B:\n    def __del__(self): os._exit(0)\n" + _IN + "B()", status="crashed"),
    Attack("segmentation fault", f"import ctypes\n{_IN}ctypes.string_at(0)", status="crashed"),
    Attack("exit of the cell", "import os\nos._exit(0)", status="crashed"),
    Attack("exit while the cell is run again",
           "import os\nif seen: os._exit(0)\ndef smooth_l1(*a):\n    os._exit(0)", before="seen = False", status="crashed"),
    Attack("a loop", f"{_IN}while True: pass", status="timed_out"),
    Attack("a loop in the cell", "while True: pass", status="timed_out", seconds=2),
    Attack("asleep", f"import time\n{_IN}time.sleep(10**6)", status="timed_out"),
    Attack(
        "a loop that catches everything",
        _IN + "while True:\n        try:\n            while True: pass\n        except BaseException: pass",
        status="timed_out",
    ),
    Attack(
        "deaf to signals",
        "import signal\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError): pass\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
        status="timed_out", seconds=2,
    ),
    Attack(
        "signal handlers and alarms",
        "import signal\nsignal.signal(signal.SIGALRM, lambda *a: 1 / 0)\nsignal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)",
    ),
    Attack("a regular expression without end", f"import re\n{_IN}re.match('(a|a)*b', 'a' * 64)", status="timed_out"),
    Attack(
        "an error whose text loops",
        "class E(Exception):\n    def __str__(self):\n        while True: pass\n" + _IN + "raise E()",
        status="timed_out",
    ),
    Attack("an error whose text raises", "class E(Exception):\n    def __str__(self): raise SystemExit\n" + _IN + "raise E()", says="E"),
    Attack("an error of the cell whose text loops",
           "class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E()", status="timed_out", seconds=2),
    Attack("recursion", f"{_IN}return smooth_l1(*a)", says="RecursionError"),
    Attack("recursion in C", "import sys\nsys.setrecursionlimit(10**9)\n" + _IN + "return smooth_l1(*a)"),
    Attack("a tensor of 10^12 elements", "import torch\n" + _IN + "return torch.zeros(10**12)"),
    Attack("an expanded tensor of 10^12 elements", "import torch\n" + _IN + "return torch.zeros(1).expand(10**12)", says="too large"),
    Attack("many tensors", "import torch\n" + _IN + "return [torch.zeros(2**22) for _ in range(64)]", says="too much"),
    Attack("a value within itself", _IN + "x = []\n    x.append(x)\n    return x", says="deep"),
    Attack("an integer of a million digits", _IN + "return 1 << 4_000_000", says="64 bits"),
    Attack("a million numbers", _IN + "return list(range(10**6))"),
    Attack("memory bomb", f"{_IN}x = []\n    while True: x.append(bytearray(2**27))", says="MemoryError"),
    Attack(
        "memory outside the address space",
        "import os, ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "attempt('memfd', lambda: os.memfd_create('x'))\n"
        "attempt('shmget', lambda: libc.shmget(0, 2**30, 0o1600) >= 0)",
        refused=2,
    ),
    Attack(
        "fork bomb",
        "import os\nattempt('fork', os.fork)\nattempt('double fork', lambda: os.fork() or os.fork())\n"
        "attempt('forkpty', os.forkpty)\n"
        "import subprocess\nattempt('subprocess', lambda: subprocess.run(['/bin/sh', '-c', 'sleep 1000 &']).returncode == 0)\n"
        "attempt('system', lambda: os.system('sleep 1000 &') == 0)\nattempt('spawn', lambda: os.posix_spawn('/bin/true', ['true'], {}))\n"
        "import multiprocessing\n"
        "def start():\n    p = multiprocessing.get_context('fork').Process(target=print)\n    p.start()\n    return p\n"
        "attempt('multiprocessing', start)\nattempt('exec', lambda: os.execv('/bin/sh', ['sh']))",
        refused=8,
    ),
    Attack(
        "thread bomb",
        "import threading, time\nn = 0\ntry:\n    while n < 500:\n        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
        "        n += 1\nexcept RuntimeError: pass\nattempt('threads', lambda: n >= 40)",
        refused=1,
    ),
    Attack("threads that loop", "import threading\ndef spin():\n    while True: pass\nfor _ in range(8): threading.Thread(target=spin, daemon=True).start()",
           seconds=10),
    Attack(
        "disk fill",
        "import os\ndef fill():\n    n = 0\n    for d in ('.', '/tmp', '/dev/shm', '/var/tmp', '/'):\n        for i in range(20):\n"
        "            try:\n                with open(os.path.join(d, f'f{i}'), 'wb') as f:\n                    for _ in range(20): n += f.write(bytes(2**20))\n"
        "            except OSError: break\n    return n\n"
        "attempt('200 MiB', lambda: fill() > 200 * 2**20)",
        refused=1,
    ),
    Attack(
        "a file beyond its limit",
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "def big():\n    with open('big', 'wb') as f:\n        f.truncate(2**40)\n    return True\nattempt('1 TiB', big)",
        refused=1,
    ),
    Attack(
        "a million files",
        "def many():\n    for i in range(100_000): open(f'f{i}', 'w').close()\n    return True\nattempt('files', many)",
        refused=1,
    ),
    Attack(
        "all file descriptors",
        "import os\nfds = []\ndef take():\n    while len(fds) < 5000: fds.append(os.dup(1))\n    return True\nattempt('descriptors', take)\n"
        "for fd in fds: os.close(fd)",
        refused=1,
    ),
    Attack(
        "zip bomb",
        "import zlib\nbomb = zlib.compress(bytes(2**26), 9)\ndef boom():\n    x = []\n    while True: x.append(zlib.decompress(bomb))\nattempt('unpacked', boom)",
        refused=1,
    ),
    Attack("output flood", "for _ in range(10**5): print('x' * 1000)\n" + _IN + "print('y' * 10**8)\n    return 0"),
    Attack("flood of the standard descriptors", "import os\nfor _ in range(100): os.write(1, bytes(2**20)); os.write(2, bytes(2**20))"),
    Attack("all deadlines used up", "import time\n" + _IN + "time.sleep(0.2)\n    return a[0] * 0 - 7"),
)  # fmt: skip
