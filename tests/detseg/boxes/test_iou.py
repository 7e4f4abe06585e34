import pytest
import torch
import torchvision

from detseg.boxes import box_iou


def some_boxes(count: int, seed: int, scale: float = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * scale - scale / 3
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * scale], dim=1)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0), (1, 1), (13, 7), (300, 41)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equals_torchvision(n, m, dtype):
    a, b = some_boxes(n, 1).to(dtype), some_boxes(m, 2).to(dtype)
    result = box_iou(a, b)
    assert result.dtype == dtype
    assert result.shape == (n, m)
    torch.testing.assert_close(result, torchvision.ops.box_iou(a, b))


def test_worked_by_hand():
    a = torch.tensor([[0.0, 0, 4, 2], [1, 0, 2, 1]])
    b = torch.tensor([[2.0, 0, 6, 2], [10, 10, 12, 11], [0, 0, 4, 2]])
    assert box_iou(a, b).equal(torch.tensor([[4 / 12, 0, 1], [0, 0, 0.125]]))


def test_boxes_without_area_give_0_and_never_nan():
    a = torch.tensor([[3.0, 3, 3, 3], [0, 0, 0, 5], [4, 4, 2, 2], [0, 0, 9, 9]])
    result = box_iou(a, a)
    assert result.isfinite().all()
    assert result[:3].eq(0).all()


def test_huge_boxes_do_not_give_nan():
    boxes = torch.tensor([[0.0, 0, 1e30, 1e30], [-1e30, 0, 0, 1e30]])
    oracle = torchvision.ops.box_iou(boxes, boxes).nan_to_num(nan=0.0)
    assert box_iou(boxes, boxes).equal(oracle)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32, torch.int64])
def test_half_and_integers_are_computed_in_float32(dtype):
    a, b = (some_boxes(9, seed, 400).to(dtype) for seed in (1, 2))
    result = box_iou(a, b)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, torchvision.ops.box_iou(a.float(), b.float()))


def test_views_and_large_tables():
    a = some_boxes(1500, 3).T.contiguous().T
    b = some_boxes(1400, 4)[::2]
    torch.testing.assert_close(box_iou(a, b), torchvision.ops.box_iou(a.contiguous(), b.contiguous()))


def test_gradient_equals_torchvisions():
    a, b = some_boxes(9, 5, 20), some_boxes(6, 6, 20)
    ours, theirs = a.clone().requires_grad_(), a.clone().requires_grad_()
    box_iou(ours, b).square().sum().backward()
    torchvision.ops.box_iou(theirs, b).square().sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_inputs_are_not_changed():
    a = some_boxes(5, 7)
    before = a.clone()
    box_iou(a, a)
    assert a.equal(before)


def test_bad_boxes_are_named():
    with pytest.raises(ValueError, match="boxes2"):
        box_iou(torch.zeros(1, 4), torch.zeros(1, 5))
