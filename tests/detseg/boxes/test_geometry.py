import pytest
import torch
from torchvision.ops import box_convert, clip_boxes_to_image

from detseg.boxes import check_boxes, clip_boxes, cxcywh_to_xyxy, xyxy_to_cxcywh


def some_boxes(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 60 - 20
    return torch.cat([corner, corner + torch.rand(count, 2, generator=generator) * 50], dim=1)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_formats_agree_with_torchvision(count):
    boxes = some_boxes(count)
    torch.testing.assert_close(xyxy_to_cxcywh(boxes), box_convert(boxes, "xyxy", "cxcywh"))
    torch.testing.assert_close(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_formats_keep_the_dtype(dtype):
    boxes = torch.tensor([[1, 2, 5, 12]], dtype=dtype)
    assert xyxy_to_cxcywh(boxes).dtype == dtype
    assert cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)).equal(boxes)


def test_integer_boxes_may_have_their_centre_at_a_half():
    assert xyxy_to_cxcywh(torch.tensor([[0, 0, 3, 8]])).tolist() == [[1.5, 4.0, 3.0, 8.0]]
    assert cxcywh_to_xyxy(torch.tensor([[2, 4, 3, 8]])).tolist() == [[0.5, 0.0, 3.5, 8.0]]


def test_clip_agrees_with_torchvision_and_leaves_its_input():
    boxes = some_boxes(40)
    before = boxes.clone()
    assert clip_boxes(boxes, (30, 44)).equal(clip_boxes_to_image(boxes, (30, 44)))
    assert boxes.equal(before)


def test_clip_takes_boxes_of_every_class():
    boxes = some_boxes(12).view(4, 3, 4)
    assert clip_boxes(boxes, (30, 44)).equal(clip_boxes(boxes.view(-1, 4), (30, 44)).view(4, 3, 4))


def test_clip_takes_the_height_first():
    assert clip_boxes(torch.tensor([[-5.0, -5.0, 100.0, 100.0]]), (30, 44)).tolist() == [[0, 0, 44, 30]]


@pytest.mark.parametrize(
    ("boxes", "words"),
    [
        (torch.zeros(4), r"must be \[N, 4\].*got \[4\]"),
        (torch.zeros(3, 5), r"must be \[N, 4\].*got \[3, 5\]"),
        (torch.zeros(0), r"reshape\(-1, 4\)"),
        (torch.tensor([[0.0, 0, 1, 1], [0, float("nan"), 1, 1]]), r"boxes\[1\] is not finite"),
        (torch.tensor([[0.0, 0, float("inf"), 1]]), r"boxes\[0\] is not finite"),
    ],
)
def test_what_is_no_boxes_is_refused(boxes, words):
    with pytest.raises(ValueError, match=words):
        check_boxes(boxes)


@pytest.mark.parametrize("boxes", [[[0, 0, 1, 1]], torch.zeros(1, 4, dtype=torch.bool)])
def test_what_is_no_tensor_of_numbers_is_refused(boxes):
    with pytest.raises(TypeError):
        check_boxes(boxes)


@pytest.mark.parametrize("box", [[5.0, 0, 5, 1], [0, 3, 2, 1]])
def test_boxes_without_area_are_refused_where_they_must_have_one(box):
    boxes = torch.tensor([[0.0, 0, 1, 1], box])
    check_boxes(boxes)
    with pytest.raises(ValueError, match=r"proposals\[1\] has no positive width and height"):
        check_boxes(boxes, "proposals", positive=True)


def test_image_size_is_two_positive_numbers():
    with pytest.raises(ValueError, match="height, width"):
        clip_boxes(torch.zeros(1, 4), (0, 10))
    with pytest.raises(ValueError, match="height, width"):
        clip_boxes(torch.zeros(1, 4), (3, 20, 10))
