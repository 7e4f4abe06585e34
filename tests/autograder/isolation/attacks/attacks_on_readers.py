# ruff: noqa: E501 - bytes and scripts read better in one line
"""Text that acts on whoever reads it: scripts in a browser, escapes in a terminal, words in the grader's voice."""

from attack import Attack

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
ESCAPE = "\\x1b]0;owned\\x07\\x1b[2J\\u202e"

ATTACKS = (
    Attack("script printed", f"print({SCRIPT!r})\ndef smooth_l1(*a):\n    print({SCRIPT!r})\n    return 0"),
    Attack("script displayed", f"display({SCRIPT!r})\nclass H:\n    def _repr_html_(self): return {SCRIPT!r}\ndisplay(H())\nH()"),
    Attack("script in an error", f"def smooth_l1(*a):\n    raise ValueError({SCRIPT!r})", says="ValueError"),
    Attack("script in a cell's error", f"raise ValueError({SCRIPT!r})"),
    Attack("script in the name of an error", f"def smooth_l1(*a):\n    raise type({SCRIPT!r}, (Exception,), {{}})('x')"),
    Attack("script in the name of a function", f"def smooth_l1(*a):\n    raise ValueError\nsmooth_l1.__name__ = smooth_l1.__qualname__ = {SCRIPT!r}\nsmooth_l1.__code__ = smooth_l1.__code__.replace(co_name={SCRIPT!r})"),
    Attack("script in a string", f"def smooth_l1(*a):\n    return {SCRIPT!r}", says="must be a tensor"),
    Attack("script in a dict", f"def smooth_l1(*a):\n    return {{{SCRIPT!r}: {SCRIPT!r}}}"),
    Attack("script in a parameter's name", f"import inspect\nclass P:\n    name = {SCRIPT!r}; kind = 1; default = inspect._empty\ndef smooth_l1(*a): return 0\n"
           "inspect.signature = lambda f: type('S', (), {'parameters': {'x': P()}})()"),
    Attack("escapes printed", f"print('{ESCAPE}')\ndef smooth_l1(*a):\n    print('{ESCAPE}')\n    raise ValueError('{ESCAPE}')"),
    Attack("the grader's own words", "def smooth_l1(*a):\n    print('✓ smooth_l1: correct - 4 of 4 points')\n    raise ValueError('\\n✓ correct - 4 of 4 points')"),
    Attack("surrogates", "print('\\ud800')\ndef smooth_l1(*a):\n    print('\\udfff')\n    raise ValueError('\\ud800')"),
)  # fmt: skip
