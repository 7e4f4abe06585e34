import pytest
import torch

from detseg.proposals import sample_rois


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("positives", "negatives", "ignored", "expected"),
    [
        (20, 100, 10, (8, 24)),  # enough of both
        (3, 100, 10, (3, 29)),  # few positives: more background
        (20, 5, 10, (8, 5)),  # few negatives: a smaller batch, not more positives
        (0, 40, 3, (0, 32)),
        (40, 0, 3, (8, 0)),
        (0, 0, 9, (0, 0)),
        (0, 0, 0, (0, 0)),
    ],
)
def test_how_many(positives, negatives, ignored, expected):
    matched = torch.tensor([2] * positives + [-1] * negatives + [-2] * ignored, dtype=torch.int64)
    matched = matched[torch.randperm(len(matched), generator=seeded(1))]
    drawn = sample_rois(matched, 32, 0.25, seeded())
    assert drawn.dtype == torch.int64
    assert len(drawn.unique()) == len(drawn)
    kinds = matched[drawn]
    assert (kinds[: expected[0]] >= 0).all()
    assert (kinds[expected[0] :] == -1).all()
    assert len(drawn) == sum(expected)


def test_the_fraction_is_rounded_down():
    matched = torch.zeros(10, dtype=torch.int64)
    assert len(sample_rois(matched, 7, 0.5, seeded())) == 3
    assert len(sample_rois(matched, 7, 1.0, seeded())) == 7
    assert len(sample_rois(matched, 0, 1.0, seeded())) == 0


def test_the_seed_decides():
    matched = torch.where(torch.rand(200, generator=seeded()) < 0.3, 0, -1)
    draws = [sample_rois(matched, 16, 0.5, seeded(seed)).tolist() for seed in (3, 3, 4)]
    assert draws[0] == draws[1] != draws[2]


def test_everyone_is_drawn_equally_often():
    matched = torch.tensor([0] * 4 + [-1] * 6)
    generator, counts = seeded(), torch.zeros(10)
    for _ in range(600):
        counts[sample_rois(matched, 4, 0.5, generator)] += 1
    assert (counts[:4] - 300).abs().max() < 60
    assert (counts[4:] - 200).abs().max() < 60


def test_bad_input_is_named():
    matched = torch.zeros(3, dtype=torch.int64)
    with pytest.raises(TypeError, match="int64"):
        sample_rois(matched.float(), 4, 0.5, seeded())
    with pytest.raises(TypeError, match="Generator"):
        sample_rois(matched, 4, 0.5, 7)
    with pytest.raises(ValueError, match=r"matched must be \[N\]"):
        sample_rois(matched[None], 4, 0.5, seeded())
    with pytest.raises(ValueError, match="positive_fraction"):
        sample_rois(matched, 4, 1.5, seeded())
    with pytest.raises(ValueError, match="batch_size"):
        sample_rois(matched, -1, 0.5, seeded())
