# ruff: noqa: E501 - attackers do not wrap their lines
"""Out of the jail: other processes, the machine, the network, files; and secrets within reach."""

from attack import Attack

ATTACKS = (
    Attack(
        "other processes",
        """\
import os, signal
attempt('pids', lambda: [p for p in os.listdir('/proc') if p.isdigit() and p != str(os.getpid())])
attempt('kill all', lambda: os.kill(-1, 9))
attempt('kill zygote', lambda: os.kill(os.getppid(), 0) if os.getppid() > 1 else None)
attempt('uid', lambda: os.getuid() == 0 and 'CapEff:\\t0000000000000000' not in open('/proc/self/status').read())
for pid in range(2, 2000):
    try: os.kill(pid, 0)
    except ProcessLookupError: continue
    print('GOT process', pid)
""",
        refused=4,
    ),
    Attack(
        "memory of others",
        """\
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
attempt('ptrace', lambda: libc.ptrace(16, os.getppid() or 1, 0, 0) == 0)
attempt('ptrace me', lambda: libc.ptrace(0, 0, 0, 0) == 0)
attempt('vm_readv', lambda: libc.process_vm_readv(1, 0, 0, 0, 0, 0) >= 0)
attempt('pidfd', lambda: os.pidfd_open(1))
attempt('/dev/mem', lambda: open('/dev/mem', 'rb').read(1))
attempt('kcore', lambda: open('/proc/kcore', 'rb').read(1))
""",
        refused=6,
    ),
    Attack(
        "privileges",
        """\
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
attempt('setuid', lambda: os.setuid(12345) or os.setresuid(0, 0, 0) or os.getuid() == 12345)
attempt('setgroups', lambda: os.setgroups([0]) or 1)
attempt('userns', lambda: libc.unshare(0x10000000) == 0)
attempt('mountns', lambda: libc.unshare(0x20000) == 0)
attempt('mount', lambda: libc.mount(b'none', b'/student', b'tmpfs', 0, 0) == 0)
attempt('umount', lambda: libc.umount2(b'/proc', 2) == 0)
attempt('chroot', lambda: os.chroot('/student') or 1)
attempt('mknod', lambda: os.mknod('disk', 0o60666, 0x800) or 1)
attempt('hostname', lambda: libc.sethostname(b'x', 1) == 0)
attempt('setns', lambda: libc.setns(os.open('/proc/self/ns/net', 0), 0) == 0)
attempt('nice', lambda: os.setpriority(os.PRIO_PROCESS, 0, -20) or 1)
attempt('reboot', lambda: libc.reboot(0) == 0)
""",
        refused=12,
    ),
    Attack(
        "prctl",
        """\
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
for what, value in (('pdeathsig', 1), ('dumpable', 4), ('seccomp', 22), ('ptracer', 0x59616D61), ('subreaper', 36), ('mm', 35)):
    attempt(what, lambda: libc.prctl(value, 1, 0, 0, 0) == 0)
attempt('seccomp call', lambda: libc.syscall(317, 0, 0, 0) == 0)
attempt('personality', lambda: libc.personality(0x40000) >= 0)
""",
        refused=8,
    ),
    Attack(
        "kernel surface",
        """\
import os, ctypes
libc = ctypes.CDLL(None, use_errno=True)
for what, number in (('bpf', 321), ('perf', 298), ('io_uring', 425), ('userfaultfd', 323), ('keyctl', 250), ('add_key', 248),
    ('fanotify', 300), ('open_by_handle', 304), ('x32 getpid', 0x40000000 + 39)):
    attempt(what, lambda: libc.syscall(number, 0, 0, 0, 0, 0) >= 0)
""",
        refused=9,
    ),
    Attack(
        "network",
        """\
import socket
attempt('inet', lambda: socket.create_connection(('192.0.2.1', 80), 1))
attempt('loopback', lambda: socket.create_connection(('127.0.0.1', 8888), 1))
attempt('unix', lambda: socket.socket(socket.AF_UNIX))
attempt('netlink', lambda: socket.socket(16, socket.SOCK_RAW, 0))
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
attempt('bind', lambda: a.bind('\\0meeting') or 1)
attempt('connect', lambda: a.connect('\\0meeting') or 1)
attempt('listen', lambda: a.listen() or 1)
attempt('sendto', lambda: a.sendto(b'x', '\\0meeting'))
import urllib.request
attempt('http', lambda: urllib.request.urlopen('http://example.org', timeout=1))
attempt('interfaces', lambda: [l for l in open('/proc/net/dev') if ':' in l and 'lo:' not in l])
""",
        refused=10,
    ),
    Attack(
        "files of the machine",
        """\
import os, glob
for path in ('/etc/passwd', '/etc/shadow', '/root/.bashrc', '/boot', '/var', '/sys', '/run', '/old', '{course}', '{course}/gradebook.db',
             '{course}/source', '{course}/submitted', '../../../gradebook.db', 'fast_rcnn.ipynb'):
    attempt(path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, 'rb').read())
attempt('others', lambda: glob.glob('../../../submitted/*/*/*.ipynb') + glob.glob('/*/*.ipynb'))
""",
        refused=15,
    ),
    Attack(
        "writing",
        """\
import os
for path in ('/x', '/usr/x', '/tmp/x', '/dev/x', '/proc/sys/kernel/hostname', '/proc/sys/kernel/core_pattern', '{course}/gradebook.db'):
    attempt(path, lambda: open(path, 'w'))
import torch
attempt('torch', lambda: open(torch.__file__, 'a'))
attempt('chmod', lambda: os.chmod(os.path.dirname(torch.__file__), 0o777) or 1)
attempt('view', lambda: open(__import__('detseg').__file__, 'a'))
""",
        refused=10,
    ),
    Attack(
        "links in the work folder",
        """\
import os
os.symlink('/etc/shadow', 'shadow')
os.symlink('{course}', 'course')
os.symlink('/proc/1/root/../..', 'up')
attempt('shadow', lambda: open('shadow').read())
attempt('course', lambda: os.listdir('course'))
attempt('up', lambda: os.path.exists('up{course}'))
attempt('hard link', lambda: os.link('/usr/bin/env', 'env') or 1)
attempt('proc root', lambda: os.path.exists('/proc/1/root{course}'))
""",
        refused=5,
    ),
    Attack(
        "descriptors and environment",
        """\
import os, stat
own = [fd for fd in os.listdir('/proc/self/fd') if int(fd) > 2]
attempt('files', lambda: [os.readlink(f'/proc/self/fd/{fd}') for fd in own if os.path.exists(f'/proc/self/fd/{fd}') and stat.S_ISREG(os.stat(int(fd)).st_mode)])
attempt('sockets', lambda: sum(stat.S_ISSOCK(os.stat(f'/proc/self/fd/{fd}').st_mode) for fd in own if os.path.exists(f'/proc/self/fd/{fd}')) > 1)
attempt('environment', lambda: [k for k in os.environ if any(w in k for w in ('KEY', 'TOKEN', 'SECRET', 'AUTOGRADER'))])
attempt('canary', lambda: 'canary' in open('/proc/self/environ').read() + str(dict(os.environ)))
attempt('terminal', lambda: open('/dev/tty'))
""",
        refused=5,
    ),
    Attack(
        "the references",
        """\
import inspect, glob, importlib, detseg.losses, sys
attempt('source', lambda: 'torch.where' in inspect.getsource(detseg.losses.smooth_l1))
for name in ('torchvision.ops', 'torchvision._C', 'pycocotools.mask', 'nbgrader.api', 'autograder.exercises.smooth_l1', 'autograder.checking.check', 'autograder.grading'):
    attempt(name, lambda: importlib.import_module(name))
attempt('torchvision on disk', lambda: [p for f in sys.path for p in glob.glob(f + '/torchvision/*')])
attempt('solutions', lambda: glob.glob('/*/*/solutions/*') + glob.glob('/*/solutions') + glob.glob('{root}/solutions'))
""",
        refused=10,
    ),
    Attack(
        "the grader's objects",
        """\
import gc
names = {type(o).__name__ for o in gc.get_objects()} | {o.__name__ for o in gc.get_objects() if type(o) is type}
attempt('objects', lambda: sorted(names & {'Exercise', 'Misconception', 'Family', 'RemoteFunction', 'Zygote', 'Graders'}))
attempt('seed', lambda: [o for o in gc.get_objects() if isinstance(o, dict) and ('hidden' in o and 'seed' in o and 'exercise' in o)])
""",
        refused=2,
    ),
    Attack(
        "what the one before left",
        """\
import os
attempt('left', lambda: [n for d in ('.', '/tmp', '/dev/shm') for n in os.listdir(d) if n == 'left'])
__import__('torch').patched_by_the_one_before = True
for d in ('.', '/dev/shm'): open(os.path.join(d, 'left'), 'w').write('for the next')
""",
        refused=1,
    ),
    Attack(
        "nothing the one before did",
        """\
import os, torch, builtins
attempt('left', lambda: [n for d in ('.', '/tmp', '/dev/shm') for n in os.listdir(d) if n == 'left'])
attempt('patched', lambda: hasattr(torch, 'patched_by_the_one_before'))
""",
        refused=2,
    ),
    Attack(
        "locks and watches that others would wait for",
        """\
import ctypes, fcntl, sys, torch
for path in (torch.__file__, sys.executable, '/etc/ld.so.cache'):
    attempt('lock ' + path, lambda: fcntl.flock(open(path), fcntl.LOCK_EX | fcntl.LOCK_NB) or 'locked')
libc = ctypes.CDLL(None, use_errno=True)
attempt('watch', lambda: libc.inotify_init1(0) >= 0)
""",
        refused=4,
    ),
    Attack(
        "another Python's packages",
        """\
import glob, sys
sys.path += glob.glob(sys.base_prefix + '/lib*/python3*/*-packages') + glob.glob('/usr/lib/python3*/*-packages')
attempt('scipy', lambda: __import__('scipy.special').special.huber)
attempt('sklearn', lambda: __import__('sklearn.metrics').metrics)
""",
        refused=2,
    ),
)
