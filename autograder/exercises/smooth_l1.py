"""Exercise 32: smooth L1 (Fast R-CNN, Girshick 2015, equation 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.losses import smooth_l1 as reference

from .exercise import Case, Exercise, Family, Misconception

# --- cases ------------------------------------------------------------------------------------------------


def _pair(
    generator: torch.Generator, shape: tuple[int, ...], beta: float, scale: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Predictions and targets: every other distance is below beta, none is near it, half are negative."""
    target = torch.randn(shape, generator=generator) * scale
    count = target.numel()
    share = torch.rand(count, generator=generator)
    number = torch.arange(count)
    below, beyond = (0.2 + 0.6 * share) * beta, (beta * 1.25 + 0.3 + 2 * share) * scale
    sign = torch.where(number % 4 < 2, 1.0, -1.0)
    distance = torch.where(number % 2 == 0, below, beyond) * sign
    return target + distance.reshape(shape), target


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield Case(_pair(generator, (2, 5), 1.0), "2 x 5 numbers and beta left at its default of 1")


def _near_the_border(generator: torch.Generator) -> Iterator[Case]:
    target = torch.randn(2, 4, generator=generator)
    share = torch.tensor([[0.9, -0.95, 0.99, -0.97], [1.1, -1.05, 1.01, -1.03]])
    yield Case((target + 0.3 * share, target, 0.3), "differences just below and above beta = 0.3")


def _other_betas(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_pair(generator, (3, 4), 0.25), 0.25), "beta = 0.25")
    yield Case((*_pair(generator, (3, 4), 3.0), 3.0), "beta = 3")
    yield Case((*_pair(generator, (2, 4), 1 / 9), 1 / 9), "beta = 1/9, as in the RPN")


def _zero_beta(generator: torch.Generator) -> Iterator[Case]:
    pred, target = _pair(generator, (2, 3), 0.0)
    yield Case((pred, target, 0.0), "beta = 0, which is plain L1 (some differences are 0)")
    far = target + torch.tensor([[0.5, -2.0, 0.25], [-0.75, 3.0, -1.5]])
    yield Case((far, target, 0.0), "beta = 0 and the gradient of pred", gradient_of=(0,))


def _gradient(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_pair(generator, (3, 4), 1.0), 1.0), "the gradient of pred", gradient_of=(0,))
    yield Case(
        (*_pair(generator, (2, 5), 0.5), 0.5), "the gradient of pred with beta = 0.5", gradient_of=(0,)
    )


def _shapes(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_pair(generator, (7,), 0.5), 0.5), "one dimension")
    yield Case((*_pair(generator, (2, 3, 4), 1.0), 1.0), "three dimensions")
    yield Case((torch.zeros(0, 4), torch.zeros(0, 4), 1.0), "no box at all (shape [0, 4])")


def _huge(generator: torch.Generator) -> Iterator[Case]:
    pair = _pair(generator, (2, 4), 1.0, scale=1e25)
    yield Case((*pair, 1.0), "differences near 1e25, whose square is infinite", gradient_of=(0,))


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    pred, target = _pair(generator, (4, 3), 0.5)
    yield Case((pred.T, target.T, 0.5), "tensors whose memory is not contiguous")
    yield Case((pred.double(), target.double(), 0.5), "float64 numbers", gradient_of=(0,))


def _random(generator: torch.Generator) -> Iterator[Case]:
    for _ in range(3):
        beta = float(torch.rand((), generator=generator)) * 2 + 0.1
        yield Case((*_pair(generator, (5, 4), beta), beta), f"random numbers and beta = {beta:.3f}")


def _locate(case: Case, index: tuple[int, ...]) -> str:
    pred, target, *rest = case.arguments
    beta = rest[0] if rest else 1.0
    return f"There pred - target is {float((pred - target)[index]):.4g}, and beta is {beta:.4g}"


# --- one formula, many ways to write its parts wrong ----------------------------------------------------------

Piece = Callable[[Tensor, float], Tensor]


def _pieces(
    below: Piece = lambda d, beta: 0.5 * d * d / beta,
    beyond: Piece = lambda d, beta: d - 0.5 * beta,
    border: Callable[[float], float] = lambda beta: beta,
    distance: Callable[[Tensor], Tensor] = torch.abs,
    choose: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.where,
    zero_apart: bool = True,
) -> Callable[..., Tensor]:
    """A parabola, a line and a border between them, each of which can be another one."""

    def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
        if beta == 0 and zero_apart:
            return distance(pred - target)
        d = distance(pred - target)
        return choose(d < border(beta), below(d, beta), beyond(d, beta))

    return smooth_l1


_right = _pieces()


