import pytest
import torch

from autograder import check
from autograder.exercises import Case, Seeded, load

JUDGE = load("sample_rois").judge
#                        0   1   2   3   4   5   6   7   8   9  10  11
MATCHED = torch.tensor(
    [-1, 0, -2, -1, 1, -1, 0, -1, -2, 2, -1, -1]
)  # positives 1 4 6 9, background 0 3 5 7 10 11
EXAMPLE = torch.tensor([4, 1, 0, 7, 10])
CASE = Case((MATCHED, 5, 0.5, Seeded(0)), "")  # two positives and three of background


def message(drawn, case=CASE):
    mismatch = JUDGE(case, torch.tensor(drawn) if isinstance(drawn, list) else drawn, EXAMPLE)
    return mismatch.message if mismatch else ""


@pytest.mark.parametrize("drawn", [[4, 1, 0, 7, 10], [9, 6, 11, 3, 5]])
def test_right_draws_pass(drawn):
    assert message(drawn) == ""


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        (None, "None"),
        ((4, 1, 0), "tuple"),
        (torch.ones(12, dtype=torch.bool), "mask"),
        (torch.tensor([[4], [1], [0], [7], [10]]), "nonzero()"),
        (torch.tensor([4.0, 1.0, 0.0, 7.0, 10.0]), "float32"),
        ([4, 1, 0, 7, 12], "position 4 holds 12"),
        ([4, 1, 0, 7, -1], "position 4 holds -1"),
        ([4, 1, 0, 2, 10], "matched[2] is -2"),
        ([4, 1, 0, 7, 0], "RoI 0 is drawn twice (positions 2 and 4)"),
        ([4, 1, 9, 7, 10], "3 positives are drawn, but int(5 * 0.5) = 2"),
        ([4, 0, 3, 7, 10], "2 must be drawn"),
        ([4, 0, 1, 7, 10], "RoI 0 (matched -1) comes before RoI 1 (matched 0)"),
        ([4, 1, 0, 7], "it must be 3"),
        ([4, 1, 0, 7, 10, 3], "it must be 3"),
    ],
)
def test_broken_rule_is_named(drawn, words):
    assert words in message(drawn)


def test_nothing_to_draw_wants_an_empty_int64_tensor():
    case = Case((torch.full((4,), -2), 5, 0.5, Seeded(0)), "")
    assert message(torch.zeros(0, dtype=torch.int64), case) == ""
    assert "float32" in message(torch.tensor([]), case)


def test_first_ones_are_no_draw():
    case = Case((torch.tensor([0] * 40 + [-1] * 60), 32, 0.25, Seeded(0)), "")
    assert "the first 8 of 40" in message([*range(8), *range(50, 74)], case)
    assert "the first 24 of 60" in message([*range(20, 28), *range(40, 64)], case)
    assert "the last 8 of 40" in message([*range(32, 40), *range(50, 74)], case)
    assert "the last 24 of 60" in message([*range(20, 28), *range(76, 100)], case)
    assert message([*range(20, 28), *range(50, 74)], case) == ""


def drawing(order):
    """A right sampler but for the order of the candidates, ``order(n, generator)``."""

    def sample_rois(matched, batch_size, positive_fraction, generator):
        positives, background = torch.where(matched >= 0)[0], torch.where(matched == -1)[0]
        positives = positives[order(len(positives), generator)[: int(batch_size * positive_fraction)]]
        return torch.cat(
            [positives, background[order(len(background), generator)][: batch_size - len(positives)]]
        )

    return sample_rois


def own_generator(n, generator):
    return torch.randperm(n, generator=torch.Generator().manual_seed(42))


def global_seed(n, generator):
    torch.manual_seed(7)
    return torch.randperm(n)


def own_seed_from_the_given_one(n, generator):
    return torch.randperm(n, generator=torch.Generator().manual_seed(generator.initial_seed()))


def reseeded(n, generator):
    return torch.randperm(n, generator=generator.manual_seed(3))


def turned_by_the_seed(n, generator):
    return torch.arange(n).roll(-1 - generator.initial_seed() % max(n - 1, 1))


@pytest.mark.parametrize(
    "order", [own_generator, global_seed, own_seed_from_the_given_one, reseeded, turned_by_the_seed]
)
def test_a_draw_that_ignores_the_generator_is_told(order):
    outcome = check(drawing(order), "sample_rois")
    assert outcome.points == 0
    assert "the next call would draw the same again" in outcome.message


def test_first_ones_are_told_as_such_not_as_a_seed():
    outcome = check(drawing(lambda n, generator: torch.arange(n)), "sample_rois", hidden=True, seed=0)
    assert outcome.misconception == "first ones taken"
