import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from detseg.boxes import HEAD_WEIGHTS, decode_boxes, encode_boxes

ONES = (1.0, 1.0, 1.0, 1.0)


def some_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 60
    return torch.cat([corner, corner + 1 + torch.rand(count, 2, generator=generator) * 50], dim=1)


@pytest.mark.parametrize("weights", [ONES, HEAD_WEIGHTS])
@pytest.mark.parametrize("count", [0, 1, 23])
def test_equals_torchvisions_coder(weights, count):
    gt, proposals, coder = some_boxes(count, 1), some_boxes(count, 2), BoxCoder(weights)
    deltas = encode_boxes(gt, proposals, weights)
    torch.testing.assert_close(deltas, coder.encode_single(gt, proposals))
    torch.testing.assert_close(decode_boxes(deltas, proposals, weights), gt, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(
        decode_boxes(deltas, proposals, weights), coder.decode_single(deltas, proposals)
    )


def test_deltas_of_every_class():
    deltas = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    proposals = some_boxes(5, 3)
    boxes = decode_boxes(deltas, proposals, HEAD_WEIGHTS)
    assert boxes.shape == (5, 3, 4)
    for label in range(3):
        torch.testing.assert_close(boxes[:, label], decode_boxes(deltas[:, label], proposals, HEAD_WEIGHTS))
    coder = BoxCoder(HEAD_WEIGHTS)
    torch.testing.assert_close(boxes, coder.decode_single(deltas.flatten(1), proposals).view(5, 3, 4))


def test_worked_by_hand():
    proposal, gt = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 10, 25, 20]])
    assert encode_boxes(gt, proposal, ONES)[0].tolist() == pytest.approx(
        [1.0, 0.25, math.log(2), -math.log(2)]
    )


def test_a_huge_scale_is_clamped():
    box = decode_boxes(torch.tensor([[0.0, 0, 1000, 1000]]), torch.tensor([[0.0, 0, 16, 32]]), ONES)
    assert (box[0, 2] - box[0, 0]).item() == pytest.approx(1000, rel=1e-5)
    assert (box[0, 3] - box[0, 1]).item() == pytest.approx(2000, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_computed_in_float32(dtype):
    gt, proposals = some_boxes(3, 4).to(dtype), some_boxes(3, 5).to(dtype)
    deltas = encode_boxes(gt, proposals, ONES)
    assert deltas.dtype == torch.float32
    assert deltas.equal(encode_boxes(gt.float(), proposals.float(), ONES))
    assert decode_boxes(deltas.to(dtype), proposals, ONES).dtype == torch.float32


def test_decoding_has_a_gradient():
    deltas = torch.zeros(2, 3, 4, requires_grad=True)
    decode_boxes(deltas, some_boxes(2, 6), ONES).sum().backward()
    assert deltas.grad.abs().sum() > 0


def test_bad_input_is_named():
    good = torch.tensor([[0.0, 0, 4, 5]])
    with pytest.raises(ValueError, match=r"proposals\[0\] has no positive"):
        encode_boxes(good, torch.tensor([[3.0, 3, 3, 5]]), ONES)
    with pytest.raises(ValueError, match=r"gt\[0\] has no positive"):
        encode_boxes(torch.tensor([[3.0, 3, 2, 5]]), good, ONES)
    with pytest.raises(ValueError, match="go in pairs"):
        encode_boxes(good, good.repeat(2, 1), ONES)
    with pytest.raises(ValueError, match="weights"):
        encode_boxes(good, good, (1.0, 1.0))
    with pytest.raises(ValueError, match="deltas must be"):
        decode_boxes(torch.zeros(2, 4), good, ONES)
