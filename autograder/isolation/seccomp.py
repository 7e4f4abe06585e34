"""System calls that no exercise needs, and that attacks begin with, are refused with EPERM."""

from __future__ import annotations

import errno
import platform
import struct

# number on x86_64, number on aarch64
REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "pidfd_open": (434, 434),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432),
    "mount_setattr": (442, 442), "open_by_handle_at": (304, 265),
    "unshare": (272, 97), "setns": (308, 268),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "acct": (163, 89),
    "quotactl": (179, 60), "syslog": (103, 116), "personality": (135, 92),
    "sethostname": (170, 161), "setdomainname": (171, 162),
}  # fmt: skip

# clone with any of the namespace flags makes a namespace as well; the flags are its first argument on both machines
NAMESPACE_FLAGS = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
_CLONE, _CLONE3 = (56, 220), (435, 435)
_SOCKET = (41, 198)
_AF_UNIX = 1

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
        OSError: on a machine whose call numbers are not listed.
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
        code += [_line(_EQUAL, 0, 1, numbers[column]), _line(_RETURN, value=_REFUSE)]
    code += [
        _line(_EQUAL, 0, 4, _CLONE[column]),
        _line(_LOAD, value=_FIRST_ARGUMENT_AT),
        _line(_ANY_BIT, 0, 1, NAMESPACE_FLAGS),
        _line(_RETURN, value=_REFUSE),
        _line(_RETURN, value=_ALLOW),
        _line(_EQUAL, 0, 4, _SOCKET[column]),
        _line(_LOAD, value=_FIRST_ARGUMENT_AT),
        _line(_EQUAL, 1, 0, _AF_UNIX),
        _line(_RETURN, value=_REFUSE),
        _line(_RETURN, value=_ALLOW),
        _line(_RETURN, value=_ALLOW),
    ]
    return b"".join(code)


def _line(operation: int, if_true: int = 0, if_false: int = 0, value: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)
