"""How alike answers are: to the library's reference, and to one another. For the instructor to look at, nothing more.

An answer is taken as the set of its expressions and statements, with its own names, comments, annotations, texts and
the order of statements taken off. Two answers share what stands in both; what many answers have counts little, what the
released stub has not at all. (Winnowing, as in MOSS and copydetect, compares runs of tokens: functions of five lines
have few, and moving a line breaks them.)
"""

from __future__ import annotations

import ast
import copy
import hashlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

REFERENCE = "(reference)"
LEAST = 4  # nodes of the smallest expression that counts
MOST_CHARACTERS = 50_000  # of an answer; more is not compared


@dataclass(frozen=True)
class Alike:
    """Two answers to an exercise; ``second`` may be the library's reference.

    ``similarity`` is 1 for answers that differ in names and order only; ``shared`` counts the expressions in both.
    """

    exercise: str
    first: str
    second: str
    similarity: float
    shared: int


def alike(
    exercise: str,
    answers: Mapping[str, str],
    reference: str,
    stub: str = "",
    least_similarity: float = 0.6,
    least_shared: int = 20,
) -> list[Alike]:
    """The pairs of a class that are most alike, first of all.

    Args:
        exercise: its name.
        answers: source by student.
        reference: source of the library's function.
        stub: what was released; every answer may have it.
        least_similarity: of a pair that is listed.
        least_shared: expressions in both; short functions, which can hardly be written in two ways, have fewer.
    """
    given = expressions(stub)
    sets = {name: expressions(source) - given for name, source in (*answers.items(), (REFERENCE, reference))}
    sets = {name: found for name, found in sets.items() if len(found) >= least_shared}
    names = sorted(sets, key=lambda name: (name == REFERENCE, name))
    if len(names) < 2:
        return []
    columns = {key: i for i, key in enumerate(sorted(set().union(*sets.values())))}
    has = np.zeros((len(names), len(columns)), np.float32)  # [answers, expressions]
    for row, name in enumerate(names):
        has[row, [columns[key] for key in sets[name]]] = 1
    students = has[: len(names) - (REFERENCE in sets)]
    rarity = np.log1p(len(students) / np.maximum(students.sum(0), 1))  # [expressions]
    both = (has * rarity) @ has.T  # [answers, answers]
    own = np.diag(both)
    similarity = 2 * both / (own[:, None] + own[None, :])
    shared = has @ has.T
    found = [
        Alike(exercise, names[i], names[j], round(float(similarity[i, j]), 3), int(shared[i, j]))
        for i, j in zip(*np.triu_indices(len(names), 1), strict=True)
        if similarity[i, j] >= least_similarity and shared[i, j] >= least_shared
    ]
    return sorted(found, key=lambda pair: (-pair.similarity, -pair.shared, pair.first, pair.second))


def expressions(source: str) -> frozenset[bytes]:
    """Digests of the expressions and statements of some code; nothing of code that cannot be parsed."""
    try:
        tree = ast.parse(textwrap.dedent(source[:MOST_CHARACTERS]))
        tree = _Plain(_own_names(tree)).visit(copy.deepcopy(tree))
        found: set[bytes] = set()
        _digest(tree, found)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(found)


def _own_names(tree: ast.AST) -> set[str]:
    """What the code itself names: arguments, variables, functions."""
    own: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            own.add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            own.add(node.name)
    return own


class _Plain(ast.NodeTransformer):
    """Takes off what can be changed without changing what is computed."""

    def __init__(self, own: set[str]) -> None:
        self._own = own

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name("_" if node.id in self._own else node.id, ast.Load())

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg("_")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = _without_texts(node.body)
        plain = self.generic_visit(node)
        assert isinstance(plain, ast.FunctionDef)
        plain.name, plain.returns, plain.decorator_list = "_", None, []
        return plain

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        return self.visit(ast.Assign([node.target], node.value))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        return self.visit(ast.Assign([node.target], ast.BinOp(node.target, node.op, node.value)))

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = "" if isinstance(node.value, str) else node.value
        return ast.Constant(float(value) if type(value) is int else value)


def _without_texts(body: list[ast.stmt]) -> list[ast.stmt]:
    return [
        statement
        for statement in body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ] or [ast.Pass()]


def _digest(node: ast.AST, found: set[bytes]) -> tuple[bytes, int]:
    """Digest and size of a node, those of its parts put into ``found``.

    Statements of one block, and the sides of + and *, stand in no order.
    """
    parts: list[bytes] = [type(node).__name__.encode()]
    size = 1
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "type_comment", "kind", "lineno"):
            continue
        inner = [
            _digest(item, found) if isinstance(item, ast.AST) else (repr(item).encode(), 0)
            for item in (value if isinstance(value, list) else [value])
        ]
        size += sum(count for _, count in inner)
        digests = [digest for digest, _ in inner]
        parts += [name.encode(), *(sorted(digests) if name in ("body", "orelse") else digests)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mult)):
        parts.sort()
    digest = hashlib.blake2b(b"\0".join(parts), digest_size=8).digest()
    if size >= LEAST and not isinstance(node, (ast.Module, ast.arguments)):
        found.add(digest)
    return digest, size
