"""The generator: one seed, one scene; targets that agree with each other; statistics within wide margins."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from detseg.data.farm import CLASSES, DATA_VERSION, STUFF, Scene, farm_crop, farm_scene

SEEDS = range(60)


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [farm_scene(seed) for seed in SEEDS]


def same(a: Scene, b: Scene) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for name in ("image", "instances", "labels", "stuff")
    )


def test_a_scene_depends_on_its_seed_alone(scenes: list[Scene]) -> None:
    np.random.seed(1)  # the global generator must not matter
    for seed in (31, 7, 0):  # in another order, after other scenes
        assert same(farm_scene(seed), scenes[seed]), f"scene {seed} changed"
    assert not same(scenes[0], scenes[1])


def test_a_fresh_process_draws_the_same_scene(scenes: list[Scene]) -> None:
    code = (
        "import sys, hashlib; from detseg.data.farm import farm_crop, farm_scene; "
        "assert 'torch' not in sys.modules; s = farm_scene(5); c = farm_crop(9)[0]; "
        "print(hashlib.sha256(s.image.tobytes() + s.instances.tobytes() + c.tobytes()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = scenes[5].image.tobytes() + scenes[5].instances.tobytes() + farm_crop(9)[0].tobytes()
    assert run.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_types_and_shapes(scenes: list[Scene]) -> None:
    for scene in scenes:
        n = len(scene.labels)
        assert scene.image.shape == (128, 128, 3)
        assert scene.boxes.shape == (n, 4)
        assert scene.instance_masks.shape == (n, 128, 128)
        assert scene.class_mask.shape == scene.stuff.shape == (128, 128)
        assert scene.image.dtype == scene.class_mask.dtype == scene.stuff.dtype == np.uint8
        assert scene.boxes.dtype == np.float32
        assert scene.instance_masks.dtype == bool
        assert scene.stuff.max() < len(STUFF)
        assert np.isin(scene.labels, np.arange(1, len(CLASSES))).all()


def test_boxes_are_tight_around_the_visible_masks(scenes: list[Scene]) -> None:
    for scene in scenes:
        for mask, box in zip(scene.instance_masks, scene.boxes, strict=True):
            pixels = [(r, c) for r in range(128) for c in range(128) if mask[r, c]]
            rows, columns = [r for r, _ in pixels], [c for _, c in pixels]
            expected = [min(columns), min(rows), max(columns) + 1, max(rows) + 1]
            assert box.tolist() == expected, f"scene {scene.seed}"


def test_class_mask_is_the_union_of_the_instance_masks(scenes: list[Scene]) -> None:
    for scene in scenes:
        masks = scene.instance_masks
        assert masks.sum(axis=0).max(initial=0) <= 1, f"scene {scene.seed}: two objects own one pixel"
        expected = np.zeros((128, 128), np.uint8)
        for mask, label in zip(masks, scene.labels, strict=True):
            expected[mask] = label
        void = scene.class_mask == 255
        assert not (void & (expected > 0)).any()
        assert np.array_equal(scene.class_mask[~void], expected[~void])


def test_statistics_are_those_of_the_documentation(scenes: list[Scene]) -> None:
    counts = [len(scene.labels) for scene in scenes]
    boxes = np.concatenate([scene.boxes for scene in scenes])
    sides = np.sqrt((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))
    background = np.mean([(scene.class_mask == 0).mean() for scene in scenes])
    labels = np.concatenate([scene.labels for scene in scenes])
    assert 2.7 < np.mean(counts) < 4.3
    assert 0.75 < background < 0.9
    assert 10 < sides.min() < 25
    assert 60 < sides.max() < 128
    assert (np.bincount(labels, minlength=6)[1:] > 0.08 * len(labels)).all()
    assert all(scene.instance_masks.sum(axis=(1, 2)).min(initial=60) >= 60 for scene in scenes)


def test_no_coat_colour_belongs_to_one_animal() -> None:
    """Classified by the mean colour of the animal alone, the four animals stay far from told apart."""
    colours: list[np.ndarray] = []
    labels: list[int] = []
    for seed in range(100, 180):
        scene = farm_scene(seed)
        for mask, label in zip(scene.instance_masks, scene.labels, strict=True):
            if label < 5:
                colours.append(scene.image[mask].mean(axis=0))
                labels.append(int(label))
    x, y = np.array(colours), np.array(labels)
    distance = ((x[:, None] - x[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distance, np.inf)
    nearest = y[distance.argmin(axis=1)]
    assert (nearest == y).mean() < 0.6  # chance is about 0.25


def test_empty_scenes_exist_and_are_legal() -> None:
    scene = Scene(
        seed=0,
        image=np.zeros((40, 50, 3), np.uint8),
        instances=np.zeros((40, 50), np.uint8),
        labels=np.zeros(0, np.uint8),
        stuff=np.zeros((40, 50), np.uint8),
    )
    assert scene.boxes.shape == (0, 4)
    assert scene.instance_masks.shape == (0, 40, 50)
    assert not scene.class_mask.any()


def test_void_is_neither_background_nor_an_object() -> None:
    instances = np.zeros((4, 6), np.uint8)
    instances[1, 1:3], instances[2, 4], instances[3] = 1, 2, 255
    scene = Scene(
        0, np.zeros((4, 6, 3), np.uint8), instances, np.array([5, 3], np.uint8), np.zeros((4, 6), np.uint8)
    )
    assert scene.class_mask.tolist() == [[0] * 6, [0, 5, 5, 0, 0, 0], [0, 0, 0, 0, 3, 0], [255] * 6]
    assert scene.boxes.tolist() == [[1, 1, 3, 2], [4, 2, 5, 3]]


def test_other_sizes() -> None:
    scene = farm_scene(3, size=96)
    assert scene.image.shape == (96, 96, 3)
    assert farm_crop(3, size=48)[0].shape == (48, 48, 3)


def test_crops_show_the_class_asked_for_and_are_balanced() -> None:
    image, label = farm_crop(4, label=2)
    assert (image.shape, image.dtype, label) == ((64, 64, 3), np.uint8, 2)
    assert np.array_equal(farm_crop(8)[0], farm_crop(8)[0])
    labels = [farm_crop(seed, size=32)[1] for seed in range(100)]
    assert (np.bincount(labels, minlength=6)[1:] >= 8).all()


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: farm_scene(-1), "seed=-1"),
        (lambda: farm_scene(0, size=8), "size=8"),
        (lambda: farm_crop(-2), "seed=-2"),
        (lambda: farm_crop(0, label=6), "cow, sheep, dog, horse, person"),
        (lambda: farm_crop(0, label=0), "label must be 1 to 5"),
    ],
)
def test_bad_arguments_are_named(call, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        call()


def test_the_version_is_a_number() -> None:
    assert isinstance(DATA_VERSION, int)
    assert CLASSES == ("background", "cow", "sheep", "dog", "horse", "person")
