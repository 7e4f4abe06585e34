"""The data sets: the same pictures whatever the processes, from a cache that survives everything."""

import functools
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from detseg.data.farm import DATA_VERSION, FarmCrops, FarmScenes, cache, farm_crop, farm_scene, generate
from detseg.data.farm.cache import cache_folder, chunk_path, read_chunk, write_chunk

SIZE = 32  # small pictures, so that the tests are fast


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DETSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "CHUNK", {"scene": 5, "crop": 5})
    monkeypatch.setattr(generate, "CHUNK", cache.CHUNK)
    return tmp_path / "cache"


def scenes(count: int = 10, first_seed: int = 0, **options) -> FarmScenes:
    options = {"workers": 0, "progress": False, "size": SIZE, **options}
    return FarmScenes(count, first_seed, **options)


expected_scene = functools.lru_cache(farm_scene)


def assert_right(data: FarmScenes) -> None:
    """Every item is what `farm_scene` draws for its seed."""
    for index in range(len(data)):
        image, target = data[index]
        scene = expected_scene(data.first_seed + index, image.shape[-1])
        assert torch.equal(image, torch.from_numpy(scene.image).permute(2, 0, 1))
        assert torch.equal(target["boxes"], torch.from_numpy(scene.boxes))
        assert target["labels"].tolist() == scene.labels.tolist()
        assert np.array_equal(target["class_mask"].numpy(), scene.class_mask)
        assert np.array_equal(target["instance_masks"].numpy(), scene.instance_masks)
        assert np.array_equal(target["stuff"].numpy(), scene.stuff)
        assert target["seed"] == scene.seed


def test_an_item_has_the_promised_types() -> None:
    image, target = scenes(12, size=64)[11]
    n = len(target["labels"])
    assert (image.dtype, image.shape) == (torch.uint8, (3, 64, 64))
    types = {key: value.dtype for key, value in target.items() if key != "seed"}
    assert types == {
        "boxes": torch.float32,
        "labels": torch.int64,
        "class_mask": torch.uint8,
        "instance_masks": torch.bool,
        "stuff": torch.uint8,
    }
    assert target["boxes"].shape == (n, 4)
    assert target["instance_masks"].shape == (n, 64, 64)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_any_number_of_processes_draws_the_same(workers: int) -> None:
    assert_right(scenes(13, workers=workers, cache=False))


def test_overlapping_ranges_reuse_the_cache(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes(10)
    assert len(list(own_cache.iterdir())) == 2
    drawn: list[int] = []

    def counted(kind: str, seed: int, size: int):
        drawn.append(seed)
        return generate_draw(kind, seed, size)

    generate_draw = generate.draw_record
    monkeypatch.setattr(generate, "draw_record", counted)
    assert_right(scenes(6, first_seed=2))
    assert drawn == []
    assert_right(scenes(7, first_seed=7))
    assert drawn == [10, 11, 12, 13, 14]


def test_the_version_kind_and_size_are_in_the_name(own_cache: Path) -> None:
    scenes(5, first_seed=5)
    FarmCrops(5, size=SIZE, workers=0, progress=False)
    assert sorted(path.name for path in own_cache.iterdir()) == [
        f"farm-crop-v{DATA_VERSION}-{SIZE}px-000000.npz",
        f"farm-scene-v{DATA_VERSION}-{SIZE}px-000005.npz",
    ]


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1],
        lambda data: data[:3000] + bytes([data[3000] ^ 1]) + data[3001:],
        lambda data: b"not a cache file",
        lambda data: b"\0" * len(data),
    ],
    ids=["empty", "half", "one byte short", "one bit flipped", "text", "zeros"],
)
def test_a_damaged_file_is_drawn_again(own_cache: Path, damage) -> None:
    scenes(10)
    path = chunk_path(own_cache, "scene", SIZE, 5)
    good = path.read_bytes()
    path.write_bytes(damage(good))
    with pytest.warns(UserWarning, match=f"{path.name} is damaged") as caught:
        assert_right(scenes(10))
    assert all("\n" not in str(warning.message) for warning in caught)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_right(scenes(10))


def test_no_flipped_bit_gets_through(own_cache: Path) -> None:
    scenes(5)
    path = chunk_path(own_cache, "scene", SIZE, 0)
    good, contents = path.read_bytes(), read_chunk(path, "scene", SIZE)
    rng = np.random.default_rng(0)
    for position in [*rng.integers(0, len(good), 60).tolist(), *range(40), *range(len(good) - 40, len(good))]:
        path.write_bytes(good[:position] + bytes([good[position] ^ 4]) + good[position + 1 :])
        try:
            read = read_chunk(path, "scene", SIZE)
        except ValueError:
            continue
        assert all(np.array_equal(read[name], contents[name]) for name in contents), f"byte {position}"


def test_a_file_of_another_layout_is_drawn_again(own_cache: Path) -> None:
    own_cache.mkdir()
    np.savez(chunk_path(own_cache, "scene", SIZE, 0), image=np.zeros((5, 8, 8, 3), np.uint8))
    with pytest.warns(UserWarning, match="damaged"):
        assert_right(scenes(5))


