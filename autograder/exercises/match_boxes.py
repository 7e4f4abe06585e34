"""Exercise 21: which ground-truth box each proposal stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from detseg.proposals import match_boxes as reference

from .exercise import Case, Exercise, Family, Misconception

# --- cases ------------------------------------------------------------------------------------------------


def _iou(generator: torch.Generator, gt: int, proposals: int, most: float = 1.0) -> Tensor:
    """Overlaps that are all different, and no multiple of 1/16 (where the thresholds are)."""
    number = torch.randperm(gt * proposals, generator=generator).reshape(gt, proposals)
    return (number + 0.37) / (gt * proposals) * most


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    iou = torch.tensor(
        [[0.7, 0.1, 0.45, 0.05, 0.2, 0.3], [0.2, 0.6, 0.42, 0.15, 0.9, 0.28], [0.1, 0, 0, 0, 0, 0.35]]
    )
    yield Case((iou, 0.5, 0.25), "3 boxes and 6 proposals")
    yield Case((_iou(generator, 3, 9), 0.75, 0.5), "3 boxes and 9 proposals")


def _no_gap(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_iou(generator, 3, 8), 0.625, 0.625), "one threshold, so that nothing is ignored")


def _force_best(generator: torch.Generator) -> Iterator[Case]:
    iou = torch.tensor(
        [[0.80, 0.05, 0.30, 0.10, 0.12], [0.04, 0.02, 0.40, 0.15, 0.08], [0.01, 0.20, 0.06, 0.18, 0.11]]
    )
    yield Case((iou, 0.625, 0.25, True), "force_best, with boxes that no proposal overlaps enough")
    yield Case((_iou(generator, 4, 7, 0.7), 0.75, 0.5, True), "force_best, where no overlap reaches `high`")


def _shared_best(generator: torch.Generator) -> Iterator[Case]:
    iou = torch.tensor([[0.10, 0.90, 0.20, 0.06], [0.05, 0.45, 0.30, 0.02], [0.04, 0.12, 0.03, 0.55]])
    note = "force_best, where one proposal is the best of two boxes (it keeps the one it overlaps most)"
    yield Case((iou, 0.625, 0.25, True), note)


def _tied_best(generator: torch.Generator) -> Iterator[Case]:
    iou = torch.tensor([[0.125, 0.375, 0.0625, 0.375, 0.25], [0.03, 0.5, 0.9, 0.04, 0.06]])
    yield Case((iou, 0.75, 0.3, True), "force_best, where two proposals tie as the best of a box")


def _at_the_thresholds(generator: torch.Generator) -> Iterator[Case]:
    iou = torch.tensor([[0.5, 0.25, 0.125, 0.75, 0.375], [0.1, 0.2, 0.03, 0.4, 0.05]])
    yield Case((iou, 0.5, 0.25), "overlaps that equal `high` or `low`")


def _untouched(generator: torch.Generator) -> Iterator[Case]:
    iou = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.1, 0.4, 0.6, 0.0]])
    yield Case((iou, 0.75, 0.25, True), "force_best, with a box that no proposal touches")


def _empty(generator: torch.Generator) -> Iterator[Case]:
    yield Case((torch.zeros(0, 5), 0.5, 0.25), "no ground truth: all proposals are background")
    yield Case((torch.zeros(0, 5), 0.5, 0.25, True), "no ground truth, with force_best")
    yield Case((torch.zeros(3, 0), 0.5, 0.25), "no proposal")
    yield Case((torch.zeros(3, 0), 0.5, 0.25, True), "no proposal, with force_best")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    yield Case((_iou(generator, 7, 4).T, 0.75, 0.5, True), "overlaps whose memory is not contiguous")
    yield Case((_iou(generator, 3, 6).double(), 0.75, 0.5, True), "float64 overlaps")


def _random(generator: torch.Generator) -> Iterator[Case]:
    for force_best in (False, True):
        note = "5 boxes and 40 proposals" + ", with force_best" * force_best
        yield Case((_iou(generator, 5, 40), 0.75, 0.625, force_best), note)


def _locate(case: Case, index: tuple[int, ...]) -> str:
    iou, high, low, *force = case.arguments
    column = ", ".join(f"{value:.3g}" for value in iou[:, index[0]].tolist()) or "there is none"
    forced = ", force_best" if any(force) else ""
    return f"Proposal {index[0]} overlaps the boxes by ({column}); high = {high}, low = {low}{forced}"


# --- one matcher, many ways to write its parts wrong ----------------------------------------------------------


def _keeps_its_own(iou: Tensor, matched: Tensor, best_gt: Tensor) -> Tensor:
    """Every proposal that is the best of some box becomes positive, for the box it overlaps most."""
    best = iou.amax(1, keepdim=True)  # [M, 1]
    return torch.where(((iou == best) & (iou > 0)).any(0), best_gt, matched)


def _takes_the_forcing_box(iou: Tensor, matched: Tensor, best_gt: Tensor) -> Tensor:
    for gt, row in enumerate(iou):
        matched = torch.where((row == row.max()) & (row > 0), gt, matched)
    return matched


def _first_best_only(iou: Tensor, matched: Tensor, best_gt: Tensor) -> Tensor:
    matched = matched.clone()
    best = iou.argmax(1)[iou.amax(1) > 0]
    matched[best] = best_gt[best]
    return matched


def _untouched_too(iou: Tensor, matched: Tensor, best_gt: Tensor) -> Tensor:
    return torch.where((iou == iou.amax(1, keepdim=True)).any(0), best_gt, matched)


def _matcher(
    is_positive: Callable[[Tensor, float], Tensor] = lambda best, high: best >= high,
    is_background: Callable[[Tensor, float], Tensor] = lambda best, low: best < low,
    between: int = -2,
    background: int = -1,
    force: Callable[[Tensor, Tensor, Tensor], Tensor] = _keeps_its_own,
    always: bool = False,
    empty: int = -1,
) -> Callable[..., Tensor]:
    """Two thresholds, three outcomes and the forced ones: each can be another one."""

    def match_boxes(iou: Tensor, high: float, low: float, force_best: bool = False) -> Tensor:
        if 0 in iou.shape:
            return torch.full((iou.shape[1],), empty, device=iou.device)
        best, best_gt = iou.max(0)  # 2 x [N]
        matched = torch.where(is_background(best, low), background, between)
        matched = torch.where(is_positive(best, high), best_gt, matched)
        return force(iou, matched, best_gt) if force_best or always else matched

    return match_boxes


def _best_of_each_row(iou: Tensor, high: float, low: float, force_best: bool = False) -> Tensor:
    return _matcher()(iou.T, high, low, force_best)


def _mask_of_positives(iou: Tensor, high: float, low: float, force_best: bool = False) -> Tensor:
    return _matcher()(iou, high, low, force_best) >= 0


def _on_the_cpu(iou: Tensor, high: float, low: float, force_best: bool = False) -> Tensor:
    matched = torch.full((iou.shape[1],), -1)
    return matched.copy_(_matcher()(iou, high, low, force_best))


# --- right ones, written differently ------------------------------------------------------------------------


def _loop(iou: Tensor, high: float, low: float, force_best: bool = False) -> Tensor:
    """One proposal after the other, then one box after the other."""
    matched = []
    for column in iou.T.tolist():
        best = max(column, default=-1.0)
        matched.append(column.index(best) if column and best >= high else -1 if best < low else -2)
    for row in iou.tolist() if force_best else ():
        for n, value in enumerate(row):
            if value > 0 and value == max(row):
                column = iou[:, n].tolist()
                matched[n] = column.index(max(column))
    return torch.tensor(matched, dtype=torch.int64, device=iou.device)


def _only_the_missed(iou: Tensor, matched: Tensor, best_gt: Tensor) -> Tensor:
    """Force only the boxes that nobody stands for: the others' best proposals are positive anyway."""
    missed = torch.tensor([gt not in matched.tolist() for gt in range(len(iou))], device=iou.device)
    return _keeps_its_own(torch.where(missed[:, None], iou, -1), matched, best_gt)


