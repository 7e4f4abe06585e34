"""A notebook's JSON without its outputs, read once from front to back, whole or cut off.

Outputs may be a hundred megabytes and the grader makes its own, so they are stepped over, never parsed. On the way the
ends of the cells are noted: of a file that is damaged somewhere, the cells that are whole can still be parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_TOKEN = re.compile(_STRING + rb'|[][{}]|"', re.DOTALL)
_TOKEN_OF_A_LINE = re.compile(rb'"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|"[^\n]*+|[][{}]')
_BRACKET = re.compile(rb'(?:[^][{}"]++|' + _STRING + rb")*+([][{}])", re.DOTALL)
_BULKY = {b'"outputs"', b'"widgets"'}
_QUOTE, _OPEN = b'"'[0], frozenset(b"[{")


class TooMuch(ValueError):
    """More brackets or levels than any notebook has."""


@dataclass(frozen=True)
class Skimmed:
    """UTF-8 JSON text in which every list of outputs is empty."""

    whole: bytes
    cells: tuple[bytes, ...]  # those that are complete, each for itself
    complete: bool  # the file is not cut off


def skim(raw: bytes, by_lines: bool = False, most: int = 2_000_000, deepest: int = 100) -> Skimmed:
    """The notebook in UTF-8 text ``raw`` without its outputs and its widgets' state.

    With ``by_lines`` a string ends where its line ends, at the latest: a quote too many or too few then costs the cell
    it is in. (Valid JSON has no line ends in strings, but some tools write them.)

    Raises:
        TooMuch: more than ``most`` strings and brackets, or five times as many brackets in outputs, or brackets nested
            deeper than ``deepest``.
    """
    pieces: list[bytes] = []
    cells: list[bytes] = []
    keys: list[bytes] = []  # what each open bracket stands under; empty for an item of a list
    position = kept = first = 0  # where to read on; what is not copied yet; the first piece of the open cell
    key_start = key_end = 0
    complete = False
    tokens = _TOKEN_OF_A_LINE if by_lines else _TOKEN
    in_outputs = 5 * most
    for _ in range(most):
        token = tokens.search(raw, position)
        if token is None:
            break
        start, position = token.span()
        byte = raw[start]
        if byte == _QUOTE:
            if position == start + 1 and not by_lines:
                break  # a string without an end
            key_start, key_end = start, position
        elif byte in _OPEN:
            named = start - key_end < 9 and raw[key_end:start].strip() == b":"
            key = raw[key_start:key_end] if named else b""
            if key in _BULKY:
                pieces.append(raw[kept:position])
                kept, in_outputs = _end(raw, position, in_outputs)
                position = kept + 1
                continue
            if keys and keys[-1] == b'"cells"' and not named:
                pieces.append(raw[kept:start])
                kept, first = start, len(pieces)
            keys.append(key)
            if len(keys) > deepest:
                raise TooMuch(f"nested more than {deepest} levels deep")
        elif keys:
            keys.pop()
            if keys and keys[-1] == b'"cells"':
                pieces.append(raw[kept:position])
                kept = position
                cells.append(b"".join(pieces[first:]))
            complete = not keys
    else:
        raise TooMuch(f"more than {most:,} strings and brackets")
    pieces.append(raw[kept:])
    return Skimmed(b"".join(pieces), tuple(cells), complete)


def _end(raw: bytes, position: int, most: int) -> tuple[int, int]:
    """Where the bracket closes that was opened before ``position``, else the file's end; how many brackets are left."""
    depth = 1
    for count in range(1, most + 1):
        bracket = _BRACKET.match(raw, position)
        if bracket is None:
            return len(raw), most - count
        position = bracket.end()
        depth += 1 if raw[position - 1] in _OPEN else -1
        if not depth:
            return position - 1, most - count
    raise TooMuch("too many brackets in outputs")
