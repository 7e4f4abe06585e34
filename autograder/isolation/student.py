"""What runs in the student process: the learner's cells, then calls of the learner's functions on request.

This file and what it imports are all that a student process holds of the grader. It protects nothing by itself, the
jail does: whatever answers here is only a value that the checker compares.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import io
import linecache
import re
import socket
import sys
import tempfile
import traceback
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checking import device as devices
from ..checking.delegation import CallWatch
from ..checking.tensors import tensors_in, unchanged
from .channel import Channel
from .protocol import ProtocolError, encode
from .withheld import NotHere, withhold

PRINTED = 20_000  # characters kept of what a cell prints
WITHHELD_PACKAGES = ("torchvision", "pycocotools")  # of those a learner has
FOREVER = 10**6  # seconds: the grader's deadlines count, not ours
_RUNS_ITS_CELL = re.compile(r"\A(?:\s*%%(?:time|capture|prun)\b[^\n]*\n)+")  # and keeps what the cell defines


def serve(connection: socket.socket) -> None:
    """Answer requests until the other side hangs up."""
    tempfile.tempdir = None  # to be found anew: where the zygote would have written, nobody can
    channel = Channel(connection)
    student = _Student()
    while True:
        try:
            request = channel.receive(FOREVER)
        except ProtocolError:
            return
        reply = getattr(student, f"do_{request['do']}")(**request["with"])
        try:
            message = encode(reply)
        except BaseException as error:  # a value that cannot be sent is the learner's mistake, not the end
            message = encode({"unsendable": _described(error)["message"]})
        channel.send_bytes(message)


def warm_up() -> None:
    """Use once what is slow at its first use."""
    _plain_python("%matplotlib inline")
    withhold([])
    with devices.device_mode():
        for x in (torch.rand(4, 4), devices.to_device(torch.rand(4, 4))):
            for operation in _USUAL:
                operation(x)
            leaf = x.detach().requires_grad_()
            (leaf @ leaf).sum().backward()
    torch.autograd.grad(
        torch.ones(2, requires_grad=True).sum() * 2, torch.ones(2, requires_grad=True), allow_unused=True
    )


# what labs are made of: torch looks up each operation the first time it is called
_USUAL: tuple[Callable[[Tensor], Any], ...] = (
    lambda x: (x + x - x) * x / x // 1 % 2,
    lambda x: (x**2, x @ x, -x, x.abs(), x.sqrt(), x.exp(), x.log(), x.floor(), x.round(), x.ceil(), x.sigmoid()),
    lambda x: (x.sum(), x.sum(1), x.mean(), x.amax(1), x.amin(1), x.max(), x.min(), x.max(1), x.argmax(1), x.cumsum(0)),
    lambda x: (x.clamp(min=0), x.clamp(0, 1), x.relu(), torch.maximum(x, x), torch.minimum(x, x), x.where(x > 0, 0)),
    lambda x: (x > 0, x >= 0, x < 0, x <= 0, x == 0, x != 0, (x > 0) & (x < 1) | ~(x > 1), (x > 0).any()),
    lambda x: (x[0], x[:, 1:], x[..., None], x[x > 0], x[torch.tensor([0, 1])], torch.where(x > 0), x.nonzero()),
    lambda x: (x.softmax(1), x.log_softmax(1), x.argsort(), x.sort(), x.topk(2), x.isfinite(), (x > 0).all()),
    lambda x: (torch.cat([x, x]), torch.stack([x, x]), x.unbind(), x.split(2), x.expand(2, 4, 4), x.repeat(2, 1)),
    lambda x: (x.T, x.reshape(-1), x.flatten(), x.view(2, 8), x.permute(1, 0), x.unsqueeze(0), x.contiguous()),
    lambda x: (x.long(), x.int(), x.float(), x.double(), x.bool(), x.tolist(), x.clone(), x.detach(), float(x[0, 0])),
    lambda x: (torch.zeros(2, device=x.device), torch.ones_like(x), x.new_zeros(2), torch.arange(4, device=x.device)),
)  # fmt: skip


class _Student:
    """The learner's notebook, as one module."""

    def __init__(self) -> None:
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update(__builtins__=builtins, display=print, get_ipython=lambda: _NoMagic())
        sys.modules["__main__"] = self.module
        self._last: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._on_device = False
        self._called: list[str] = []

    def do_withhold(self, operators: list[str]) -> dict[str, Any]:
        """Take torch's own answers out of this process; nothing of the learner's has run yet."""
        self._called = withhold(operators)
        return {}

    def do_files(self, files: list[tuple[str, Tensor]]) -> dict[str, Any]:
        """Write files (name and bytes) into the working folder, where ``import`` finds them."""
        for name, content in files:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.numpy().tobytes())
        sys.path.insert(0, str(Path.cwd()))
        return {}

    def do_run(self, label: str, source: str) -> dict[str, Any]:
        """Run a cell: what it printed and, if it failed, the error."""
        error = None
        with _captured() as printed:
            try:
                self._execute(label, _plain_python(source))
            except BaseException as raised:
                error = _described(raised)
        return {"printed": printed.getvalue(), "error": error}

    def _execute(self, label: str, source: str) -> None:
        linecache.cache[label] = (len(source), None, source.splitlines(keepends=True), label)
        todo = ast.parse(source, label)
        missing: Exception | None = None
        while todo.body:
            try:
                exec(compile(todo, label, "exec"), self.module.__dict__)
                break
            except Exception as error:
                if not _is_withheld(error):
                    raise
                # a comparison with torchvision's answer, say: what the cell defines below it still counts
                missing = missing or error
                todo.body = _after(todo.body, _line_of(error, label))
        if missing is not None:
            raise missing

    def do_describe(self, name: str) -> dict[str, Any]:
        """What stands under a name: "missing", "class", "function" (with its parameters) or "other"."""
        found = self.module.__dict__.get(name)
        if found is None:
            return {"kind": "missing", "parameters": None}
        if inspect.isclass(found):
            return {"kind": "class", "parameters": None}
        if not callable(found):
            return {"kind": "other", "parameters": None}
        try:
            listed = inspect.signature(found).parameters.values()
        except (TypeError, ValueError):
            return {"kind": "function", "parameters": None}
        parameters = [[p.name, int(p.kind), p.default is not p.empty] for p in listed]
        return {"kind": "function", "parameters": parameters}

    def do_call(
        self, name: str, arguments: list[Any], gradient_of: list[int], watch: list[str]
    ) -> dict[str, Any]:
        """Call a function. Tensors at ``gradient_of`` require a gradient, which `do_vjp` then computes."""
        self._on_device = any(leaf.device.type == "cuda" for leaf in tensors_in(arguments))
        error = value = None
        leaves: list[Tensor] = []
        seen = CallWatch(watch)
        self._called.clear()
        before = [_copied(argument) for argument in arguments]
        with _captured() as printed, self._device_mode():
            for position in gradient_of:
                arguments[position].requires_grad_()
            try:
                with seen if watch else contextlib.nullcontext():
                    value = self.module.__dict__[name](*arguments)
                leaves = list(tensors_in(value))
            except BaseException as raised:
                error, value = _described(raised), None
                if _is_withheld(raised) and not self._called:
                    self._called.append(_missing_name(raised))
        self._last = (
            [leaf for leaf in leaves if leaf.requires_grad],
            [arguments[position] for position in gradient_of],
        )
        return {
            "value": value,
            "tracked": [leaf.requires_grad for leaf in leaves],
            "error": error,
            "printed": printed.getvalue(),
            "called": seen.found or next(iter(self._called), None),
            "changed": [
                not unchanged(old, devices.to_cpu(new)) for old, new in zip(before, arguments, strict=True)
            ],
        }

    def do_vjp(self, cotangents: list[Tensor]) -> dict[str, Any]:
        """Gradients of the last call's tracked outputs, weighted by ``cotangents``, for its inputs."""
        outputs, inputs = self._last
        try:
            with self._device_mode():
                # one weighted sum: autograd's own grad_outputs would import sympy, which takes seconds
                weighted = [
                    (output * cotangent).sum() for output, cotangent in zip(outputs, cotangents, strict=True)
                ]
                gradients = torch.autograd.grad(torch.stack(weighted).sum(), inputs, allow_unused=True)
        except BaseException as raised:
            return {"error": _described(raised), "gradients": []}
        return {"error": None, "gradients": list(gradients)}

    def _device_mode(self) -> contextlib.AbstractContextManager[Any]:
        return devices.device_mode() if self._on_device else contextlib.nullcontext()


