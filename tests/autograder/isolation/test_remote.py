# ruff: noqa: E501 - probes and tables
"""A function in another process is called as if it were here."""

import inspect

import pytest
import torch

from autograder.checking.answer import NoAnswer
from autograder.exercises import load
from autograder.isolation.protocol import MAX_MESSAGE
from autograder.isolation.remote import RemoteFunction

CELL = """
import torch
def square(x, times: int = 2, *, unused=None):
    return x ** times
def two(x, y):
    return {"sum": (x + y).sum(), "parts": [x * 3, y.detach()]}
def change(x, y):
    x += 1
    return y
def fail(kind="ValueError", text="wrong"):
    raise {"ValueError": ValueError, "Own": type("Own", (Exception,), {}), "Exit": SystemExit, "Stop": KeyboardInterrupt}[kind](text)
def forever():
    while True: pass
def leave():
    import os
    os._exit(3)
def shout():
    print("heard \\x1b[1mme\\x1b[0m")
def drawn(generator):
    return torch.rand(3, generator=generator)
def give(what):
    return {"set": {1}, "self": give, "none": None, "tuple": (1, (2.5, "x")), "big": torch.zeros(1).expand(10**12)}[what]
class Thing: pass
number = 5
def reference(pred, target):
    import torch.nn.functional as F
    return F.smooth_l1_loss(pred, target)
"""


@pytest.fixture
def remote(student):
    assert student("run", label="cell 0", source=CELL) == {"printed": "", "error": None}
    return lambda name: RemoteFunction(student.child.channel, name)


def test_values_come_back_as_exact_types(remote):
    assert torch.equal(remote("square")(torch.tensor([1.0, -3.0])), torch.tensor([1.0, 9.0]))
    assert remote("give")("tuple") == (1, (2.5, "x"))
    assert remote("give")("none") is None
    assert torch.equal(
        remote("drawn")(torch.Generator().manual_seed(5)),
        torch.rand(3, generator=torch.Generator().manual_seed(5)),
    )


def test_the_signature_is_that_of_the_function(remote):
    signature = inspect.signature(remote("square"))
    assert [(p.name, p.kind.name, p.default is p.empty) for p in signature.parameters.values()] == [
        ("x", "POSITIONAL_OR_KEYWORD", True), ("times", "POSITIONAL_OR_KEYWORD", False), ("unused", "KEYWORD_ONLY", False),
    ]  # fmt: skip
    with pytest.raises(TypeError):
        signature.bind()


def test_what_stands_under_a_name_is_told(remote):
    assert [remote(name).kind for name in ("square", "Thing", "number", "nothing")] == [
        "function",
        "class",
        "other",
        "missing",
    ]


def test_gradients_cross(remote):
    x, y = (
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        torch.tensor([5.0, 6.0, 7.0], requires_grad=True),
    )
    got = remote("two")(x, y)
    ((got["sum"] * 2) + (got["parts"][0] * torch.tensor([1.0, 10.0, 100.0])).sum()).backward()
    assert x.grad.tolist() == [5, 32, 302]
    assert y.grad.tolist() == [2, 2, 2]
    assert not got["parts"][1].requires_grad


def test_without_a_gradient_asked_for_there_is_none(remote):
    assert not remote("square")(torch.ones(2)).requires_grad
    assert remote("give")("none") is None


def test_arguments_changed_in_place_are_told(remote):
    function = remote("change")
    x, y = torch.zeros(3), torch.ones(3)
    function(x, y)
    assert function.changed == (True, False)
    assert x.tolist() == [0, 0, 0]


def test_errors_come_by_name_with_the_learners_line(remote):
    with pytest.raises(ValueError, match="wrong") as caught:
        remote("fail")()
    assert caught.value.where.startswith("fail, line 10: raise")
    with pytest.raises(Exception, match="wrong") as caught:
        remote("fail")("Own")
    assert type(caught.value).__name__ == "Own"
    for kind, name in (("Exit", "SystemExit"), ("Stop", "KeyboardInterrupt")):
        with pytest.raises(RuntimeError, match=name):
            remote("fail")(kind)


