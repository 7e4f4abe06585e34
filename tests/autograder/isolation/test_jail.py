# ruff: noqa: E501 - probes and tables
"""What a probe finds in a jail. Attempts that must fail are among the attacks; here is what the jail is made of."""

import json
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from autograder.isolation import jail, seccomp

PROBE = """
import json, os, resource, sys, threading
from pathlib import Path
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "uids": os.getresuid(), "gids": os.getresgid(), "groups": os.getgroups(), "pid": os.getpid(), "threads": threading.active_count(),
    "status": {key: status[key].strip() for key in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Threads")},
    "pids": [name for name in os.listdir("/proc") if name.isdigit()], "cwd": os.getcwd(), "root": sorted(os.listdir("/")),
    "dev": sorted(os.listdir("/dev")), "cwd files": os.listdir("."), "environment": dict(os.environ), "tmp": os.listdir("/tmp"),
    "fds": sorted(map(int, os.listdir("/proc/self/fd"))), "network": sorted(os.listdir("/sys/class/net")) if os.path.exists("/sys") else [],
    "interfaces": [line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line],
    "limits": {name: resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in
               ("AS", "FSIZE", "CPU", "NOFILE", "CORE", "MEMLOCK", "NPROC", "MSGQUEUE", "SIGPENDING")},
    "above": {str(folder): os.listdir(folder) for folder in Path(sys.prefix).parents if folder != Path("/")},
    "mounts": [line.split()[4:6] for line in open("/proc/self/mountinfo")],
}))
"""


@pytest.fixture
def probe(student):
    answer = student("run", label="cell 0", source=PROBE)
    assert answer["error"] is None, answer
    return json.loads(answer["printed"])


def test_nobody_with_no_rights(probe):
    uids = set(probe["uids"] + probe["gids"])
    assert len(uids) == 1
    assert uids < set(jail._UIDS) if os.geteuid() == 0 else uids == {0}
    status = probe["status"]
    assert [int(status[cap], 16) for cap in ("CapEff", "CapPrm", "CapBnd", "CapAmb")][:2] == [0, 0]
    assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
    if os.geteuid() == 0:
        assert probe["groups"] == []


def test_alone_in_the_world(probe):
    assert probe["pid"] == 1
    assert probe["pids"] == ["1"]
    assert set(probe["interfaces"]) <= {
        "lo",
        "tunl0",
        "sit0",
        "ip6tnl0",
        "gre0",
        "gretap0",
        "erspan0",
        "ip_vti0",
        "ip6_vti0",
        "ip6gre0",
    }
    assert set(probe["environment"]) <= {
        "PATH", "PYTHONPATH", "HOME", "TMPDIR", "USER", "LANG", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
        "MPLBACKEND", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "LC_CTYPE", "TORCHINDUCTOR_CACHE_DIR", "KMP_INIT_AT_FORK", "KMP_DUPLICATE_LIB_OK",
    }  # fmt: skip


def test_only_one_place_to_write(probe):
    assert probe["cwd"] == probe["environment"]["HOME"] == jail.SPACE
    assert probe["cwd files"] == []
    assert probe["dev"] == sorted([*jail._DEVICES, "shm"])
    writable = [place for place, options in probe["mounts"] if "rw" in options.split(",")]
    # a proc belongs to the kernel and lets nobody write; devices are five harmless ones
    assert {place for place in writable if not place.startswith(("/proc", "/dev/"))} == {jail.SPACE}
    # The environment may lie anywhere, in /home as well; nothing else is seen on the way to it.
    environment = Path(sys.prefix)
    assert not {"home", "root", "var", "sys", "old"} & set(probe["root"]) - {
        environment.parts[1],
        Path(sys.base_prefix).parts[1],
    }
    way = [*reversed(environment.parents), environment]
    scratch = Path(
        tempfile.gettempdir()
    )  # where the students' view is written: this project may lie there, too
    beside = {scratch, *scratch.parents} - {*way}
    seen = {
        folder: [
            name
            for name in names
            if not name.startswith("students-view-") and Path(folder, name) not in beside
        ]
        for folder, names in probe["above"].items()
    }
    assert seen == {str(folder): [below.name] for folder, below in pairwise(way) if folder != Path("/")}


def test_no_descriptor_but_its_own(probe):
    # the standard three, the socket, and the one with which /proc/self/fd is read
    assert len(probe["fds"]) == 5
    assert probe["fds"][:3] == [0, 1, 2]


def test_the_limits_are_set(probe):
    limits, given = probe["limits"], jail.Limits(memory_mb=500)
    assert limits["FSIZE"] == [given.file_mb * 2**20] * 2
    assert limits["CPU"] == [given.cpu_seconds] * 2
    assert limits["NOFILE"] == [given.open_files] * 2
    assert limits["NPROC"] == [given.threads] * 2
    assert limits["CORE"] == limits["MEMLOCK"] == limits["MSGQUEUE"] == [0, 0]
    assert limits["AS"][0] == limits["AS"][1] < 2**36


def test_two_students_at_the_same_time_share_nothing(graders):
    spaces = """
import os
print(os.getuid(), *(os.readlink(f"/proc/self/ns/{kind}") for kind in ("pid", "net", "ipc", "mnt")))
"""
    leave = (
        spaces
        + """
open("note", "w").write("secret"); open("/dev/shm/note", "w").write("secret")
"""
    )
    find = (
        spaces
        + """
print([name for folder in (".", "/dev/shm", "/tmp") for name in os.listdir(folder) if "note" in name])
print([name for name in os.listdir("/proc") if name.isdigit()])
for pid in range(2, 3000):
    try:
        os.kill(pid, 0)
        print("reached", pid)
    except ProcessLookupError:
        pass
"""
    )
    with graders.student.child() as first, graders.student.child() as second:
        said = []
        for child, source in ((first, leave), (second, find)):
            child.channel.send({"do": "run", "with": {"label": "cell 0", "source": source}})
            said.append(child.channel.receive(30)["printed"].splitlines())
    (one, *_), (other, *found) = said
    assert found == ["[]", "['1']"]
    same = set(one.split()) & set(other.split())
    assert (
        not same if os.geteuid() == 0 else same == {"0"}
    )  # two uids are the same once in four thousand times


def test_the_checker_is_confined_as_well(graders):
    with graders.checker.child() as checker:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{checker.pid}/status").read_text().splitlines()
        )
        assert status["Seccomp"].strip() == "2"
        assert int(status["CapEff"], 16) == 0
        if os.geteuid() == 0:
            assert int(status["Uid"].split()[0]) in jail._UIDS
            assert not os.path.exists(f"/proc/{checker.pid}/root/etc/passwd")


def test_a_machine_is_told_what_jail_it_has():
    assert jail.problem() == ""
    assert jail.kind() == ("root" if os.geteuid() == 0 else "user namespace")


def test_a_jail_that_cannot_be_had_says_why(monkeypatch):
    def refused(flags):
        raise PermissionError(1, "unshare: Operation not permitted")

    monkeypatch.setattr(jail.linux, "unshare", refused)
    assert "unshare" in jail.problem()
    assert jail.kind() == ""


def test_the_filter_names_its_machines(monkeypatch):
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(seccomp.platform, "machine", lambda machine=machine: machine)
        assert len(seccomp.program()) % 8 == 0
        assert len(seccomp.program()) // 8 < 4096
    monkeypatch.setattr(seccomp.platform, "machine", lambda: "riscv64")
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program()
