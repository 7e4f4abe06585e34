"""The implementations kept with an exercise, as the text a learner would hand in: it needs nothing of this package."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import ModuleType

from autograder.exercises import load, names


def answer(exercise: str, which: str) -> tuple[str, str]:
    """The text of one implementation.

    Args:
        exercise: its name.
        which: "misconceptions[3]" or "right_variants[0]".

    Returns:
        definitions and imports it needs, and the expression that is the function.
    """
    field, _, number = which.rstrip("]").partition("[")
    module = inspect.getmodule(load(exercise).families[0].make)
    assert isinstance(module, ModuleType)
    tree = ast.parse(inspect.getsource(module))
    listed = next(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == field and isinstance(node.value, ast.Tuple)
    )
    chosen = listed.elts[int(number)]
    function = chosen.args[1] if isinstance(chosen, ast.Call) and field == "misconceptions" else chosen
    needed = _needed(function, tree)
    definitions = [_definition(node, exercise) for node in tree.body if node in needed]
    return "\n\n".join(definitions), ast.unparse(function)


def _definition(node: ast.stmt, exercise: str) -> str:
    """The statement itself; in the place of an import of another answer of the same lab, that answer written out."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("detseg"):
        for name in (alias.name for alias in node.names if alias.asname is None):
            if name in names() and load(name).lab == load(exercise).lab:
                parameters = inspect.signature(load(name).oracle).parameters
                plain = [parameter.replace(annotation=parameter.empty) for parameter in parameters.values()]
                definitions, function = answer(name, "right_variants[0]")
                call = f"return ({function})({', '.join(parameters)})"
                body = textwrap.indent(f"{definitions}\n\n{call}", "    ")
                return f"def {name}{inspect.Signature(plain)}:\n{body}"
    return ast.unparse(node)


def _needed(expression: ast.AST, tree: ast.Module) -> list[ast.stmt]:
    """The statements of a module that define what an expression uses, and what those use."""
    defined = {name: node for node in tree.body for name in _names(node)}
    needed: list[ast.stmt] = []
    waiting: list[ast.AST] = [expression]
    while waiting:
        for node in ast.walk(waiting.pop()):
            found = defined.get(node.id) if isinstance(node, ast.Name) else None
            if found is not None and found not in needed:
                needed.append(found)
                waiting.append(found)
    return needed


def _names(node: ast.stmt) -> Iterator[str]:
    """What a statement at the top of a module defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