def test_an_unwritable_folder_means_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = tmp_path / "file" / "cache"
    with pytest.warns(UserWarning, match="cannot be written.*DETSEG_CACHE") as caught:
        assert_right(scenes(12, cache=folder))
    assert len(caught) == 1
    assert str(folder) in str(caught[0].message)


def test_a_folder_without_permission_means_memory(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    with pytest.warns(UserWarning, match=f"{own_cache} cannot be written"):
        assert_right(scenes(5))


def test_a_failed_write_leaves_nothing_behind(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.np, "savez", disk_full)
    with pytest.warns(UserWarning, match="No space left"):
        assert_right(scenes(5))
    assert list(own_cache.iterdir()) == []


def test_a_lost_race_is_no_failure(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to replace a file that another process reads; the file is then already there."""
    scenes(5)
    path = chunk_path(own_cache, "scene", SIZE, 0)
    batch = read_chunk(path, "scene", SIZE)

    def refuse(*_: object) -> None:
        raise PermissionError("in use")

    monkeypatch.setattr(cache.os, "replace", refuse)
    write_chunk(path, batch)
    assert [p.name for p in own_cache.iterdir()] == [path.name]


TWO_AT_ONCE = """
import sys
from pathlib import Path
from detseg.data.farm.generate import load_or_draw
folder = Path(sys.argv[1])
batch = load_or_draw("scene", 0, 60, 32, folder=folder, workers=1, progress=False)  # no __main__ guard: must be safe
print(int(batch["image"].sum()), "torch" in sys.modules)
"""


def test_two_processes_at_once_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    script = tmp_path / "script.py"
    script.write_text(TWO_AT_ONCE)
    (tmp_path / "random.py").write_text("raise SystemExit('a learner's file was imported')")
    command = [sys.executable, "-P", str(script), str(tmp_path / "shared")]
    pair = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120) for process in pair]
    expected = int(sum(int(farm_scene(seed, 32).image.sum()) for seed in range(60)))
    for process, (out, err) in zip(pair, outputs, strict=True):
        assert process.returncode == 0, err
        assert out == f"{expected} False\n"  # once: nothing ran the script again
        assert "Warning" not in err
    names = sorted(path.name for path in (tmp_path / "shared").iterdir())
    assert names == [f"farm-scene-v{DATA_VERSION}-32px-{first:06d}.npz" for first in (0, 25, 50)]


def test_a_drawing_process_that_dies_is_replaced_by_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.warns(UserWarning, match="drawing in parallel failed"):
        assert_right(scenes(10, workers=2, cache=False))


def test_no_process_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def recorded(*arguments, **options):
        started.append(start(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    scenes(10, workers=2, cache=False)
    interrupted = generate._draw("scene", SIZE, [range(3), range(3, 600)], workers=2)
    next(interrupted)
    interrupted.close()  # what a KeyboardInterrupt in a notebook comes to
    assert len(started) == 4
    assert all(process.returncode is not None for process in started)


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    assert cache_folder() == own_cache
    monkeypatch.setenv("DETSEG_CACHE", "~/somewhere")
    assert cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("DETSEG_CACHE")
    assert "detseg" in str(cache_folder())


def test_items_are_copies() -> None:
    data = scenes(5)
    image, target = data[1]
    image.zero_()
    for value in target.values():
        if isinstance(value, torch.Tensor):
            value.zero_()
    assert_right(data)


def test_indexing_like_a_list() -> None:
    data = scenes(5)
    assert data[-1][1]["seed"] == 4
    assert [target["seed"] for _, target in data] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError):
        data[5]


def test_train_and_test_scenes_are_apart() -> None:
    options = {"size": SIZE, "workers": 0, "progress": False, "cache": False}
    train, test = FarmScenes.train(3, **options), FarmScenes.test(2, **options)
    assert [target["seed"] for _, target in train] == [0, 1, 2]
    assert [target["seed"] for _, target in test] == [50_000, 50_001]
    with pytest.raises(ValueError, match="at most"):
        FarmScenes.train(50_001)


def test_crops() -> None:
    data = FarmCrops(7, first_seed=3, size=SIZE, workers=0, progress=False)
    assert len(data) == 7
    for index, (image, label) in enumerate(data):
        expected, expected_label = farm_crop(3 + index, SIZE)
        assert torch.equal(image, torch.from_numpy(expected).permute(2, 0, 1))
        assert label == expected_label == int(data.labels[index])


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"count": 0}, ValueError, "count must be at least 1"),
        ({"count": 2.0}, TypeError, "count must be an int"),
        ({"count": True}, TypeError, "count must be an int"),
        ({"count": 5, "first_seed": -1}, ValueError, "first_seed"),
        ({"count": 5, "size": 8}, ValueError, "size must be at least 32"),
        ({"count": 5, "workers": -1}, ValueError, "workers"),
    ],
)
def test_bad_arguments_are_named(arguments: dict, error: type[Exception], named: str) -> None:
    for dataset in (FarmScenes, FarmCrops):
        with pytest.raises(error, match=named):
            dataset(**arguments)


def test_the_bar_shows_only_what_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    scenes(5, progress=True)
    assert "drawing farm scenes" in capsys.readouterr().err
    scenes(5, progress=True)
    assert capsys.readouterr().err == ""
