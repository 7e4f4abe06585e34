"""R-CNN's stages after fine-tuning (Girshick et al. 2014, section 2.3, appendices B and C): features to disk, linear
SVMs with hard negatives, ridge regressors of the boxes. SPP-net is finished in the same way.

Stage 1 is ``fit(model, DetectionBatches(scenes, proposals), ...)``.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm.auto import tqdm

from detseg.boxes import box_iou, encode_boxes, ridge_regression
from detseg.losses import hard_negatives, hinge_loss
from detseg.models.backbone import normalise
from detseg.models.region_classifier import BOX_WEIGHTS, RegionClassifier
from detseg.training.detection import Scenes

MEAN_NORM = 20.0
"""Features are scaled to this mean length before the SVMs see them, as in the authors' code: c depends on it."""


@dataclass
class RegionFeatures:
    """What the last two stages need of every region: its features (half precision) and what it overlaps."""

    hidden: Tensor  # [N, hidden], of all proposals and true boxes
    overlaps: Tensor  # [N, K - 1], the best IoU with a true box of each class
    true_labels: Tensor  # [N], the class of a row that is a true box, else 0
    pooled: Tensor  # [M, D], of the regions near a true box only: of all they would fill gigabytes
    deltas: Tensor  # [M, 4], from each of these regions to its true box
    labels: Tensor  # [M], the class of that box


def cache_features(
    model: RegionClassifier,
    scenes: Scenes,
    proposals: list[Tensor],
    path: Path,
    near: float = 0.6,
    progress: bool = True,
) -> RegionFeatures:
    """Stage 2: run the network over every region once, and keep the features in a file.

    Prints how large the file is, and how large it would be with all pooled features, which the paper kept.

    Args:
        model: fine-tuned.
        scenes: to learn from.
        proposals: of each scene, ``[P, 4]``.
        path: of the file. One that belongs to these weights and this number of scenes is read instead.
        near: IoU from which a region is an example for box regression.
        progress: whether to show a progress bar.
    """
    key = {"weights": _checksum(model), "scenes": str(len(scenes)), "near": str(near)}
    found = _read(path, key)
    if found is None:
        model.eval()
        rows = [
            _features_of(model, *scenes[index], proposals[index], near)
            for index in tqdm(range(len(scenes)), desc="features", disable=not progress)
        ]
        names = [field.name for field in fields(RegionFeatures)]
        found = RegionFeatures(**{name: torch.cat([getattr(row, name) for row in rows]) for name in names})
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: getattr(found, name) for name in names}, path, metadata=key)
    everything = len(found.hidden) * found.pooled.shape[1] * found.pooled.element_size()
    print(
        f"features of {len(found.hidden)} regions: {path.stat().st_size / 1e6:.0f} MB on disk "
        f"({everything / 1e6:.0f} MB with the pooled features of all)"
    )
    return found


@torch.no_grad()
def _features_of(
    model: RegionClassifier, image: Tensor, target: dict[str, Tensor], proposals: Tensor, near: float
) -> RegionFeatures:
    """The rows of one image: its proposals, then its true boxes."""
    gt_boxes, gt_labels = target["boxes"], target["labels"]
    regions = torch.cat([proposals, gt_boxes])  # [P + G, 4]
    device = model.classify.weight.device
    pooled = model.pool(normalise(image[None].to(device)), [regions.to(device)])  # [P + G, D]
    iou = box_iou(regions, gt_boxes)  # [P + G, G]
    overlaps = iou.new_zeros(len(regions), model.num_classes - 1)
    for label in gt_labels.unique().tolist():
        overlaps[:, label - 1] = iou[:, gt_labels == label].amax(1)
    best_iou, best = iou.max(1) if len(gt_boxes) else (iou.new_zeros(len(regions)), None)
    is_near = best_iou > near
    matched = best[is_near] if best is not None else torch.zeros(0, dtype=torch.int64)
    return RegionFeatures(
        hidden=model.layers(pooled).half().cpu(),
        overlaps=overlaps,
        true_labels=torch.cat([gt_labels.new_zeros(len(proposals)), gt_labels]),
        pooled=pooled.cpu()[is_near].half(),
        deltas=encode_boxes(gt_boxes[matched], regions[is_near], BOX_WEIGHTS),
        labels=gt_labels[matched],
    )