def _copied(argument: Any) -> Any:
    if isinstance(argument, list):
        return [_copied(item) for item in argument]
    if isinstance(argument, torch.Generator):
        return argument.clone_state()
    return devices.to_cpu(argument).clone() if isinstance(argument, Tensor) else argument


class _NoMagic:
    """Stands for IPython's shell: magics do nothing here."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **options: None


def _is_withheld(error: BaseException) -> bool:
    """Whether something was missing that is there when the learner runs the notebook."""
    return isinstance(error, NotHere) or _missing_name(error).partition(".")[0] in WITHHELD_PACKAGES


def _missing_name(error: BaseException) -> str:
    """What an import, or a look into a package that is empty here, did not find."""
    if isinstance(error, ModuleNotFoundError):
        return error.name or ""
    if isinstance(error, AttributeError) and isinstance(error.obj, types.ModuleType):
        return f"{error.obj.__name__}.{error.name}"
    return ""


def _after(statements: list[ast.stmt], line: int) -> list[ast.stmt]:
    """The statements that begin below a line, and what holds for all of them."""
    return [
        statement
        for statement in statements
        if statement.lineno > line
        or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
    ]


def _line_of(error: Exception, label: str) -> int:
    """Where a cell's own statement stopped."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == label]
    return lines[0] or 0


def _plain_python(source: str) -> str:
    """The cell with %magics and !commands, with which it is no Python, turned into calls that do nothing.

    What stands below ``%%time`` and its like is run as it is in a notebook.
    """
    source = _RUNS_ITS_CELL.sub("", source)
    with contextlib.suppress(SyntaxError, ValueError):
        ast.parse(source)
        return re.sub(r"\A(\s*\n)+", "", source)  # IPython counts lines without these, too
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    printed = _Bounded()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        yield printed


class _Bounded(io.StringIO):
    def write(self, text: str) -> int:
        if (room := PRINTED - self.tell()) > 0:
            super().write(str(text)[:room])
        return len(text)


def _described(error: BaseException) -> dict[str, str]:
    """Name, message and the learner's line of an error."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("cell ")
    ]
    where = f"{frames[-1].name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else ""
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno}: {(error.text or '').strip()}"
    try:
        message = str(error)[:1000]
    except BaseException:
        message = ""
    return {"type": type(error).__name__, "message": message, "where": where[:500]}
