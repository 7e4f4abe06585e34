"""A warm process: it has torch imported, sits in its jail, and forks a child in milliseconds whenever asked.

Forking is safe only from a single thread and before CUDA is touched; both are asserted. Requests and replies are JSON
datagrams over a Unix socket; a file descriptor travels with a request. When the other side goes away,
the zygote kills its children and ends; when the zygote is killed, its children are.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from . import jail, linux

READY = b"!"  # what a child says once it is confined


def main() -> None:
    """Warm up, move into the jail, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--control", type=int, required=True, help="file descriptor of the control socket")
    parser.add_argument("--child", required=True, help="module:function that a child runs with its socket")
    parser.add_argument("--preload", nargs="*", default=[])
    parser.add_argument("--readable", nargs="*", type=Path, default=[])
    parser.add_argument("--masked", nargs="*", type=Path, default=[])
    parser.add_argument("--limits", type=json.loads, default={})
    parser.add_argument("--unsafe", action="store_true", help="no jail")
    options = parser.parse_args()
    control = socket.socket(fileno=options.control)

    if not options.unsafe:
        with _telling_why():
            jail.isolate()
    for name in options.preload:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)
    module, function = options.child.split(":")
    child = getattr(importlib.import_module(module), function)
    importlib.import_module(
        module
    ).warm_up()  # what is done once in a process is then done here, not in each child
    threads = len(os.listdir("/proc/self/task")) if Path("/proc/self/task").is_dir() else 1
    assert threads == 1, f"a zygote must have one thread to fork from, this one has {threads}"
    assert not torch.cuda.is_initialized(), "a zygote must not touch the GPU before it forks"
    gc.collect()
    gc.freeze()  # a child's collector then leaves alone, and so shared, what is here already
    if not options.unsafe:
        with _telling_why():
            jail.enter(options.readable, options.masked)
    control.send(b'{"ready": true}')
    _serve(control, child, jail.Limits(**options.limits), safe=not options.unsafe)
    os._exit(0)  # taking torch down piece by piece takes seconds


@contextlib.contextmanager
def _telling_why() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sys.exit(f"this machine allows no jail ({error}); docs/security.md says what is needed")


def _serve(
    control: socket.socket, run: Callable[[socket.socket], None], limits: jail.Limits, safe: bool
) -> None:
    # Children get process namespaces of their own; after each fork the zygote takes its own one back.
    own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY) if safe else -1
    children: dict[int, int] = {}
    reply: dict[str, int | str]
    while True:
        try:
            request, descriptors, _, _ = socket.recv_fds(control, 65536, 1)
        except OSError:
            request = b""
        if not request:
            for pid in children.values():
                _kill(pid)
            return
        order = json.loads(request)
        if "fork" in order:
            if safe:
                linux.unshare(linux.CLONE_NEWPID)
            try:
                pid = os.fork()
                if pid == 0:
                    _become(control, own_namespace, descriptors[0], run, limits, safe, str(order["fork"]))
                children[order["fork"]] = pid
                reply = {}
            except OSError as error:  # the machine is full; the next one may fit again
                reply = {"error": f"no process could be started: {error}"}
            if safe:
                linux.setns(own_namespace, linux.CLONE_NEWPID)
            os.close(descriptors[0])
        else:
            reply = {"status": _kill(children.pop(order["end"]))}
            if not safe:
                shutil.rmtree(str(order["end"]), ignore_errors=True)
        control.send(json.dumps(reply).encode())


def _kill(pid: int) -> int:
    """End a child and what it started, whatever it does; its exit code, or minus the signal that ended it."""
    with contextlib.suppress(OSError):  # without a process namespace its children would live on
        os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _become(
    control: socket.socket,
    namespace: int,
    descriptor: int,
    run: Callable[[socket.socket], None],
    limits: jail.Limits,
    safe: bool,
    folder: str,
) -> None:
    """What a child does; it never returns."""
    status = 1
    try:
        control.close()
        if safe:
            os.close(namespace)
        os.setsid()
        connection = socket.socket(fileno=descriptor)
        keep = connection.fileno()
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        os.closerange(3, keep)
        os.closerange(keep + 1, max(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65536))
        if safe:
            try:
                jail.confine(limits, private=True)
            except OSError as error:
                connection.sendall(f"a process could not be confined: {error}".encode())
                raise
        else:
            os.mkdir(folder)
            os.chdir(folder)
        random.seed()
        sys.modules["torch"].seed()
        connection.sendall(READY)
        run(connection)
        status = 0
    finally:  # not even an error may bring a child back into the zygote's loop
        os._exit(status)


if __name__ == "__main__":
    main()
