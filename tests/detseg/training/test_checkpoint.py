import pickle

import pytest
import torch

from detseg.training.checkpoint import load_checkpoint, save_checkpoint

STATE = {"step": 3, "model": {"weight": torch.arange(6.0).view(2, 3)}, "history": {"class": [0.5, 0.25]}}


def test_a_state_comes_back(tmp_path):
    path = tmp_path / "new folder" / "run.pt"
    save_checkpoint(path, STATE)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["model"].pop("weight"), STATE["model"]["weight"])
    assert loaded == {"step": 3, "model": {}, "history": {"class": [0.5, 0.25]}}
    assert [file.name for file in path.parent.iterdir()] == ["run.pt"]


def test_a_save_that_fails_leaves_the_old_state(tmp_path):
    path = tmp_path / "run.pt"
    save_checkpoint(path, STATE)
    with pytest.raises((AttributeError, pickle.PicklingError, TypeError)):
        save_checkpoint(path, {"step": lambda: 4})
    assert load_checkpoint(path)["step"] == 3
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("keep", [0, 10, 500])
def test_a_truncated_file_is_named_with_the_fix(tmp_path, keep):
    path = tmp_path / "run.pt"
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"run.pt is damaged .*; delete it and train again"):
        load_checkpoint(path)


def test_a_missing_file_and_a_wrong_one_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no checkpoint .*none.pt"):
        load_checkpoint(tmp_path / "none.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ValueError, match="holds a list"):
        load_checkpoint(tmp_path / "list.pt")


def test_code_in_a_file_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code was run",))

    torch.save({"step": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path / "trap.pt")
