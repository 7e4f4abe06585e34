import pytest
import torch

from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.models.backbone import backbone
from detseg.models.faster_rcnn import FasterRCNN
from detseg.models.mask_rcnn import MaskRCNN
from detseg.models.rcnn import RCNN
from detseg.models.sppnet import SPPNet
from detseg.models.stored_weights import FOLDER, load_weights, read_card
from detseg.proposals.stored import stored_proposals
from detseg.training.detection import DetectionBatches, evaluate, evaluate_masks, predict_scenes
from detseg.training.loop import fit
from detseg.training.stored_detectors import (
    STEPS,
    train_faster_rcnn,
    train_mask_rcnn,
    train_sppnet,
)
from detseg.training.stored_files import STEPS as ALL_STEPS

NAMES = ("rcnn_farm", "sppnet_farm", "faster_rcnn_farm", "mask_rcnn_farm")
NOISE = 0.08  # 40 of the 150 scenes: some points


@pytest.fixture(scope="module")
def scenes() -> FarmScenes:
    return FarmScenes.test(40, progress=False)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_stored_faster_rcnn_reaches_what_its_card_says(scenes):
    model = FasterRCNN(backbone(pretrained=False))
    card = load_weights(model, "faster_rcnn_farm")
    assert card["mean_average_precision"] >= 0.78  # on all 150
    assert evaluate(model, scenes, progress=False)[0] == pytest.approx(
        card["mean_average_precision"], abs=NOISE
    )


def test_stored_mask_rcnn_reaches_what_its_card_says(scenes):
    model = MaskRCNN(backbone(pretrained=False))
    card = load_weights(model, "mask_rcnn_farm")
    assert card["mean_average_precision"] >= 0.80
    assert card["mask_mean_average_precision"] >= 0.62
    assert evaluate(model, scenes, progress=False)[0] == pytest.approx(
        card["mean_average_precision"], abs=NOISE
    )
    masks, _ = evaluate_masks(predict_scenes(model, scenes, progress=False), scenes)
    assert masks == pytest.approx(card["mask_mean_average_precision"], abs=NOISE)


@pytest.mark.parametrize(("name", "make", "bar"), [("rcnn_farm", RCNN, 0.70), ("sppnet_farm", SPPNet, 0.4)])
def test_stored_models_of_several_stages_reach_what_their_cards_say(name, make, bar, scenes):
    model = make(backbone(pretrained=False))
    card = load_weights(model, name)
    assert card["mean_average_precision"] >= bar
    few = [
        boxes[:100] for boxes in stored_proposals("test", len(scenes))
    ]  # a third of the time, some points less
    assert evaluate(model, scenes, few, progress=False)[0] >= card["mean_average_precision"] - 0.15


def test_cards_say_where_the_weights_come_from():
    for name in NAMES:
        card = read_card(name)
        assert card["data_version"] == DATA_VERSION
        assert {"model", "task", "recipe", "seed", "average_precision"} <= card.keys()
        assert (FOLDER / f"{name}.safetensors").stat().st_size < 3_000_000


def test_every_recipe_is_a_step_of_make_checkpoints():
    assert STEPS.items() <= ALL_STEPS.items()
    assert {f"{step}_farm" for step in STEPS} == set(NAMES)


@pytest.mark.parametrize("train", [train_faster_rcnn, train_mask_rcnn])
def test_recipes_of_one_stage_run(train):
    scenes = FarmScenes.train(4, progress=False)
    model, run = train(scenes, epochs=1, batch_size=2, progress=False)
    assert run.steps == 2
    assert not model.training


def test_a_recipe_of_several_stages_runs(capsys):
    scenes = FarmScenes.train(12, progress=False)
    proposals = [boxes[:12] for boxes in stored_proposals("train", 12)]
    model, run = train_sppnet(scenes, proposals, epochs=1, batch_size=4, progress=False)
    assert run.steps == 3
    assert (model.svm_weight.norm(dim=1) > 0).all()
    assert (model.box_weight.flatten(1).norm(dim=1) > 0).any()
    assert "MB on disk" in capsys.readouterr().out


def test_a_diverged_rpn_names_the_step_and_the_images():
    scenes = FarmScenes.train(4, progress=False)
    model = FasterRCNN(backbone())
    model.rpn.head.conv.weight.data.fill_(float("nan"))
    with pytest.raises(ValueError, match="objectness holds NaN or infinity: the RPN has diverged") as caught:
        fit(model, DetectionBatches(scenes), epochs=1, batch_size=2, progress=False)
    [note] = caught.value.__notes__
    assert note.startswith("in training step 1, on images [")
