"""Exercise 33: sampling the RoIs of a training step (Fast R-CNN, Girshick 2015, section 2.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from detseg.proposals import sample_rois as reference

from .exercise import Case, Exercise, Family, Misconception, Mismatch, Seeded

# --- cases ------------------------------------------------------------------------------------------------


def _case(
    generator: torch.Generator,
    counts: tuple[int, int, int],
    batch_size: int,
    fraction: float,
    note: str,
    decides: bool = False,
) -> Case:
    """So many positives (ground-truth boxes 0, 1, 2 in turn), background and ignored RoIs, in random order."""
    positives, background, ignored = counts
    values = [i % 3 for i in range(positives)] + [-1] * background + [-2] * ignored
    matched = torch.tensor(values, dtype=torch.int64)[torch.randperm(len(values), generator=generator)]
    seed = Seeded(int(torch.randint(10**6, (), generator=generator)), decides)
    return Case((matched, batch_size, fraction, seed), note)


def _ordinary(generator: torch.Generator) -> Iterator[Case]:
    yield _case(
        generator, (12, 26, 7), 16, 0.25, "12 positives, 26 background and 7 ignored RoIs", decides=True
    )
    yield _case(generator, (14, 30, 6), 20, 0.5, "14 positives, of which 10 fit, and 30 background RoIs")


def _few_positives(generator: torch.Generator) -> Iterator[Case]:
    yield _case(generator, (2, 30, 5), 16, 0.5, "only 2 positives, so that background fills up the batch")
    yield _case(generator, (0, 30, 4), 12, 0.25, "no positive at all")


def _little_background(generator: torch.Generator) -> Iterator[Case]:
    yield _case(generator, (20, 3, 6), 16, 0.5, "only 3 background RoIs, so that the batch stays smaller")
    yield _case(generator, (9, 0, 6), 16, 0.25, "no background at all")


def _fractions(generator: torch.Generator) -> Iterator[Case]:
    yield _case(generator, (20, 40, 5), 30, 0.25, "30 RoIs of which a quarter may be positive: int(7.5) is 7")
    yield _case(generator, (20, 40, 5), 11, 0.5, "11 RoIs of which half may be positive: int(5.5) is 5")
    yield _case(generator, (20, 40, 5), 8, 0.0, "a positive_fraction of 0")
    yield _case(generator, (20, 40, 5), 8, 1.0, "a positive_fraction of 1")


def _nothing(generator: torch.Generator) -> Iterator[Case]:
    yield _case(generator, (0, 0, 0), 16, 0.25, "no RoI at all")
    yield _case(generator, (0, 0, 9), 16, 0.25, "nothing but ignored RoIs")


def _all(generator: torch.Generator) -> Iterator[Case]:
    yield _case(generator, (5, 12, 4), 64, 0.25, "a batch larger than the number of RoIs")


def _memory_layout(generator: torch.Generator) -> Iterator[Case]:
    case = _case(generator, (24, 60, 12), 16, 0.25, "matches whose memory is not contiguous")
    yield Case((case.arguments[0][::2], *case.arguments[1:]), case.note)


def _as_in_training(generator: torch.Generator) -> Iterator[Case]:
    for _ in range(3):
        yield _case(generator, (150, 1200, 300), 64, 0.25, "as many RoIs as in training")


# --- what is asked of a draw --------------------------------------------------------------------------------


def _judge(case: Case, result: Any, example: Tensor) -> Mismatch | None:
    """The first rule that the drawn indices break."""
    message = _form(result) or _members(case, result.tolist()) or _counts(case, result.tolist())
    return Mismatch(message) if message else None


def _form(result: Any) -> str:
    if result is None:
        return "the result is None: did you forget `return`?"
    if not isinstance(result, Tensor):
        return f"the result is a {type(result).__name__}, but must be an int64 tensor of indices."
    if result.dtype == torch.bool:
        return "the result is a mask (bool), but must hold the indices of the drawn RoIs, positives first."
    if result.dim() != 1:
        fix = "nonzero() gives a column, torch.where(...)[0] does not."
        return f"the result has shape {list(result.shape)}, but must have one dimension: {fix}"
    if result.dtype != torch.int64:
        return f"the result has dtype {str(result.dtype).removeprefix('torch.')}, but indices are int64."
    return ""


def _members(case: Case, drawn: list[int]) -> str:
    matched = case.arguments[0].tolist()
    for position, roi in enumerate(drawn):
        if not 0 <= roi < len(matched):
            return f"position {position} holds {roi}, but an index into matched is 0 to {len(matched) - 1}."
    for position, roi in enumerate(drawn):
        if matched[roi] == -2:
            return (
                f"position {position} holds RoI {roi}, but matched[{roi}] is -2: ignored, never to be drawn."
            )
        if roi in drawn[:position]:
            twice = f"RoI {roi} is drawn twice (positions {drawn.index(roi)} and {position})"
            return f"{twice}: nothing is drawn twice, not even to fill up the batch."
    return ""


def _counts(case: Case, drawn: list[int]) -> str:
    matched, batch_size, fraction, _ = case.arguments
    positives, background = torch.where(matched >= 0)[0].tolist(), torch.where(matched == -1)[0].tolist()
    most = int(batch_size * fraction)
    is_positive = [bool(matched[roi] >= 0) for roi in drawn]
    count = sum(is_positive)
    if count > most:
        return f"{count} positives are drawn, but int({batch_size} * {fraction}) = {most} is the most."
    if count < min(most, len(positives)):
        wanted = min(most, len(positives))
        return f"{count} positives are drawn; there are {len(positives)} (matched >= 0), and {wanted} must be drawn."
    if not all(is_positive[:count]):
        roi = drawn[is_positive.index(False)]
        later = next(i for i, positive in enumerate(is_positive) if positive and i >= count)
        return (
            f"positives come first, but RoI {roi} (matched -1) comes before "
            f"RoI {drawn[later]} (matched {int(matched[drawn[later]])})."
        )
    room = min(batch_size - count, len(background))
    if len(drawn) - count != room:
        return (
            f"{len(drawn) - count} background RoIs are drawn; with {count} positives in a batch of {batch_size} "
            f"and {len(background)} background RoIs to choose from, it must be {room}."
        )
    groups = (("positives", positives, drawn[:count]), ("background RoIs", background, drawn[count:]))
    for name, pool, part in groups:
        if math.comb(len(pool), len(part)) <= 10**6:
            continue
        for end, simply in (("first", pool[: len(part)]), ("last", pool[-len(part) :])):
            if set(part) == set(simply):
                return f"the {name} drawn are simply the {end} {len(part)} of {len(pool)}: draw by chance."
    return ""


# --- one sampler, many ways to write its parts wrong ----------------------------------------------------------


def _draw(indices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    order = torch.randperm(len(indices), generator=generator, device=generator.device)
    return indices[order[:count].to(indices.device)]


def _draw_with_repeats(indices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    count = min(count, len(indices))
    numbers = torch.randint(max(len(indices), 1), (count,), generator=generator, device=generator.device)
    return indices[numbers.to(indices.device)]


def _draw_on_the_matches_device(indices: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return indices[torch.randperm(len(indices), generator=generator, device=indices.device)[:count]]


def _sampler(
    is_positive: Callable[[Tensor], Tensor] = lambda matched: matched >= 0,
    is_background: Callable[[Tensor], Tensor] = lambda matched: matched == -1,
    most: Callable[[int, float, int], int] = lambda batch_size, fraction, available: int(
        batch_size * fraction
    ),
    room: Callable[[int, int, int], int] = lambda batch_size, most, drawn: batch_size - drawn,
    draw: Callable[[Tensor, int, torch.Generator], Tensor] = _draw,
    join: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda first, second, matched: torch.cat(
        [first, second]
    ),
) -> Callable[..., Tensor]:
    """Who is positive, who is background, how many of each, how they are drawn, and what is returned."""

    def sample_rois(
        matched: Tensor, batch_size: int, positive_fraction: float, generator: torch.Generator
    ) -> Tensor:
        positives, background = torch.where(is_positive(matched))[0], torch.where(is_background(matched))[0]
        limit = most(batch_size, positive_fraction, len(positives))
        first = draw(positives, limit, generator)
        return join(first, draw(background, room(batch_size, limit, len(first)), generator), matched)

    return sample_rois


# --- right ones, written differently ------------------------------------------------------------------------


def _by_sorting_keys(
    matched: Tensor, batch_size: int, positive_fraction: float, generator: torch.Generator
) -> Tensor:
    """Every RoI gets a random number; the smallest numbers win."""
    keys = torch.rand(len(matched), generator=generator, device=generator.device)
    order = keys.argsort().to(matched.device)
    positives = order[matched[order] >= 0][: int(batch_size * positive_fraction)]
    return torch.cat([positives, order[matched[order] == -1][: batch_size - len(positives)]])


def _one_by_one(
    matched: Tensor, batch_size: int, positive_fraction: float, generator: torch.Generator
) -> Tensor:
    """Pull one number after the other out of a hat."""

    def pull(hat: list[int], count: int) -> list[int]:
        drawn: list[int] = []
        while hat and len(drawn) < count:
            number = int(torch.randint(len(hat), (), generator=generator, device=generator.device))
            drawn.append(hat.pop(number))
        return drawn

    values = matched.tolist()
    positives = pull([i for i, v in enumerate(values) if v >= 0], int(batch_size * positive_fraction))
    background = pull([i for i, v in enumerate(values) if v == -1], batch_size - len(positives))
    return torch.tensor(positives + background, dtype=torch.int64, device=matched.device)


EXERCISE = Exercise(
    name="sample_rois",
    number=33,
    lab="05_fast_rcnn",
    task="Draw the RoIs of one training step: some positives, and background to fill up the batch.",
    difficulty=3,
    importance=3,
    minutes=15,
    oracle=reference,
    judge=_judge,
    axes=("position",),
    delegates=("torchvision.*",),
    families=(
        Family("ordinary matches", _ordinary),
        Family("few positives", _few_positives),
        Family("little background", _little_background),
        Family("fractions", _fractions),
        Family("nothing to draw", _nothing, hidden=True),
        Family("large batch", _all, hidden=True),
        Family("memory layout", _memory_layout, hidden=True),
        Family("as in training", _as_in_training, hidden=True),
    ),
    misconceptions=(
        Misconception(
            "no limit on positives",
            _sampler(most=lambda batch_size, fraction, available: batch_size),
            "Keep at most int(batch_size * positive_fraction) positives and leave the rest to background.",
        ),
        Misconception(
            "fraction of the positives",
            _sampler(most=lambda batch_size, fraction, available: int(available * fraction)),
            "positive_fraction is a share of batch_size, not of the positives that there are.",
        ),
        Misconception(
            "fraction rounded up",
            _sampler(most=lambda batch_size, fraction, available: math.ceil(batch_size * fraction)),
            "At most this share may be positive: cut the fraction off with int(...), do not round up.",
        ),
        Misconception(
            "ignored RoIs taken for background",
            _sampler(is_background=lambda matched: matched < 0),
            "Background is matched == -1; matched < 0 also catches -2, the RoIs too uncertain to learn from.",
        ),
        Misconception(
            "ground-truth box 0 forgotten",
            _sampler(is_positive=lambda matched: matched > 0),
            "matched holds the number of a ground-truth box, and box 0 is one: positive is matched >= 0.",
        ),
        Misconception(
            "matches taken for class labels",
            _sampler(is_positive=lambda matched: matched > 0, is_background=lambda matched: matched == 0),
            "matched is no class label: 0 is ground-truth box 0, hence positive, and background is -1.",
        ),
        Misconception(
            "batch not filled up",
            _sampler(room=lambda batch_size, most, drawn: batch_size - most),
            "Background gets all the room the positives leave: batch_size minus the positives really drawn.",
        ),
        Misconception(
            "drawn with repeats",
            _sampler(draw=_draw_with_repeats),
            "torch.randint may draw the same RoI twice: shuffle with torch.randperm and take the first ones.",
        ),
        Misconception(
            "first ones taken",
            _sampler(draw=lambda indices, count, generator: indices[:count]),
            "The first ones are the same in every step: shuffle with torch.randperm(n, generator=generator).",
        ),
        Misconception(
            "global generator",
            _sampler(draw=lambda indices, count, generator: indices[torch.randperm(len(indices))[:count]]),
            "Pass the generator on, torch.randperm(n, generator=generator), or nobody can repeat your training.",
        ),
        Misconception(
            "a seed of its own",
            _sampler(
                draw=lambda indices, count, generator: _draw(
                    indices, count, torch.Generator(generator.device).manual_seed(0)
                )
            ),
            "A seed inside the function draws the same RoIs in every step of the training.",
        ),
        Misconception(
            "numbers within the group",
            _sampler(
                draw=lambda indices, count, generator: _draw(torch.arange(len(indices)), count, generator)
            ),
            "randperm(len(positives)) numbers the positives themselves: look up positives[...] with it.",
        ),
        Misconception(
            "background first",
            _sampler(join=lambda first, second, matched: torch.cat([second, first])),
            "Positives come first: torch.cat([positives, background]).",
        ),
        Misconception(
            "matches returned",
            _sampler(join=lambda first, second, matched: matched[torch.cat([first, second])]),
            "Return the numbers of the drawn RoIs (indices into matched), not their matches.",
        ),
        Misconception(
            "drawn on another device than the generator's",
            _sampler(draw=_draw_on_the_matches_device),
            "A generator draws on its own device only: give randperm device=generator.device, index afterwards.",
        ),
        Misconception(
            "result left on the CPU",
            _sampler(
                join=lambda first, second, matched: torch.tensor(first.tolist() + second.tolist()).long()
            ),
            "torch.tensor(...) lives on the CPU: give it device=matched.device.",
        ),
    ),
    right_variants=(_sampler(), _by_sorting_keys, _one_by_one),
    hints=(
        "torch.where(matched >= 0)[0] are the indices of the positives, torch.where(matched == -1)[0] of background.",
        "torch.randperm(n, generator=generator)[:count] are count different numbers below n (or all n, when n is "
        "smaller). They number the positives, so look the indices up with positives[...].",
        "Draw int(batch_size * positive_fraction) positives, then batch_size minus the positives really drawn "
        "from background; join both with torch.cat, positives first.",
    ),
)