EXERCISE = Exercise(
    name="match_boxes",
    number=21,
    lab="04_rcnn",
    task="Decide for every proposal: which ground-truth box it stands for, background, or neither.",
    difficulty=3,
    importance=4,
    minutes=25,
    oracle=reference,
    tolerance=(0.0, 0.0),
    axes=("proposal",),
    locate=_locate,
    delegates=("torchvision.*",),
    families=(
        Family("ordinary overlaps", _ordinary, weight=2),
        Family("one threshold", _no_gap),
        Family("force_best", _force_best, weight=2),
        Family("best of two boxes", _shared_best),
        Family("no ground truth, no proposal", _empty),
        Family("tie for the best", _tied_best, hidden=True),
        Family("at the thresholds", _at_the_thresholds, hidden=True),
        Family("untouched box", _untouched, hidden=True),
        Family("memory layout and dtype", _memory_layout, hidden=True),
        Family("random overlaps", _random, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "best proposal of each box",
            _best_of_each_row,
            "Every proposal wants an answer: take the maximum over the boxes, dimension 0.",
        ),
        Misconception(
            "nothing ignored",
            _matcher(between=-1),
            "Between `low` and `high` a proposal is neither: it is ignored, -2, not background.",
        ),
        Misconception(
            "ignored and background swapped",
            _matcher(between=-1, background=-2),
            "Background is -1 (below `low`), ignored is -2 (between the thresholds).",
        ),
        Misconception(
            "all above `low` positive",
            _matcher(is_positive=lambda best, high: best >= -1, is_background=lambda best, low: best < low),
            "Below `high` a proposal does not get its best box: background below `low`, ignored in between.",
        ),
        Misconception(
            "`high` itself not positive",
            _matcher(is_positive=lambda best, high: best > high),
            "A proposal is positive from `high` on: use >=.",
        ),
        Misconception(
            "`low` itself background",
            _matcher(is_background=lambda best, low: best <= low),
            "Background is strictly below `low`: use <.",
        ),
        Misconception(
            "force_best not looked at",
            _matcher(force=lambda iou, matched, best_gt: matched),
            "With force_best=True the best proposal of each box becomes positive, however small the overlap.",
        ),
        Misconception(
            "best always forced",
            _matcher(always=True),
            "Force the best proposals only when force_best is True.",
        ),
        Misconception(
            "forced to the box that forces",
            _matcher(force=_takes_the_forcing_box),
            "A forced proposal keeps the box it overlaps most itself, even if it is another one's best.",
        ),
        Misconception(
            "one of a tie forced",
            _matcher(force=_first_best_only),
            "argmax gives one place only: force every proposal whose IoU equals the box's maximum, iou == best.",
        ),
        Misconception(
            "untouched boxes force as well",
            _matcher(force=_untouched_too),
            "A box that no proposal touches has a best IoU of 0, and equals 0 everywhere: force only where iou > 0.",
        ),
        Misconception(
            "ignored without ground truth",
            _matcher(empty=-2),
            "An image without objects is all background, -1.",
        ),
        Misconception(
            "mask returned",
            _mask_of_positives,
            "Return the number of the ground-truth box (int64), -1 or -2, not only whether there is one.",
        ),
        Misconception(
            "result left on the CPU",
            _on_the_cpu,
            "torch.full(...) lives on the CPU: give it device=iou.device.",
        ),
    ),
    right_variants=(_matcher(), _loop, _matcher(force=_only_the_missed)),
    hints=(
        "iou.max(dim=0) gives for every proposal the best overlap and the number of its box.",
        "Start with the number of the best box, then put -2 where the overlap is below `high` and -1 where it is "
        "below `low`. Without any box there is no maximum: all -1.",
        "force_best: best = iou.amax(1, keepdim=True); wherever iou == best and iou > 0, that column's proposal gets "
        "the number of its own best box back.",
    ),
)
