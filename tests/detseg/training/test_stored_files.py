import sys

import pytest
import torch

from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.models.backbone import backbone
from detseg.models.fast_rcnn import FastRCNN
from detseg.models.stored_weights import FOLDER as WEIGHTS
from detseg.models.stored_weights import load_weights, read_card
from detseg.proposals.stored import FOLDER as BOXES
from detseg.proposals.stored import read_proposals, stored_proposals
from detseg.training.detection import evaluate
from detseg.training.stored_files import STEPS, main, train_fast_rcnn


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_stored_detector_reaches_what_its_card_says():
    model = FastRCNN(backbone(pretrained=False))
    card = load_weights(model, "fast_rcnn_farm")
    scenes, proposals = FarmScenes.test(40, progress=False), stored_proposals("test", 40)
    mean_ap, _ = evaluate(model, scenes, proposals, progress=False)
    assert card["mean_average_precision"] >= 0.72  # on all 150 scenes; 40 differ from them by some points
    assert mean_ap == pytest.approx(card["mean_average_precision"], abs=0.08)


def test_stored_files_belong_to_this_version_of_the_data_and_are_small():
    for name in ("mini_vgg_farm", "fast_rcnn_farm"):
        assert read_card(name)["data_version"] == DATA_VERSION
    for split in ("train", "test"):
        assert read_proposals(BOXES / f"farm_{split}.npz")[1] == DATA_VERSION
    for path in (*WEIGHTS.iterdir(), *BOXES.iterdir()):
        assert path.stat().st_size < 3e6, path


def test_unknown_names_are_refused_and_known_ones_made_in_order(monkeypatch, tmp_path, capsys):
    made = []
    for name in STEPS:
        (tmp_path / name).touch()
        monkeypatch.setitem(STEPS, name, lambda name=name: made.append(name) or [tmp_path / name])
    monkeypatch.setattr(sys, "argv", ["checkpoint", "fast_rcnn", "proposals"])
    main()
    assert made == ["proposals", "fast_rcnn"]
    monkeypatch.setattr(sys, "argv", ["checkpoint", "alexnet"])
    with pytest.raises(SystemExit):
        main()
    assert "unknown: alexnet; there are proposals, backbone, fast_rcnn" in capsys.readouterr().err


def test_the_recipe_starts_from_its_seed_and_takes_options_of_fit():
    scenes, proposals = FarmScenes.test(8, progress=False), stored_proposals("test", 8)
    short = {"epochs": 1, "batch_size": 4, "progress": False}
    first, run = train_fast_rcnn(scenes, proposals, **short)
    second, _ = train_fast_rcnn(scenes, proposals, **short)
    assert run.steps == 2
    assert torch.equal(first.classify.weight, second.classify.weight)
    assert not torch.equal(
        first.classify.weight, train_fast_rcnn(scenes, proposals, seed=1, **short)[0].classify.weight
    )