def _in_place(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    pred -= target
    return _right(pred, torch.zeros_like(pred), beta)


# --- right ones, written differently ----------------------------------------------------------------------


def _loop(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """One number at a time."""
    losses = []
    for p, t in zip(pred.flatten(), target.flatten(), strict=True):
        d = abs(p - t)
        losses.append(0.5 * d**2 / beta if d < beta else d - 0.5 * beta)
    return torch.stack(losses).reshape(pred.shape) if losses else pred - target


def _by_clamping(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """The part of the distance up to beta is squared, the rest is added."""
    d = (pred - target).abs()
    near = d.clamp(max=beta)
    return near**2 / (2 * beta) + (d - near) if beta > 0 else d


EXERCISE = Exercise(
    name="smooth_l1",
    number=32,
    lab="05_fast_rcnn",
    task="The loss of every coordinate: squared for small errors, linear for large ones.",
    difficulty=2,
    importance=4,
    minutes=10,
    oracle=reference,
    axes=("row", "column"),
    locate=_locate,
    delegates=(
        "torchvision.*",
        "torch*smooth_l1_loss*",
        "torch*huber_loss*",
        "torch*SmoothL1Loss*",
        "torch*HuberLoss*",
    ),
    families=(
        Family("ordinary numbers", _ordinary),
        Family("other betas", _other_betas),
        Family("beta of zero", _zero_beta),
        Family("gradient", _gradient),
        Family("near beta", _near_the_border, hidden=True),
        Family("shapes", _shapes, hidden=True),
        Family("huge differences", _huge, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random numbers", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "averaged already",
            lambda pred, target, beta=1.0: _right(pred, target, beta).mean(),
            "Return one loss for each element, in the shape of pred; the caller sums them and divides.",
        ),
        Misconception(
            "summed already",
            lambda pred, target, beta=1.0: _right(pred, target, beta).sum(),
            "Return one loss for each element, in the shape of pred; the caller sums them and divides.",
        ),
        Misconception(
            "if instead of where",
            _pieces(choose=lambda small, below, beyond: below if small else beyond),
            "An if asks the whole tensor; every element has its own answer: torch.where(d < beta, a, b).",
        ),
        Misconception(
            "parabola and line exchanged",
            _pieces(choose=lambda small, below, beyond: torch.where(small, beyond, below)),
            "torch.where(condition, a, b) takes a where the condition holds: the parabola where d < beta.",
        ),
        Misconception(
            "beta always 1",
            lambda pred, target, beta=1.0: _right(pred, target, 1.0),
            "Use the argument beta, in both pieces and in the comparison; 1 is only its default.",
        ),
        Misconception(
            "squared everywhere",
            _pieces(beyond=lambda d, beta: 0.5 * d * d / beta),
            "Beyond beta the loss is a line, abs(d) - 0.5 * beta: a large error must not dominate the gradient.",
        ),
        Misconception(
            "one half forgotten",
            _pieces(below=lambda d, beta: d * d / beta),
            "Below beta the loss is 0.5 * d^2 / beta; without the one half it does not meet the line at beta.",
        ),
        Misconception(
            "not divided by beta",
            _pieces(below=lambda d, beta: 0.5 * d * d),
            "Below beta the loss is 0.5 * d^2 / beta; the division makes its slope 1 where the line begins.",
        ),
        Misconception(
            "line not lowered",
            _pieces(beyond=lambda d, beta: d),
            "Beyond beta subtract 0.5 * beta, so that the line begins where the parabola ends.",
        ),
        Misconception(
            "0.5 subtracted whatever beta is",
            _pieces(beyond=lambda d, beta: d - 0.5),
            "The paper's 0.5 is for beta = 1; in general the line is abs(d) - 0.5 * beta.",
        ),
        Misconception(
            "border fixed at 1",
            _pieces(border=lambda beta: 1.0),
            "The parabola ends at abs(d) = beta; compare with beta, not with 1.",
        ),
        Misconception(
            "Huber loss",
            _pieces(below=lambda d, beta: 0.5 * d * d, beyond=lambda d, beta: beta * (d - 0.5 * beta)),
            "That is the Huber loss, which is beta times this one: divide by beta, so that the line has slope 1.",
        ),
        Misconception(
            "sigma taken for beta",
            lambda pred, target, beta=1.0: _right(pred, target, 1 / beta**2 if beta else 0.0),
            "The old code's sigma is another number, beta = 1 / sigma^2; here the parabola ends at beta itself.",
        ),
        Misconception(
            "sign kept",
            _pieces(distance=lambda d: d),
            "Take the absolute value of the difference first: -5 is a large error, not one below beta.",
        ),
        Misconception(
            "one branch for all elements",
            _pieces(choose=lambda small, below, beyond: below if bool(small.all()) else beyond),
            "Every element chooses for itself: use torch.where(d < beta, ..., ...) instead of if.",
        ),
        Misconception(
            "beta of zero divided by",
            _pieces(zero_apart=False),
            "With beta = 0 the division by 0 makes the gradient NaN, even through torch.where: return abs(d) first.",
        ),
        Misconception(
            "masks multiplied",
            _pieces(choose=lambda small, below, beyond: small * below + ~small * beyond),
            "0 times infinity is NaN when d^2 overflows: choose with torch.where, not by multiplying with masks.",
        ),
        Misconception(
            "gradient cut",
            lambda pred, target, beta=1.0: _right(pred.detach(), target, beta),
            "detach, .data, .item(), torch.tensor(...) and numpy cut the graph: compute with pred itself.",
        ),
        Misconception(
            "pred changed in place",
            _in_place,
            "pred -= target and sub_ change the caller's tensor: write d = pred - target.",
        ),
        Misconception(
            "zeros on the CPU",
            lambda pred, target, beta=1.0: torch.zeros(pred.shape) + _right(pred, target, beta),
            "torch.zeros(...) lives on the CPU: use torch.zeros_like(pred), or torch.where without any zeros.",
        ),
    ),
    right_variants=(_right, _loop, _by_clamping),
    hints=(
        "Let d = (pred - target).abs(). All that follows is element-wise; nothing is summed.",
        "torch.where(condition, a, b) takes a where the condition holds and b elsewhere: "
        "0.5 * d**2 / beta where d < beta, d - 0.5 * beta elsewhere.",
        "beta = 0 comes before that: return d at once, or the division by 0 turns the gradient into NaN.",
    ),
)
