import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from detseg.boxes import box_iou, decode_boxes
from detseg.proposals import assign_anchors, cell_anchors, grid_anchors

SIZES, RATIOS = (16.0, 32.0, 64.0), (0.5, 1.0, 2.0)


def test_cell_anchors_by_hand():
    anchors = cell_anchors([8.0, 16.0], [0.25, 1.0])
    assert anchors.tolist() == [[-8, -2, 8, 2], [-16, -4, 16, 4], [-4, -4, 4, 4], [-8, -8, 8, 8]]


def test_cell_anchors_equal_torchvision_to_half_a_pixel():
    oracle = AnchorGenerator.generate_anchors(AnchorGenerator(), SIZES, RATIOS)  # rounded
    assert (cell_anchors(SIZES, RATIOS) - oracle).abs().max() <= 0.5


def test_the_grid_equals_torchvision_half_a_stride_off():
    generator = AnchorGenerator((SIZES,), (RATIOS,))
    oracle = generator(ImageList(torch.zeros(1, 3, 40, 56), [(40, 56)]), [torch.zeros(1, 1, 5, 7)])[0]
    anchors = grid_anchors((5, 7), 8, cell_anchors(SIZES, RATIOS))
    assert anchors.shape == (5 * 7 * 9, 4)
    assert (anchors - oracle - 4).abs().max() <= 0.5


def test_the_grid_goes_by_row_column_anchor():
    cell = cell_anchors([2.0, 4.0], [1.0])
    anchors = grid_anchors((2, 3), 10, cell)
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    assert centres[::2].tolist() == [[5, 5], [15, 5], [25, 5], [5, 15], [15, 15], [25, 15]]
    assert (anchors[:, 2] - anchors[:, 0]).tolist() == [2, 4] * 6
    assert grid_anchors((0, 3), 10, cell).shape == (0, 4)


def test_assigned_anchors_decode_to_their_objects():
    anchors = grid_anchors((8, 10), 8, cell_anchors(SIZES, RATIOS))
    gt = torch.tensor([[3.0, 4, 40, 30], [20, 10, 75, 60], [60, 2, 68, 9]])
    matched, deltas = assign_anchors(anchors, gt)
    positive = matched >= 0
    assert set(matched[positive].tolist()) == {0, 1, 2}
    torch.testing.assert_close(
        decode_boxes(deltas[positive], anchors[positive], (1.0,) * 4),
        gt[matched[positive]],
        atol=1e-3,
        rtol=1e-4,
    )
    best = box_iou(gt, anchors).amax(0)
    assert (matched[best >= 0.7] >= 0).all()
    assert (best[matched == -1] < 0.3).all()
    assert ((best[matched == -2] >= 0.3) & (best[matched == -2] < 0.7)).all()
    assert deltas.shape == anchors.shape


def test_without_objects_all_is_background():
    anchors = grid_anchors((2, 3), 8, cell_anchors(SIZES, RATIOS))
    matched, deltas = assign_anchors(anchors, torch.zeros(0, 4))
    assert matched.eq(-1).all()
    assert deltas.eq(0).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="sizes and ratios"):
        cell_anchors([], [1.0])
    with pytest.raises(ValueError, match="sizes and ratios"):
        cell_anchors([4.0], [0.0])
    with pytest.raises(ValueError, match="cell must be"):
        grid_anchors((2, 3), 8, torch.zeros(3))
    with pytest.raises(ValueError, match="stride"):
        grid_anchors((2, 3), 0, torch.zeros(1, 4))
