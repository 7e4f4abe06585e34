"""The scores of the COCO challenge (Lin et al. 2014), in our own arithmetic.

Where VOC asks for an IoU of 0.5, COCO averages over ten thresholds, and also looks at small, medium and large objects
by themselves. `detseg.metrics.coco_library` has the same from pycocotools: take that for figures to publish, read this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from detseg.boxes.iou import box_iou
from detseg.metrics.average_precision import average_precision, recall_and_precision
from detseg.metrics.mask_iou import intersection_and_union
from detseg.metrics.match_detections import HIT, MISS, NOT_COUNTED

IOU_THRESHOLDS = torch.from_numpy(np.linspace(0.5, 0.95, 10))
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Square pixels, both ends included."""


@dataclass(frozen=True)
class CocoScores:
    """The twelve numbers of COCO's table, each in [0, 1]; NaN where there is nothing to find."""

    ap: float  # mean over classes and thresholds
    ap50: float  # at IoU 0.5 alone
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float  # average recall with one detection of each class in an image
    ar10: float
    ar100: float
    ar_small: float  # with 100 detections
    ar_medium: float
    ar_large: float
    ap_of_class: tuple[float, ...] = field(default=(), repr=False)  # from class 1


@dataclass
class _Pair:
    """The detections of one class in one image, best first, and the objects they should find."""

    scores: Tensor  # [N]
    areas: Tensor  # [N]
    iou: Tensor  # [N, G]
    gt_areas: Tensor  # [G]
    crowd: Tensor  # bool [G]


def coco_scores(
    detections: Sequence[tuple[Tensor, Tensor, Tensor]],
    targets: Sequence[Mapping[str, Tensor]],
    num_classes: int,
    masks: bool = False,
) -> CocoScores:
    """COCO's average precision and average recall over a whole set of images.

    Args:
        detections: for each image boxes ``[N, 4]``, scores ``[N]`` and labels ``[N]``; with ``masks``, bool masks
            ``[N, H, W]`` instead of the boxes.
        targets: for each image a dict with "labels" int64 ``[G]`` and "boxes" ``[G, 4]``, or "instance_masks" bool
            ``[G, H, W]``; where there are any, "crowd" bool ``[G]``, groups that count neither way, and "area" ``[G]``,
            square pixels, which decide about small and large (else the area of the box or mask does).
        num_classes: K, background included.
        masks: whether masks are compared, or boxes.

    Returns:
        The scores. A class without ground truth is left out of every mean; one without detections scores 0.

    Raises:
        ValueError: another number of detections than of targets; see also :func:`detseg.boxes.box_iou` and
            :func:`detseg.metrics.mask_iou`.
    """
    if len(detections) != len(targets):
        raise ValueError(
            f"one entry for each image is needed, got {len(detections)} and {len(targets)} targets"
        )
    pairs = [
        [_pair(label, found, target, masks) for found, target in zip(detections, targets, strict=True)]
        for label in range(1, num_classes)
    ]
    curves = {area: [_curves(of_class, *limits) for of_class in pairs] for area, limits in AREAS.items()}
    ap = {area: [precision for precision, _ in of_area] for area, of_area in curves.items()}  # [class][T]
    recall = {area: [recall for _, recall in of_area] for area, of_area in curves.items()}
    few = {limit: [_curves(of_class, *AREAS["all"], limit)[1] for of_class in pairs] for limit in (1, 10)}
    return CocoScores(
        ap=_mean(ap["all"]),
        ap50=_mean([of_class[:1] for of_class in ap["all"]]),
        ap75=_mean([of_class[5:6] for of_class in ap["all"]]),
        ap_small=_mean(ap["small"]),
        ap_medium=_mean(ap["medium"]),
        ap_large=_mean(ap["large"]),
        ar1=_mean(few[1]),
        ar10=_mean(few[10]),
        ar100=_mean(recall["all"]),
        ar_small=_mean(recall["small"]),
        ar_medium=_mean(recall["medium"]),
        ar_large=_mean(recall["large"]),
        ap_of_class=tuple(_mean([of_class]) for of_class in ap["all"]),
    )