@pytest.mark.parametrize(("what", "name"), [("set", "set"), ("self", "function")])
def test_of_a_value_of_another_type_the_name_of_the_type_comes(remote, what, name):
    function = remote("give")
    assert type(function(what)).__name__ == name
    assert function("none") is None


def test_what_is_too_much_to_send_is_told(remote):
    function = remote("give")
    with pytest.raises(NoAnswer, match="too much"):
        function("big")
    assert function.alive
    assert function("none") is None


def test_printed_text_is_printed_here_without_escapes(remote, capsys):
    remote("shout")()
    assert capsys.readouterr().out == "heard me\n"


def test_delegation_is_noticed_over_there(remote):
    function = remote("reference")
    with function.watch(load("smooth_l1")) as watch:
        function(torch.ones(2), torch.ones(2))
    assert "smooth_l1_loss" in watch.found
    with function.watch(load("smooth_l1")) as watch:
        remote("square")(torch.ones(2))
    assert watch.found is None


def test_after_an_interruption_nothing_is_asked_any_more(remote):
    from autograder.checking.time_limit import TimeLimitExceeded, time_limit

    function = remote("forever")
    with pytest.raises(TimeLimitExceeded), time_limit(0.5):
        function()
    assert not function.alive
    with pytest.raises(TimeLimitExceeded):
        function()


def test_a_process_that_ends_is_told(remote):
    function = remote("leave")
    for _ in range(2):
        with pytest.raises(NoAnswer, match="ended"):
            function()
    assert not function.alive


class Hostile:
    """Stands for the channel to a process that answers as it likes."""

    def __init__(self, *replies):
        self.replies = list(replies)

    def send(self, value, seconds):
        pass

    def receive(self, seconds, most=MAX_MESSAGE):
        return self.replies.pop(0)


GOOD = {"kind": "function", "parameters": None}


@pytest.mark.parametrize(
    "described",
    [
        {}, {"kind": torch.ones(3)}, {"kind": ["function"]}, {"kind": "function", "parameters": [[1, 2]]}, {"kind": "function", "parameters": [[[], {}, 0]]},
        {"kind": "function", "parameters": [["x", 99, True]]}, {"kind": "function", "parameters": [["x", 1, False], ["x", 1, False]]},
        {"kind": "function", "parameters": torch.ones(2)},
    ],
)  # fmt: skip
def test_a_description_that_is_none_does_no_harm(described):
    function = RemoteFunction(Hostile(described), "f")
    assert isinstance(function.kind, str)
    inspect.signature(function)


@pytest.mark.parametrize(
    "error", [5, [], torch.ones(2), {"type": torch.ones(2)}, {"type": "BaseException"}, {"type": "UnicodeDecodeError"}, {"type": "__import__"},
              {"type": "class"}, {"type": "ExceptionGroup"}, {"type": "x" * 10**6, "message": "y" * 10**6}, {"type": "A\0B"}, {"type": "print"}],
)  # fmt: skip
def test_an_error_that_is_none_is_an_error_all_the_same(error):
    function = RemoteFunction(Hostile(GOOD, {"value": torch.ones(1), "error": error}), "f")
    with pytest.raises(Exception) as caught:
        function(torch.ones(1))
    assert len(str(caught.value)) <= 1200
    assert not isinstance(caught.value, (SystemExit, KeyboardInterrupt))


@pytest.mark.parametrize("gradients", [None, [], 5, [torch.ones(7)], [torch.ones(3), torch.ones(3)], ["x"]])
def test_gradients_that_are_none_are_refused(gradients):
    answer = {"value": torch.ones(3), "tracked": [True], "error": None}
    function = RemoteFunction(Hostile(GOOD, answer, {"error": None, "gradients": gradients}), "f")
    with pytest.raises(NoAnswer, match="gradient"):
        function(torch.ones(3, requires_grad=True)).sum().backward()


@pytest.mark.parametrize("changed", [5, [], [torch.ones(1)], ["x", None], [True, True], {"0": True}])
def test_reports_of_changes_that_are_none_change_nothing(changed):
    x = torch.zeros(3)
    function = RemoteFunction(Hostile(GOOD, {"value": 1.0, "changed": changed}), "f")
    function(x)
    assert not any(function.changed)
    assert x.tolist() == [0, 0, 0]
