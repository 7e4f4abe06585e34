"""Exercise 34: the two-part loss of Fast R-CNN (Girshick 2015, section 2.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from detseg.losses import fast_rcnn_loss as reference
from detseg.losses import smooth_l1

from .exercise import Case, Exercise, Family, Misconception

# --- cases ------------------------------------------------------------------------------------------------


def _head(
    generator: torch.Generator, labels: Sequence[int], classes: int, beta: float = 1.0
) -> tuple[Tensor, ...]:
    """Logits, deltas, labels and targets; the true class's errors lie on both sides of beta, none near it."""
    rois = len(labels)
    logits = 2 * torch.randn(rois, classes, generator=generator)
    deltas = 2 * torch.randn(rois, classes, 4, generator=generator)
    share = torch.rand(rois, 4, generator=generator)
    error = torch.where(torch.arange(4) % 2 == 0, (0.2 + 0.6 * share) * beta, 1.3 * beta + 2 * share)
    error = error * torch.tensor([1.0, -1.0, -1.0, 1.0])
    return logits, deltas, torch.tensor(labels, dtype=torch.int64), deltas[torch.arange(rois), labels] - error


def _labels(generator: torch.Generator, rois: int, classes: int) -> list[int]:
    """Random labels, with at least one RoI of background and one of the last class."""
    return [0, classes - 1, *torch.randint(classes, (rois - 2,), generator=generator).tolist()]


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield Case(_head(generator, [2, 0, 1, 3, 0], 4), "5 RoIs (3 positive), 4 classes and beta left at 1")
    yield Case(_head(generator, [0, 1, 0, 2, 0, 0, 1], 3), "7 RoIs (3 positive) and 3 classes")


def _other_betas(generator: torch.Generator) -> Iterator[Case]:
    yield Case((*_head(generator, [3, 0, 1, 2], 4, 0.25), 0.25), "beta = 0.25")
    yield Case((*_head(generator, [0, 4, 1], 5, 2.0), 2.0), "beta = 2")


def _gradient(generator: torch.Generator) -> Iterator[Case]:
    yield Case(
        _head(generator, [0, 3, 1, 0, 2, 3], 4), "the gradient of logits and deltas", gradient_of=(0, 1)
    )


def _no_positive(generator: torch.Generator) -> Iterator[Case]:
    note = "nothing but background, where the box loss is 0 and still has a gradient (of zeros)"
    yield Case(_head(generator, [0, 0, 0], 4), note, gradient_of=(0, 1))


def _no_background(generator: torch.Generator) -> Iterator[Case]:
    yield Case(_head(generator, [2, 1, 4, 3], 5), "nothing but positives")
    yield Case(_head(generator, [2], 3), "one single RoI")


def _no_roi(generator: torch.Generator) -> Iterator[Case]:
    note = "no RoI at all, where both losses are 0 and still have a graph"
    yield Case(_head(generator, [], 4), note, gradient_of=(0, 1))


def _huge(generator: torch.Generator) -> Iterator[Case]:
    logits, *rest = _head(generator, [1, 0, 3, 2, 0], 4)
    yield Case((logits * 1000, *rest), "logits in the thousands", gradient_of=(0, 1))


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    logits, deltas, labels, targets = _head(generator, [0, 2, 1, 3, 0, 1], 4)
    stretched = (
        deltas.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    )  # same values, memory the other way round
    yield Case(
        (logits.T.contiguous().T, stretched, labels, targets), "tensors whose memory is not contiguous"
    )
    yield Case(
        (logits.double(), deltas.double(), labels, targets.double()), "float64 numbers", gradient_of=(0, 1)
    )


def _random(generator: torch.Generator) -> Iterator[Case]:
    for rois, classes in ((8, 6), (16, 3), (32, 21)):
        labels = _labels(generator, rois, classes)
        yield Case(_head(generator, labels, classes), f"{rois} RoIs with random labels and {classes} classes")


# --- one loss, many ways to write its parts wrong -------------------------------------------------------------


def _true_class(deltas: Tensor, labels: Tensor, logits: Tensor) -> Tensor:
    return deltas[torch.arange(len(labels), device=labels.device), labels]  # [R, 4]


