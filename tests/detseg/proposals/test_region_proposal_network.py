import pytest
import torch
from torchvision.ops import nms as torchvision_nms

from detseg.losses import rpn_loss
from detseg.proposals import (
    RegionProposalNetwork,
    RPNHead,
    assign_anchors,
    filter_proposals,
    grid_anchors,
    sample_rois,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_head_flattens_in_anchor_order():
    head = RPNHead(8, 3)
    features = torch.randn(2, 8, 4, 6, generator=generator())
    objectness, deltas = head(features)
    assert objectness.shape == (2, 4 * 6 * 3)
    assert deltas.shape == (2, 4 * 6 * 3, 4)
    hidden = head.conv(features).relu()
    maps, moves = head.objectness(hidden), head.regress(hidden)
    for image, row, column, anchor in ((0, 0, 5, 2), (1, 3, 1, 0), (1, 2, 4, 1)):
        index = (row * 6 + column) * 3 + anchor
        assert objectness[image, index] == maps[image, anchor, row, column]
        assert torch.equal(deltas[image, index], moves[image, 4 * anchor : 4 * anchor + 4, row, column])


def judged(count=300, seed=0):
    """Random anchors in an image of 60 x 90, with logits and deltas."""
    draw = generator(seed)
    corner = torch.rand(count, 2, generator=draw) * torch.tensor([80.0, 50.0])
    anchors = torch.cat([corner, corner + 3 + 30 * torch.rand(count, 2, generator=draw)], dim=1)
    return (
        torch.randn(count, generator=draw),
        0.3 * torch.randn(count, 4, generator=draw),
        anchors,
    )


def reference(objectness, deltas, anchors, image_size, pre_nms, post_nms, nms_threshold, min_size):
    """The same steps by torchvision's box coder and NMS."""
    from torchvision.models.detection._utils import BoxCoder
    from torchvision.ops import clip_boxes_to_image, remove_small_boxes

    scores, best = objectness.topk(min(pre_nms, len(objectness)))
    boxes = BoxCoder((1.0, 1.0, 1.0, 1.0)).decode_single(deltas[best], anchors[best])
    boxes = clip_boxes_to_image(boxes, image_size)
    keep = remove_small_boxes(boxes, min_size)
    boxes, scores = boxes[keep], scores[keep].sigmoid()
    keep = torchvision_nms(boxes, scores, nms_threshold)[:post_nms]
    return boxes[keep], scores[keep]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("pre_nms", "post_nms", "min_size"), [(200, 50, 1.0), (1000, 1000, 8.0), (40, 300, 4.0)]
)
def test_proposals_are_torchvisions(seed, pre_nms, post_nms, min_size):
    objectness, deltas, anchors = judged(seed=seed)
    found = filter_proposals(objectness, deltas, anchors, (60, 90), pre_nms, post_nms, 0.6, min_size)
    expected = reference(objectness, deltas, anchors, (60, 90), pre_nms, post_nms, 0.6, min_size)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-5)


def test_a_side_equal_to_the_smallest_stays_and_ties_go_to_the_earlier():
    anchors = torch.tensor([[0.0, 0, 4, 9], [20, 20, 23.5, 40], [50, 10, 60, 30], [70, 10, 80, 30]])
    boxes, scores = filter_proposals(torch.zeros(4), torch.zeros(4, 4), anchors, (60, 90), 10, 2, 0.7, 4.0)
    assert boxes.tolist() == [[0, 0, 4, 9], [50, 10, 60, 30]]
    assert scores.tolist() == [0.5, 0.5]


def test_no_anchor_no_proposal():
    boxes, scores = filter_proposals(torch.zeros(0), torch.zeros(0, 4), torch.zeros(0, 4), (60, 90), 10, 5)
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_bad_input_is_named():
    objectness, deltas, anchors = judged(5)
    with pytest.raises(ValueError, match="diverged"):
        filter_proposals(objectness / 0, deltas, anchors, (60, 90), 10, 5)
    with pytest.raises(ValueError, match="deltas holds NaN"):
        filter_proposals(objectness, deltas * float("nan"), anchors, (60, 90), 10, 5)
    with pytest.raises(ValueError, match=r"must be \[5\] and \[5, 4\]"):
        filter_proposals(objectness[:4], deltas, anchors, (60, 90), 10, 5)
    with pytest.raises(ValueError, match="must not be negative"):
        filter_proposals(objectness, deltas, anchors, (60, 90), -1, 5)


def network(**operations):
    torch.manual_seed(0)
    return RegionProposalNetwork(8, 4, sizes=(8.0, 16.0), ratios=(0.5, 1.0, 2.0), **operations)


TARGETS = [
    {"boxes": torch.tensor([[4.0, 3, 19, 12], [20, 8, 33, 22]])},
    {"boxes": torch.zeros(0, 4)},
]


def test_anchors_of_the_map():
    features = torch.randn(2, 8, 6, 9, generator=generator())
    objectness, deltas, anchors = network()(features)
    assert objectness.shape == (2, 6 * 9 * 6)
    assert deltas.shape == (2, 6 * 9 * 6, 4)
    assert torch.equal(anchors, grid_anchors((6, 9), 4, network().cell))


def test_losses_of_an_image_without_objects_have_no_box_part():
    features = torch.randn(2, 8, 6, 9, generator=generator())
    rpn = network()
    objectness_loss, box_loss = rpn.losses(*rpn(features), TARGETS, generator())
    assert objectness_loss > 0
    assert box_loss > 0
    only_empty = rpn.losses(*rpn(features[1:]), TARGETS[1:], generator())
    assert only_empty[1] == 0
    sum(only_empty).backward()


def test_the_learners_operations_do_the_work():
    called = []

    def spy(function):
        def with_note(*args, **kwargs):
            called.append(function.__name__)
            return function(*args, **kwargs)

        return with_note

    operations = {
        f.__name__: spy(f) for f in (grid_anchors, assign_anchors, sample_rois, rpn_loss, filter_proposals)
    }
    rpn = network(**operations)
    features = torch.randn(2, 8, 6, 9, generator=generator())
    judged_map = rpn(features)
    losses = rpn.losses(*judged_map, TARGETS, generator())
    proposals = rpn.propose(*judged_map, (24, 36), pre_nms=100, post_nms=20)
    assert called == [
        "grid_anchors",
        *["assign_anchors", "sample_rois", "rpn_loss"] * 2,
        *["filter_proposals"] * 2,
    ]
    reference_rpn = network()
    assert losses == reference_rpn.losses(*reference_rpn(features), TARGETS, generator())
    assert [len(boxes) <= 20 for boxes in proposals] == [True, True]
    assert not proposals[0].requires_grad


def test_a_head_of_the_wrong_shape_is_named():
    class Head(RPNHead):
        def forward(self, features):
            objectness, deltas = super().forward(features)
            return objectness, deltas.flatten(1)

    with pytest.raises(ValueError, match=r"head must return \[1, 324\] and \[1, 324, 4\]"):
        network(rpn_head=Head)(torch.randn(1, 8, 6, 9))