def match_coco(iou: Tensor, counted: Tensor, crowd: Tensor, thresholds: Tensor) -> Tensor:
    """Judge the detections of one class in one image by COCO's rule, for every threshold at once.

    Unlike VOC's, a detection whose best object is taken may take its second best. Objects that do not count are
    looked at only when no counted one is left to take; a crowd may be taken any number of times.

    Args:
        iou: ``[N, G]``, best detection first.
        counted: bool ``[G]``, False for crowds and for objects of another size.
        crowd: bool ``[G]``.
        thresholds: ``[T]``.

    Returns:
        int64 ``[T, N]``: 1 hit, 0 miss, -1 took an object that does not count.
    """
    outcome = torch.full((len(thresholds), len(iou)), MISS)
    if iou.shape[1] == 0:
        return outcome
    free = torch.ones(len(thresholds), iou.shape[1], dtype=torch.bool)
    last = iou.shape[1] - 1
    for rank, overlap in enumerate(iou):  # [G]
        for wanted, verdict in ((counted, HIT), (~counted, NOT_COUNTED)):
            there = overlap.where(wanted & (free | crowd), -1)  # [T, G]
            best_iou, from_end = there.flip(1).max(
                dim=1
            )  # 2 x [T]; of equal overlaps the later one, as pycocotools
            takes = (best_iou >= thresholds) & (outcome[:, rank] == MISS)  # [T]
            outcome[takes, rank] = verdict
            free[takes, last - from_end[takes]] = False
    return outcome


def _pair(
    label: int, found: tuple[Tensor, Tensor, Tensor], target: Mapping[str, Tensor], masks: bool
) -> _Pair:
    """One class of one image: everything that does not depend on threshold or size."""
    things, scores, labels = (part.cpu() for part in found)
    gt_things = target["instance_masks" if masks else "boxes"].cpu()
    theirs = target["labels"].cpu() == label
    scores, order = scores[labels == label].double().sort(descending=True, stable=True)
    things, gt_things = things[labels == label][order[:100]], gt_things[theirs]
    if masks:
        both, either = (part.double() for part in intersection_and_union(things, gt_things))  # 2 x [N, G]
        iou = both / either.clamp(min=1)
        areas, gt_areas = (some.sum((1, 2)).double() for some in (things, gt_things))
    else:
        things, gt_things = things.double(), gt_things.double()
        iou = box_iou(things, gt_things)  # [N, G]
        areas, gt_areas = ((some[:, 2:] - some[:, :2]).prod(1) for some in (things, gt_things))
    crowd = target.get("crowd", torch.zeros_like(theirs)).cpu()[theirs]  # [G]
    # A detection inside a crowd is right, however little of the crowd it covers: intersection over its own area.
    covered = iou / (1 + iou) * (areas[:, None] + gt_areas) / areas[:, None].clamp(min=1e-9)
    gt_areas = target["area"].cpu()[theirs].double() if "area" in target else gt_areas
    return _Pair(scores[:100], areas, torch.where(crowd, covered, iou), gt_areas, crowd)


def _curves(
    pairs: Sequence[_Pair], smallest: float, largest: float, limit: int = 100
) -> tuple[list[float], list[float]]:
    """Average precision and final recall at each threshold, of one class; empty lists without ground truth."""
    outcomes, ground_truth = [], 0
    for pair in pairs:
        counted = ~pair.crowd & (pair.gt_areas >= smallest) & (pair.gt_areas <= largest)  # [G]
        outcome = match_coco(pair.iou[:limit], counted, pair.crowd, IOU_THRESHOLDS)  # [T, N]
        other_size = (pair.areas < smallest) | (pair.areas > largest)  # [N]
        outcomes.append(outcome.masked_fill((outcome == MISS) & other_size[:limit], NOT_COUNTED))
        ground_truth += int(counted.sum())
    if ground_truth == 0:
        return [], []
    scores = [pair.scores[:limit] for pair in pairs]
    precisions, recalls = [], []
    for at_threshold in zip(*outcomes, strict=True):  # [N] of each image
        recall, precision = recall_and_precision(at_threshold, scores, ground_truth)
        precisions.append(average_precision(recall, precision, "coco"))
        recalls.append(float(recall[-1]) if len(recall) else 0.0)
    return precisions, recalls


def _mean(of_classes: Sequence[Sequence[float]]) -> float:
    """Over all classes that have ground truth."""
    values = [value for of_class in of_classes for value in of_class]
    return fmean(values) if values else float("nan")
