"""The scores of the COCO challenge by pycocotools, the challenge's own program: what published figures come from."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from detseg.metrics.coco import CocoScores


def pycocotools_scores(
    detections: Sequence[tuple[Tensor, Tensor, Tensor]],
    targets: Sequence[Mapping[str, Tensor]],
    num_classes: int,
    masks: bool = False,
) -> CocoScores:
    """What :func:`detseg.metrics.coco_scores` is in our own arithmetic; same arguments, same result."""
    if len(detections) != len(targets):
        raise ValueError(
            f"one entry for each image is needed, got {len(detections)} and {len(targets)} targets"
        )
    key = "instance_masks" if masks else "boxes"
    objects, found = [], []
    for image, target in enumerate(targets):
        described = _described(image, target[key], target["labels"], masks)
        for name, entry in (("crowd", "iscrowd"), ("area", "area")):
            for annotation, value in zip(described, target.get(name, ()), strict=False):
                annotation[entry] = value.item()
        objects += described
    for image, (things, scores, labels) in enumerate(detections):
        described = _described(image, things, labels, masks)
        found += [{**one, "score": score} for one, score in zip(described, scores.tolist(), strict=True)]
    images = [
        {"id": image, **dict(zip(("height", "width"), target[key].shape[1:], strict=False))}
        for image, target in enumerate(targets)
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools reports every step
        evaluation = COCOeval(
            _data_set(images, objects, num_classes),
            _data_set(images, found, num_classes),
            "segm" if masks else "bbox",
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = [value if value > -1 else float("nan") for value in evaluation.stats.tolist()]
    table: dict[str, Any] = dict(zip(CocoScores.__dataclass_fields__, values, strict=False))
    precision = evaluation.eval["precision"][
        :, :, :, 0, 2
    ]  # [threshold, recall, class]: all sizes, 100 detections
    of_class = [
        float(part.mean()) if (part > -1).all() else float("nan") for part in np.moveaxis(precision, 2, 0)
    ]
    return CocoScores(**table, ap_of_class=tuple(of_class))


def _described(image: int, things: Tensor, labels: Tensor, masks: bool) -> list[dict[str, Any]]:
    """Boxes or masks as COCO's annotations."""
    annotations = []
    for thing, label in zip(things.cpu(), labels.tolist(), strict=True):
        annotation = {"image_id": image, "category_id": label, "iscrowd": 0}
        if masks:
            rle = coco_mask.encode(np.asfortranarray(thing.numpy().astype(np.uint8)))
            annotation |= {"segmentation": rle, "area": float(coco_mask.area(rle))}
        else:
            x1, y1, x2, y2 = thing.tolist()
            annotation |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
        annotations.append(annotation)
    return annotations


def _data_set(images: list[dict[str, Any]], annotations: list[dict[str, Any]], num_classes: int) -> COCO:
    coco = COCO()
    coco.dataset = {
        "images": images,
        "categories": [{"id": label} for label in range(1, num_classes)],
        "annotations": [{**one, "id": number} for number, one in enumerate(annotations, start=1)],
    }
    coco.createIndex()
    return coco
