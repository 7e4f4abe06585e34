import contextlib
import io
import math

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detseg.metrics import average_precision, mean_average_precision


def curve(hits, total, dtype=torch.float64):
    hits = torch.tensor(hits, dtype=dtype).cumsum(0)
    return hits / total, hits / torch.arange(1, len(hits) + 1, dtype=dtype)


def devkit(recall, precision, method):
    """The two formulas of the VOC development kit, as loops."""
    recall, precision = recall.tolist(), precision.tolist()
    if method == "voc07":
        points = [round(i / 10, 1) for i in range(11)]
        return (
            sum(
                max([p for r, p in zip(recall, precision, strict=True) if r >= t - 1e-7], default=0)
                for t in points
            )
            / 11
        )
    r, p = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for i in range(len(p) - 2, -1, -1):
        p[i] = max(p[i], p[i + 1])
    return sum((r[i] - r[i - 1]) * p[i] for i in range(1, len(r)) if r[i] != r[i - 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["voc07", "voc10"])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_development_kit(seed, method, dtype):
    generator = torch.Generator().manual_seed(seed)
    hits = (torch.rand(30, generator=generator) < 0.4).tolist()
    recall, precision = curve(hits, max(sum(hits), 1) + seed, dtype)
    assert average_precision(recall, precision, method) == pytest.approx(
        devkit(recall, precision, method), abs=1e-6
    )


def test_worked_by_hand():
    recall, precision = torch.tensor([0.5, 0.5, 1.0]), torch.tensor([1.0, 0.5, 2 / 3])
    assert average_precision(recall, precision, "voc10") == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert average_precision(recall, precision, "voc07") == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert average_precision(recall, precision, "coco") == pytest.approx((51 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recall_of_exactly_a_tenth_counts(dtype):
    for hits in range(1, 11):
        recall, precision = curve([1] * hits, 10, dtype)
        assert average_precision(recall, precision, "voc07") == pytest.approx((hits + 1) / 11)


@pytest.mark.parametrize("method", ["voc07", "voc10", "coco"])
def test_extremes(method):
    assert average_precision(torch.zeros(0), torch.zeros(0), method) == 0
    assert average_precision(torch.zeros(3), torch.zeros(3), method) == 0
    assert average_precision(torch.ones(1), torch.ones(1), method) == pytest.approx(1)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"both be \[N\]"):
        average_precision(torch.zeros(2), torch.zeros(3), "voc10")
    with pytest.raises(ValueError, match="NaN"):
        average_precision(torch.tensor([float("nan")]), torch.ones(1), "voc10")
    with pytest.raises(ValueError, match="never fall"):
        average_precision(torch.tensor([0.5, 0.25]), torch.ones(2), "voc10")
    with pytest.raises(ValueError, match="'voc12'"):
        average_precision(torch.ones(1), torch.ones(1), "voc12")


def scenes(seed, images=6, classes=4):
    """Detections near the objects, some wrong; IoU far from 0.5 on both sides, and no two scores equal."""
    generator = torch.Generator().manual_seed(seed)
    detections, targets = [], []
    for _ in range(images):
        count = int(torch.randint(0, 5, (), generator=generator))
        x = torch.arange(count)[:, None] * 60.0
        boxes = torch.cat([x, torch.zeros(count, 1), x + 40, torch.full((count, 1), 30.0)], dim=1)
        labels = torch.randint(1, classes, (count,), generator=generator)
        targets.append({"boxes": boxes, "labels": labels})
        shift = torch.tensor([2.0, 30.0])[torch.randint(0, 2, (count,), generator=generator)]
        found = boxes + shift[:, None] * torch.tensor([1.0, 0, 1, 0])
        guesses = torch.randint(1, classes, (count,), generator=generator)
        chosen = torch.where(torch.rand(count, generator=generator) < 0.7, labels, guesses)
        again = torch.cat([found, found + 1]), torch.cat([chosen, chosen])
        detections.append((again[0], torch.rand(2 * count, generator=generator), again[1]))
    return detections, targets


def by_pycocotools(detections, targets, classes, iou_threshold):
    ground_truth = [
        {"id": 1 + 100 * i + j, "image_id": i, "category_id": int(label), "iscrowd": 0}
        | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
        for i, t in enumerate(targets)
        for j, ((x1, y1, x2, y2), label) in enumerate(zip(t["boxes"].tolist(), t["labels"], strict=True))
    ]
    results = [
        {"image_id": i, "category_id": int(label), "score": score, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for i, (boxes, scores, labels) in enumerate(detections)
        for (x1, y1, x2, y2), score, label in zip(boxes.tolist(), scores.tolist(), labels, strict=True)
    ]
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in range(len(targets))],
        "categories": [{"id": k} for k in range(1, classes)],
        "annotations": ground_truth,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluation.params.iouThrs = np.array([iou_threshold])
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][0, :, :, 0, 2]  # [recall, class]: all areas, 100 detections
    return [float(p.mean()) if (p > -1).all() else math.nan for p in precision.T]


@pytest.mark.parametrize("seed", range(5))
def test_coco_equals_pycocotools(seed):
    detections, targets = scenes(seed)
    mean, values = mean_average_precision(detections, targets, 4, 0.5, "coco")
    oracle = by_pycocotools(detections, targets, 4, 0.5)
    assert values == pytest.approx(oracle, abs=1e-9, nan_ok=True)
    assert mean == pytest.approx(np.nanmean(oracle), abs=1e-9)


def test_mean_average_precision_by_hand():
    box, far = torch.tensor([[0.0, 0, 4, 4]]), torch.tensor([[90.0, 90, 95, 95]])
    targets = [
        {"boxes": torch.cat([box, far]), "labels": torch.tensor([1, 2])},
        {"boxes": box, "labels": torch.tensor([1])},
    ]
    one, none = torch.ones(1, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    detections = [(box, torch.tensor([0.5]), one), (far, torch.tensor([0.9]), one)]
    mean, values = mean_average_precision(detections, targets, 4)
    assert values[:2] == pytest.approx([0.25, 0])  # class 1: a miss, then a hit of 2; class 2: never found
    assert math.isnan(values[2])
    assert mean == pytest.approx(0.125)
    nothing = (torch.zeros(0, 4), torch.zeros(0), none)
    assert mean_average_precision([nothing, nothing], targets, 3) == (0, [0, 0])
    assert math.isnan(mean_average_precision([], [], 3)[0])


def test_difficult_objects_do_not_count():
    box = torch.tensor([[0.0, 0, 4, 4], [20, 20, 25, 25]])
    target = {
        "boxes": box,
        "labels": torch.ones(2, dtype=torch.int64),
        "difficult": torch.tensor([True, False]),
    }
    detection = (box, torch.tensor([0.9, 0.8]), torch.ones(2, dtype=torch.int64))
    assert mean_average_precision([detection], [target], 2) == (1, [1])
    target["difficult"] = torch.tensor([True, True])
    assert math.isnan(mean_average_precision([detection], [target], 2)[0])


def test_every_image_needs_its_targets():
    with pytest.raises(ValueError, match="one entry for each image"):
        mean_average_precision([], [{}], 2)
