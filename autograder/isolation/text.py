"""Text that student code made, fit to be shown: in a terminal, in a notebook, beside the grader's own words."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# control characters, halves of surrogate pairs, and the marks that make text read in another order
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def plain(value: object, most: int) -> str:
    """At most ``most`` characters of a string, without what would steer a terminal or reorder a line.

    What is no string comes out empty. HTML stays as it is: whoever shows text on a page escapes it.
    """
    if type(value) is not str:
        return ""
    text = _COLOURS.sub("", value[: 2 * most]).replace("\r\n", "\n").replace("\r", "\n")
    text = _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= most and len(value) <= 2 * most else text[: most - 1] + "…"
