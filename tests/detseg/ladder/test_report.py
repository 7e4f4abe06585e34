import dataclasses
import itertools
import json

import pytest

from detseg.ladder import run
from detseg.ladder.measure import Measurement
from detseg.ladder.report import _write_names, conditions, figure, table

FAST = Measurement(
    name="fast_rcnn",
    seed=0,
    scenes=40,
    trained_here=True,
    training_seconds=100.0,
    training_cpu_seconds=90.0,
    accuracy=0.75,
    mask_accuracy=None,
    macs={"300": 250_000_000, "2000": 900_000_000},
    proposals_seconds={"300": 0.25, "2000": 0.25},
    shared_seconds={"300": 0.005, "2000": 0.005},
    region_seconds={"300": 0.015, "2000": 0.095},
    peak_mb=700,
)
AGAIN = dataclasses.replace(
    FAST, seed=1, accuracy=0.79, training_seconds=110.0, training_cpu_seconds=92.0, peak_mb=800
)
FCN = dataclasses.replace(
    FAST,
    name="fcn",
    accuracy=0.7,
    macs={"0": 100_000_000},
    proposals_seconds={"0": 0.0},
    shared_seconds={"0": 0.02},
    region_seconds={"0": 0.0},
)


def rows_of(*measurements: Measurement) -> list[dict[str, str]]:
    """The rows of the table, by the names of its columns."""
    head, _, *rows = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table(measurements).splitlines()
    )
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_table_has_a_row_for_each_model_and_count_with_mean_and_spread():
    fcn, fast, more = rows_of(FAST, FCN, AGAIN)
    assert (fcn["model"], fcn["proposals"], fcn["image, s"]) == ("FCN with skips", "", "0.020")
    assert (fcn["training, s"], fcn["accuracy"]) == ("100", "mIoU 0.700")  # one seed has no spread
    assert (fast["model"], fast["proposals"], fast["image, s"]) == ("Fast R-CNN", "300", "0.270")
    assert (fast["training, s"], fast["CPU, s"], fast["peak, MB"]) == ("105 ± 7", "91 ± 1", "800")
    assert fast["accuracy"] == "mAP 0.770 ± 0.028"
    assert (more["model"], more["proposals"], more["image, s"]) == ("", "2,000", "0.350")
    assert more["accuracy"] == more["CPU, s"] == ""


def test_table_gives_the_spread_of_masks_too_and_says_what_was_not_trained():
    stored = dataclasses.replace(
        FAST, name="mask_rcnn", mask_accuracy=0.6, training_seconds=None, training_cpu_seconds=None
    )
    first, _ = rows_of(stored, dataclasses.replace(stored, seed=1, mask_accuracy=0.7))
    assert (first["training, s"], first["CPU, s"]) == ("stored", "")
    assert first["accuracy"] == "mAP 0.750 ± 0.000, masks 0.650 ± 0.071"


def test_conditions_name_versions_and_seeds():
    line = conditions([FAST, AGAIN], threads=1)
    for part in ("1 thread(s)", "40 test scenes", "seed(s) 0, 1", FAST.torch):
        assert part in line


def test_figure_is_written(tmp_path):
    figure([FAST, FCN, AGAIN], tmp_path / "ladder.png")
    assert (tmp_path / "ladder.png").stat().st_size > 10_000


def test_names_cover_neither_points_nor_each_other():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    close = {"FCN with skips": (0.0082, 0.744), "DeconvNet": (0.0124, 0.724), "Faster R-CNN": (0.017, 0.771)}
    picture, axes = plt.subplots(figsize=(8.5, 4.8))
    axes.plot(*zip(*close.values(), (0.6, 0.45), strict=True), "s")
    axes.set_xscale("log")
    picture.draw_without_rendering()
    _write_names(axes, {title: (seconds, accuracy, accuracy) for title, (seconds, accuracy) in close.items()})
    boxes = [name.get_window_extent() for name in axes.texts]
    points = axes.transData.transform(list(close.values()))
    assert len(boxes) == len(close)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert not any(box.contains(*point) for box in boxes for point in points)
    plt.close(picture)


def _pretend_to_measure(monkeypatch, fail_at=None):
    measured = []

    def measure(name, seed, scenes, quick, threads, path):
        if name == fail_at:
            raise RuntimeError(f"{name} could not be measured")
        measured.append(name)
        path.write_text(json.dumps(dataclasses.asdict(dataclasses.replace(FAST, name=name, seed=seed))))

    monkeypatch.setattr(run, "_measure", measure)
    return measured


def test_a_stopped_run_goes_on_where_it_was(monkeypatch, tmp_path):
    names = ("fcn", "rcnn", "fast_rcnn")
    first = _pretend_to_measure(monkeypatch, fail_at="fast_rcnn")
    with pytest.raises(RuntimeError, match="fast_rcnn"):
        run.climb(tmp_path, quick=True, names=names)
    second = _pretend_to_measure(monkeypatch)
    found = run.climb(tmp_path, quick=True, names=names)
    assert (first, second) == (["fcn", "rcnn"], ["fast_rcnn"])
    assert [item.name for item in found] == list(names)


def test_damaged_and_outdated_results_are_measured_again(monkeypatch, tmp_path):
    (tmp_path / "fcn-quick-0.json").write_text('{"name": "fc')
    old = dataclasses.replace(FAST, name="rcnn", data_version=-1)
    (tmp_path / "rcnn-quick-0.json").write_text(json.dumps(dataclasses.asdict(old)))
    measured = _pretend_to_measure(monkeypatch)
    run.climb(tmp_path, quick=True, names=("fcn", "rcnn"))
    assert measured == ["fcn", "rcnn"]
