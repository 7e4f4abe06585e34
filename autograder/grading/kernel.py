"""One Jupyter kernel that may be lost at any time: every cell has a deadline, whatever the cell does."""

from __future__ import annotations

import contextlib
import html
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
from jupyter_client.manager import KernelManager

MOST_OUTPUT = 4_000_000  # characters of output kept for a cell
_GRACE = 3.0  # seconds between SIGINT and SIGKILL


class Cancelled(Exception):
    """Grading was stopped by its user."""


@dataclass
class Run:
    """What running one cell came to. ``ended`` is "finished", "timed out" or "died"."""

    outputs: list[Any] = field(default_factory=list)
    ended: str = "finished"
    alive: bool = True
    exit_code: int | None = None
    number: int | None = None
    seconds: float = 0.0


class Kernel:
    """A Python kernel in ``folder``, with ``environment`` added to the process's."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        start_seconds: float = 120.0,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start the kernel and wait until it answers."""
        self._stopped = stopped
        self._manager = KernelManager(kernel_name="python3")
        self._sockets = tempfile.mkdtemp(prefix="kernel-")
        if hasattr(
            socket, "AF_UNIX"
        ):  # a private folder instead of ports that anyone on the machine can reach
            self._manager.transport, self._manager.ip = "ipc", str(Path(self._sockets) / "socket")
        self._manager.start_kernel(
            cwd=str(folder),
            env={**os.environ, **environment},
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._client = self._manager.blocking_client()
        try:
            self._client.start_channels()
            self._client.wait_for_ready(timeout=start_seconds)
        except BaseException:
            self.stop()
            raise
        self._client.allow_stdin = False

    def run(self, source: str, seconds: float, on_text: Callable[[str], None] = lambda text: None) -> Run:
        """Run one cell; after ``seconds`` it is interrupted, and killed if it does not stop then.

        ``on_text`` is given what the cell prints and what its progress bars say, as it comes.
        """
        run, started, interrupted = Run(), time.monotonic(), False
        deadline, size = started + seconds, 0
        shown: dict[str, Any] = {}  # outputs that may be updated, such as a live curve
        request = self._client.execute(source, allow_stdin=False, stop_on_error=False)
        while True:
            if self._stopped():
                raise Cancelled
            if time.monotonic() > deadline:
                run.ended = "timed out"
                if interrupted:
                    run.alive = False
                    break
                self._manager.interrupt_kernel()
                interrupted, deadline = True, time.monotonic() + _GRACE
            try:
                message = self._client.get_iopub_msg(timeout=0.25)
            except Empty:
                if not self._manager.is_alive():
                    run.ended, run.alive = ("timed out" if interrupted else "died"), False
                    break
                continue
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
            if message["msg_type"] == "execute_input":
                run.number = message["content"]["execution_count"]
            size += len(str(message["content"]))
            if size <= MOST_OUTPUT:
                _collect(message, run.outputs, shown)
                if text := _said(message):
                    on_text(text)
        if size > MOST_OUTPUT:
            run.outputs.append(
                nbformat.v4.new_output("stream", name="stdout", text="\n... more output was dropped\n")
            )
        process = self._manager.provisioner.process
        run.exit_code = process.poll() if process else None
        run.seconds = time.monotonic() - started
        return run

    def stop(self) -> None:
        """Kill the kernel and everything it started."""
        provisioner = self._manager.provisioner
        if provisioner is not None and provisioner.pgid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(provisioner.pgid, signal.SIGKILL)
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        shutil.rmtree(self._sockets, ignore_errors=True)


def _said(message: dict[str, Any]) -> str:
    """What a cell prints, or what a widget (a progress bar) now says."""
    content = message["content"]
    if message["msg_type"] == "stream":
        return content["text"]
    value = (
        content.get("data", {}).get("state", {}).get("value") if message["msg_type"] == "comm_msg" else None
    )
    return html.unescape(value) if isinstance(value, str) and "<" not in value else ""


def _collect(message: dict[str, Any], outputs: list[Any], shown: dict[str, Any]) -> None:
    """Add one message of the kernel to a cell's outputs."""
    kind, content = message["msg_type"], message["content"]
    display = content.get("transient", {}).get("display_id")
    if kind == "clear_output":
        outputs.clear()
    elif kind == "stream":
        last = outputs[-1] if outputs else None
        if last is not None and last.output_type == "stream" and last.name == content["name"]:
            last.text += content["text"]
        else:
            outputs.append(nbformat.v4.new_output("stream", name=content["name"], text=content["text"]))
    elif kind == "update_display_data" and display in shown:
        shown[display].update(data=nbformat.from_dict(content["data"]))
    elif kind in ("display_data", "execute_result", "error"):
        outputs.append(nbformat.v4.output_from_msg(message))
        if display:
            shown[display] = outputs[-1]
