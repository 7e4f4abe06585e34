"""System calls that no exercise needs, and that attacks begin with, are refused with EPERM.

A confined process stays one process (threads are allowed): it cannot fork or execute, so nothing outlives it and the
limits of a process are the limits of a submission. It cannot open, bind or connect a socket, nor keep memory
outside its address space (memfd, System V shared memory), which no process limit would count.
"""

from __future__ import annotations

import errno
import platform
import struct

# number on x86_64, number on aarch64 (None: it has no such call)
REFUSED = {
    # other processes, programs
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "perf_event_open": (298, 241),
    # talking to anybody; a socket that was inherited goes on working, and so does socketpair
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    # memory and messages outside the address space
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "userfaultfd": (323, 282),
    "shmget": (29, 194), "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "io_setup": (206, 0), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    # locks on files, and watches, that others would wait for or run out of
    "flock": (73, 32), "inotify_init": (253, None), "inotify_init1": (294, 26),
    # the world it sees
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "unshare": (272, 97), "setns": (308, 268),
    # the machine
    "bpf": (321, 280), "seccomp": (317, 277), "personality": (135, 92), "modify_ldt": (154, None),
    "iopl": (172, None), "ioperm": (173, None), "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142),
    "swapon": (167, 224), "swapoff": (168, 225), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161), "setdomainname": (171, 162),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "ioprio_set": (251, 30), "vhangup": (153, 58),
}  # fmt: skip

_CLONE, _CLONE3, _PRCTL = (56, 220), (435, 435), (157, 167)
_CLONE_THREAD = 0x00010000
# clone with any of the namespace flags makes a namespace as well; the flags are its first argument on both machines
_NAMESPACE_FLAGS = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
# names of threads and of memory; not PR_SET_PDEATHSIG, by which a process could outlive the grader
_PRCTL_ALLOWED = (15, 16, 0x53564D41)

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
_NOT_IMPLEMENTED = 0x00050000 | errno.ENOSYS

_LOAD, _EQUAL, _ANY_BIT, _GREATER, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32 = 0x40000000  # x86_64 kernels number a second set of calls from here


def program() -> bytes:
    """The filter for this machine, as BPF instructions.

    Raises:
        OSError: on machines whose call numbers are not known here.
    """
    if platform.machine() not in _ARCHITECTURES:
        raise OSError(f"no system call filter for {platform.machine()} machines yet")
    column, architecture = _ARCHITECTURES[platform.machine()]
    code = [
        _line(_LOAD, value=_ARCHITECTURE_AT),
        _line(_EQUAL, 1, 0, architecture),
        _line(_RETURN, value=_KILL),
        _line(_LOAD, value=_NUMBER_AT),
        _line(_GREATER, 0, 1, _X32),
        _line(_RETURN, value=_REFUSE),
        # glibc tries clone3 first and falls back to clone, whose flags can be read, when it is not implemented
        _line(_EQUAL, 0, 1, _CLONE3[column]),
        _line(_RETURN, value=_NOT_IMPLEMENTED),
    ]
    for numbers in REFUSED.values():
        if (number := numbers[column]) is not None:
            code += [_line(_EQUAL, 0, 1, number), _line(_RETURN, value=_REFUSE)]
    code += [
        _line(_EQUAL, 0, 5, _CLONE[column]),
        _line(_LOAD, value=_FIRST_ARGUMENT_AT),
        _line(_ANY_BIT, 1, 0, _NAMESPACE_FLAGS),
        _line(_ANY_BIT, 1, 0, _CLONE_THREAD),
        _line(_RETURN, value=_REFUSE),
        _line(_RETURN, value=_ALLOW),
    ]
    allowed = [_line(_EQUAL, 0, 1, option) + _line(_RETURN, value=_ALLOW) for option in _PRCTL_ALLOWED]
    code += [
        _line(_EQUAL, 0, 2 + 2 * len(allowed), _PRCTL[column]),
        _line(_LOAD, value=_FIRST_ARGUMENT_AT),
        *allowed,
        _line(_RETURN, value=_REFUSE),
        _line(_RETURN, value=_ALLOW),
    ]
    return b"".join(code)


def _line(operation: int, if_true: int = 0, if_false: int = 0, value: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