def _loss(
    classify: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    choose: Callable[[Tensor, Tensor, Tensor], Tensor] = _true_class,
    is_positive: Callable[[Tensor], Tensor] = lambda labels: labels > 0,
    distance: Callable[[Tensor, Tensor, float], Tensor] = smooth_l1,
    reduce: Callable[[Tensor, Tensor], Tensor] = lambda losses, labels: losses.sum() / len(labels),
    join: Callable[[Tensor, Tensor], object] = lambda class_loss, box_loss: (class_loss, box_loss),
) -> Callable[..., object]:
    """Class loss, choice of the box, choice of the RoIs, distance, what to divide by: each can be another one."""

    def fast_rcnn_loss(
        class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
    ) -> object:
        chosen = choose(deltas, labels, class_logits)  # [R, 4]
        positive = is_positive(labels)
        box_loss = reduce(distance(chosen[positive], target_deltas[positive], beta), labels)
        return join(classify(class_logits, labels), box_loss)

    return fast_rcnn_loss


def _all_classes(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    positive = labels > 0
    targets = target_deltas[positive][:, None].expand_as(deltas[positive])  # [P, K, 4]
    box_loss = smooth_l1(deltas[positive], targets, beta).sum() / len(labels)
    return F.cross_entropy(class_logits, labels), box_loss


def _constant_without_positives(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> object:
    if bool((labels > 0).any()):
        return _loss()(class_logits, deltas, labels, target_deltas, beta)
    return F.cross_entropy(class_logits, labels), torch.tensor(0.0)


def _zeros_on_the_cpu(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    positive = torch.zeros(len(labels), 1)
    positive[labels > 0] = 1.0
    losses = positive * smooth_l1(_true_class(deltas, labels, class_logits), target_deltas, beta)  # [R, 4]
    return F.cross_entropy(class_logits, labels), losses.sum() / len(labels)


# --- right ones, written differently ------------------------------------------------------------------------


def _by_index(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Sums over the RoIs, with the positives picked by their numbers."""
    positive = torch.where(labels > 0)[0]  # [P]
    losses = smooth_l1(deltas[positive, labels[positive]], target_deltas[positive], beta)  # [P, 4]
    rois = max(len(labels), 1)
    return F.cross_entropy(class_logits, labels, reduction="sum") / rois, losses.sum() / rois


def _loop(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """One RoI after the other."""
    class_loss, box_loss = class_logits.sum() * 0, deltas.sum() * 0
    for r, label in enumerate(labels.tolist()):
        class_loss = class_loss + class_logits[r].logsumexp(0) - class_logits[r, label]
        if label > 0:
            for i in range(4):
                d = (deltas[r, label, i] - target_deltas[r, i]).abs()
                box_loss = box_loss + (0.5 * d**2 / beta if d < beta else d - 0.5 * beta)
    return class_loss / max(len(labels), 1), box_loss / max(len(labels), 1)


def _by_masks(
    class_logits: Tensor, deltas: Tensor, labels: Tensor, target_deltas: Tensor, beta: float = 1.0
) -> tuple[Tensor, Tensor]:
    """All classes at once; a one-hot mask leaves the true class of the positives."""
    true_class = F.one_hot(labels, class_logits.shape[1]).to(deltas.dtype)  # [R, K]
    rois = max(len(labels), 1)
    class_loss = -(class_logits.log_softmax(1) * true_class).sum() / rois
    losses = smooth_l1(deltas, target_deltas[:, None].expand_as(deltas), beta).sum(2)  # [R, K]
    return class_loss, (losses * true_class)[:, 1:].sum() / rois


EXERCISE = Exercise(
    name="fast_rcnn_loss",
    number=34,
    lab="05_fast_rcnn",
    task="Two losses of one head: which class each RoI is, and where exactly the positives' boxes lie.",
    difficulty=3,
    importance=5,
    minutes=20,
    oracle=reference,
    delegates=(
        "torchvision.*",
        "torch*smooth_l1_loss*",
        "torch*huber_loss*",
        "torch*SmoothL1Loss*",
        "torch*HuberLoss*",
    ),
    families=(
        Family("ordinary RoIs", _ordinary),
        Family("other betas", _other_betas),
        Family("gradient", _gradient),
        Family("no positive", _no_positive),
        Family("no background", _no_background, hidden=True),
        Family("no RoI", _no_roi, hidden=True),
        Family("huge logits", _huge, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random RoIs", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "NaN without RoIs",  # all the others share this one, so that it must come first to be told from them
            _loss(),
            "The mean of nothing is NaN: divide the sums by max(len(labels), 1).",
        ),
        Misconception(
            "divided by the positives",
            _loss(reduce=lambda losses, labels: losses.sum() / (labels > 0).sum()),
            "Divide the box loss by all R RoIs, background included, as the class loss is; not by the positives.",
        ),
        Misconception(
            "divided by the positives (at least 1)",
            _loss(reduce=lambda losses, labels: losses.sum() / (labels > 0).sum().clamp(min=1)),
            "Divide the box loss by all R RoIs, background included, as the class loss is; not by the positives.",
        ),
        Misconception(
            "box loss averaged",
            _loss(reduce=lambda losses, labels: losses.mean()),
            "mean() divides by 4 x the positives (and is NaN without any): sum all coordinates, then divide by R.",
        ),
        Misconception(
            "divided by every coordinate",
            _loss(reduce=lambda losses, labels: losses.sum() / (4 * len(labels))),
            "Sum the four coordinates of a box and divide by R alone, not by 4 R.",
        ),
        Misconception(
            "box loss not divided",
            _loss(reduce=lambda losses, labels: losses.sum()),
            "Divide the summed box loss by R, so that it does not grow with the batch.",
        ),
        Misconception(
            "background in the box loss",
            _loss(is_positive=lambda labels: labels >= 0),
            "Background has no box: only RoIs with labels > 0 enter the box loss.",
        ),
        Misconception(
            "box of class 0",
            _loss(choose=lambda deltas, labels, logits: deltas[:, 0]),
            "Every class has its own box: take deltas[r, labels[r]], the true class's.",
        ),
        Misconception(
            "box of the predicted class",
            _loss(choose=lambda deltas, labels, logits: _true_class(deltas, logits.argmax(1), logits)),
            "In training the box is the true class's, deltas[r, labels[r]], whatever class scores best.",
        ),
        Misconception(
            "class number shifted by one",
            _loss(choose=lambda deltas, labels, logits: _true_class(deltas, labels - 1, logits)),
            "deltas has a row for background too: class k's box is deltas[:, k], not deltas[:, k - 1].",
        ),
        Misconception(
            "boxes of all classes",
            _all_classes,
            "Only the true class's box is compared with the target; the others get no gradient.",
        ),
        Misconception(
            "deltas reshaped",
            _loss(
                choose=lambda d, labels, logits: _true_class(
                    d.reshape(len(d), 4, -1).transpose(1, 2), labels, logits
                )
            ),
            "deltas is [R, K, 4] as it stands: index it with the label, do not reshape it to [R, 4, K].",
        ),
        Misconception(
            "softmax before the cross-entropy",
            _loss(classify=lambda logits, labels: F.cross_entropy(logits.softmax(1), labels)),
            "cross_entropy applies the softmax itself: give it the raw logits.",
        ),
        Misconception(
            "log of the softmax",
            _loss(classify=lambda logits, labels: -logits.softmax(1).log().gather(1, labels[:, None]).mean()),
            "log(softmax(x)) is -inf once a probability rounds to 0: use cross_entropy or log_softmax on the logits.",
        ),
        Misconception(
            "class loss of the positives only",
            _loss(classify=lambda logits, labels: F.cross_entropy(logits[labels > 0], labels[labels > 0])),
            "Background is a class to be learnt: the cross-entropy goes over all RoIs.",
        ),
        Misconception(
            "class loss summed",
            _loss(classify=lambda logits, labels: F.cross_entropy(logits, labels, reduction="sum")),
            "Divide the class loss by R as well: the default reduction, the mean.",
        ),
        Misconception(
            "squared distance",
            _loss(distance=lambda chosen, target, beta: 0.5 * (chosen - target) ** 2),
            "The box loss is smooth L1, so that a box far off does not drown the others.",
        ),
        Misconception(
            "beta not passed on",
            _loss(distance=lambda chosen, target, beta: smooth_l1(chosen, target)),
            "Pass beta on: smooth_l1(pred, target, beta).",
        ),
        Misconception(
            "constant without positives",
            _constant_without_positives,
            "torch.tensor(0.0) has no graph: a sum over no RoI is 0 by itself, so no special case is needed.",
        ),
        Misconception(
            "losses added",
            _loss(join=lambda class_loss, box_loss: class_loss + box_loss),
            "Return the two losses apart, return class_loss, box_loss: whoever trains adds them and watches each.",
        ),
        Misconception(
            "zeros on the CPU",
            _zeros_on_the_cpu,
            "torch.zeros(...) lives on the CPU: give it device=labels.device, or index with labels > 0.",
        ),
    ),
    right_variants=(_by_index, _loop, _by_masks),
    hints=(
        "The class loss is F.cross_entropy(class_logits, labels). The box loss looks only at RoIs with labels > 0.",
        "positive = torch.where(labels > 0)[0], then deltas[positive, labels[positive]] is [P, 4]: "
        "for each positive RoI the box of its true class.",
        "Sum smooth_l1 over the positives and their four coordinates; divide by all RoIs, max(len(labels), 1).",
    ),
)