def fit_svms(
    model: RegionClassifier,
    features: RegionFeatures,
    c: float = 1e-3,
    background: float = 0.3,
    rounds: int = 3,
    limit: int = 3000,
    seed: int = 0,
    hinge_loss: Callable[..., Tensor] = hinge_loss,
    hard_negatives: Callable[..., Tensor] = hard_negatives,
) -> None:
    """Stage 3: one linear SVM a class, kept in the model.

    Positives are the true boxes of the class alone; negatives are regions that overlap none of them by
    ``background``; what lies between is left out. There are far too many negatives, so the SVM is fitted on some, run
    over all, and fitted again with those that it got wrong.

    Args:
        model: whose features these are; it receives the SVMs.
        features: of stage 2.
        c: the price of an example inside the margin.
        background: IoU below which a region is a negative (found by a grid search in the paper).
        rounds: of mining hard negatives.
        limit: the most negatives to begin with, and to add in a round.
        seed: of the negatives to begin with.
        hinge_loss, hard_negatives: see `detseg.losses`.

    Raises:
        ValueError: a class without true boxes.
    """
    hidden = features.hidden.float()  # [N, hidden]
    scale = MEAN_NORM / hidden.norm(dim=1).mean()
    hidden = hidden * scale
    generator = torch.Generator().manual_seed(seed)
    for column in range(model.num_classes - 1):
        positives = hidden[features.true_labels == column + 1]
        if len(positives) == 0:
            raise ValueError(f"no true box of class {column + 1} in these scenes: give more scenes")
        is_negative = features.overlaps[:, column] < background  # [N]
        negatives = torch.where(is_negative)[0]
        active = negatives[torch.randperm(len(negatives), generator=generator)[:limit]]
        for _ in range(rounds):
            examples = torch.cat([positives, hidden[active]])
            targets = torch.ones(len(examples))
            targets[len(positives) :] = -1
            weight, bias = fit_svm(examples, targets, c, hinge_loss)
            hard = hard_negatives(hidden @ weight + bias, is_negative, limit)
            active = torch.cat([active, hard]).unique()
        model.svm_weight[column], model.svm_bias[column] = weight, bias
    model.feature_scale.copy_(scale)


def fit_svm(
    examples: Tensor,
    targets: Tensor,
    c: float,
    hinge_loss: Callable[..., Tensor] = hinge_loss,
    steps: int = 100,
) -> tuple[Tensor, Tensor]:
    """Minimise the hinge loss over all examples ``[N, D]`` at once, by L-BFGS; targets ``[N]`` are -1 and +1.

    Returns:
        weight ``[D]`` and bias ``[]``.
    """
    weight = torch.zeros(examples.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=steps, line_search_fn="strong_wolfe")

    def objective() -> Tensor:
        optimiser.zero_grad()
        loss = hinge_loss(examples @ weight + bias, targets, weight, c)
        loss.backward()
        return loss

    optimiser.step(objective)
    return weight.detach(), bias.detach()


def fit_box_regressors(
    model: RegionClassifier,
    features: RegionFeatures,
    l2: float = 1000.0,
    ridge_regression: Callable[..., tuple[Tensor, Tensor]] = ridge_regression,
) -> None:
    """Stage 4: for each class, a linear map from the pooled features of a region to the way to its true box.

    Args:
        model: whose features these are; it receives the regressors.
        features: of stage 2.
        l2: the price of weights.
        ridge_regression: see `detseg.boxes`.

    Raises:
        ValueError: a class without regions near its true boxes.
    """
    for column in range(model.num_classes - 1):
        rows = features.labels == column + 1
        if not rows.any():
            raise ValueError(f"no region near a true box of class {column + 1}: give more scenes")
        weight, bias = ridge_regression(features.pooled[rows].float(), features.deltas[rows], l2)
        model.box_weight[column], model.box_bias[column] = weight, bias


def _read(path: Path, key: dict[str, str]) -> RegionFeatures | None:
    """The file's features, if it is whole and belongs to this key."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if file.metadata() != key:
                return None
            return RegionFeatures(**{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, TypeError):
        return None


def _checksum(model: RegionClassifier) -> str:
    """Of the weights that make features; what this module fits does not count."""
    total = 0
    for part in (model.backbone, model.layers):
        for value in part.state_dict().values():
            total = zlib.crc32(value.contiguous().cpu().numpy().tobytes(), total)
    return f"{total:08x}"
