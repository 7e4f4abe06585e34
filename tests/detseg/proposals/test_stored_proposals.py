import pytest
import torch

from detseg.boxes import box_iou
from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.proposals import stored
from detseg.proposals.selective_search import selective_search
from detseg.proposals.stored import read_proposals, stored_proposals, write_proposals

BOXES = [torch.tensor([[0.0, 3, 12, 40], [5, 6, 300, 8]]), torch.zeros(0, 4), torch.tensor([[1.0, 2, 3, 4]])]


@pytest.fixture
def searched(monkeypatch, tmp_path):
    """A cache of its own, and a search that only notes how many images it was asked for."""
    asked = []

    def search(images, count, workers=None):
        asked.append(count)
        return [torch.full((2, 4), float(index)) for index in range(count)]

    monkeypatch.setenv("DETSEG_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stored, "search_scenes", search)
    monkeypatch.setattr(stored, "FarmScenes", type("Few", (), {"train": list, "test": list}))
    monkeypatch.setattr(stored.FarmScenes, "test", staticmethod(lambda count: [None] * count))
    return asked


def test_proposals_come_back(tmp_path):
    path = tmp_path / "farm.npz"
    write_proposals(path, BOXES, data_version=7)
    proposals, version = read_proposals(path)
    assert version == 7
    assert [boxes.tolist() for boxes in proposals] == [boxes.tolist() for boxes in BOXES]
    assert [file.name for file in tmp_path.iterdir()] == ["farm.npz"]


@pytest.mark.parametrize("keep", [0, 30, 300])
def test_a_damaged_file_is_named_with_the_fix(tmp_path, keep):
    path = tmp_path / "farm.npz"
    write_proposals(path, BOXES)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"farm.npz are damaged .*make checkpoints"):
        read_proposals(path)
    with pytest.raises(FileNotFoundError, match="make checkpoints"):
        read_proposals(tmp_path / "none.npz")


def test_another_version_of_the_data_is_searched_anew_and_cached(tmp_path, searched, capsys):
    write_proposals(tmp_path / "farm_test.npz", BOXES, data_version=DATA_VERSION + 1)
    first = stored_proposals("test", 3, folder=tmp_path)
    assert (
        f"belongs to version {DATA_VERSION + 1} of the farm scenes, not {DATA_VERSION}"
        in capsys.readouterr().out
    )
    second = stored_proposals("test", 3, folder=tmp_path)
    assert searched == [3]
    assert torch.equal(torch.stack(first), torch.stack(second))


def test_more_scenes_than_are_stored_are_searched_and_a_damaged_cache_is_mended(tmp_path, searched, capsys):
    write_proposals(tmp_path / "farm_test.npz", BOXES)
    assert [len(boxes) for boxes in stored_proposals("test", 2, folder=tmp_path)] == [2, 0]
    assert searched == []
    assert len(stored_proposals("test", 4, folder=tmp_path)) == 4
    [cached] = (tmp_path / "cache").iterdir()
    cached.write_bytes(b"PK")
    assert len(stored_proposals("test", 4, folder=tmp_path)) == 4
    assert searched == [4, 4]
    assert "searching anew" in capsys.readouterr().out


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, searched, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DETSEG_CACHE", str(tmp_path / "file"))
    assert len(stored_proposals("test", 4, folder=tmp_path)) == 4
    assert "set DETSEG_CACHE" in capsys.readouterr().out


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="split must be one of train, test, got 'validation'"):
        stored_proposals("validation")
    with pytest.raises(ValueError, match="count must be at least 1"):
        stored_proposals("test", 0)


def test_what_is_stored_is_what_the_search_finds_and_covers_the_objects():
    scenes, proposals = FarmScenes.test(40, progress=False), stored_proposals("test", 40)
    assert len(stored_proposals("train")) == 800
    assert len(stored_proposals("test")) == 150
    assert max(len(boxes) for boxes in proposals) <= 300
    for index in (0, 7):
        assert torch.equal(proposals[index], selective_search(scenes[index][0], limit=300))
    best = torch.cat(
        [box_iou(scenes[index][1]["boxes"], proposals[index]).amax(dim=1) for index in range(40)]
    )
    assert (best >= 0.5).float().mean() >= 0.9
