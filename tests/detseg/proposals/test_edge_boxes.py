import numpy as np
import pytest
import torch

from detseg.boxes import box_iou
from detseg.data.farm import farm_scene
from detseg.proposals.edge_boxes import edge_boxes, edge_groups, edges, score_windows


def rectangle():
    """A bright rectangle, rows 12 to 28 and columns 20 to 50, on a dark picture of 40 x 64."""
    image = np.full((40, 64, 3), 40, np.uint8)
    image[12:28, 20:50] = 200
    return image


def test_edges_are_thin_and_lie_on_the_border():
    strength, orientation = edges(rectangle())
    assert strength.dtype == np.float32
    assert strength.max() == 1
    rows, columns = np.nonzero(strength)
    assert 11 <= rows.min() <= rows.max() <= 28
    assert (strength[20] > 0).sum() == 2  # one pixel for each side
    assert (strength[:, 35] > 0).sum() == 2
    assert orientation[20, strength[20] > 0].tolist() == [0, 0]  # the gradient goes sideways
    assert orientation[strength[:, 35] > 0, 35].tolist() == [2, 2]
    assert 19 <= columns.min() <= columns.max() <= 50


def test_groups_follow_an_edge_and_end_where_it_turns_too_far():
    strength = np.zeros((9, 14), np.float32)
    orientation = np.zeros((9, 14), np.int64)
    strength[2, 1:12] = 1  # a straight line, its gradient downwards
    orientation[2] = 2
    strength[5, 1:6] = 1  # a line whose gradient turns by a quarter twice
    orientation[5, 1:6] = [0, 2, 2, 0, 0]
    groups = edge_groups(strength, orientation)
    assert (groups >= 0).tolist() == (strength > 0).tolist()
    assert len(set(groups[2, 1:12])) == 1
    assert groups[5, 1] == groups[5, 3] != groups[5, 4] == groups[5, 5]


def test_only_whole_contours_count_and_the_middle_does_not():
    strength = np.zeros((20, 30), np.float32)
    strength[4, 6:16] = 0.5  # 10 pixels
    groups = np.where(strength > 0, 0, -1)
    boxes = np.array([[5.0, 3, 17, 15], [7, 3, 19, 15], [6, 4, 16, 5], [1, -1 + 1, 21, 9]])
    scores = score_windows(boxes, strength, groups)
    assert scores[0] == pytest.approx(5 / (2 * 24**1.5))
    assert scores[1] == 0  # cuts the contour
    assert scores[2] > 0  # touching the border is inside
    assert scores[3] == pytest.approx((5 - 5) / (2 * 29**1.5), abs=1e-6)  # all of it lies in the middle half


def test_a_square_is_found():
    image = np.full((40, 64, 3), 40, np.uint8)
    image[12:28, 20:36] = 200
    boxes = edge_boxes(image)
    assert boxes.dtype == torch.float32
    assert box_iou(boxes[:5], torch.tensor([[20.0, 12, 36, 28]])).max() > 0.6
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2] <= 64).all()
    assert (boxes[:, 3] <= 40).all()


def test_tensor_and_array_agree_and_the_limit_holds():
    image = rectangle()
    boxes = edge_boxes(image, limit=7)
    assert boxes.shape == (7, 4)
    assert torch.equal(boxes, edge_boxes(torch.from_numpy(image).permute(2, 0, 1), limit=7))


def test_a_picture_without_edges_or_room_has_no_proposals():
    assert edge_boxes(np.full((40, 64, 3), 90, np.uint8)).shape == (0, 4)
    assert edge_boxes(rectangle()[:10, :12]).shape == (0, 4)


def test_most_objects_of_a_farm_scene_are_covered():
    scene = farm_scene(3)
    gt_boxes = torch.from_numpy(np.asarray(scene.boxes, np.float32))
    covered = box_iou(gt_boxes, edge_boxes(scene.image, limit=500)).amax(1) >= 0.5
    assert covered.float().mean() >= 0.75


def test_bad_images_are_named():
    with pytest.raises(TypeError, match="uint8"):
        edge_boxes(np.zeros((8, 8, 3), np.float32))
    with pytest.raises(ValueError, match=r"\[3, H, W\]"):
        edge_boxes(torch.zeros(8, 8, 3, dtype=torch.uint8))
