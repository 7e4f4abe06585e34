import pytest
import torch

from detseg.data.farm import DATA_VERSION, FarmScenes
from detseg.metrics import confusion_matrix, mean_iou
from detseg.models.backbone import backbone, normalise
from detseg.models.deconvnet import DeconvNet
from detseg.models.fcn import FCN
from detseg.models.localiser import Localiser
from detseg.models.patch_classifier import PatchClassifier
from detseg.models.sliding_window_classifier import SlidingWindowClassifier
from detseg.models.stored_weights import FOLDER, load_weights, read_card
from detseg.training.detection import evaluate as evaluate_detector
from detseg.training.segmentation import evaluate
from detseg.training.stored_files import STEPS
from detseg.training.stored_segmentation import STEPS as OWN_STEPS
from detseg.training.stored_segmentation import (
    WINDOWS,
    localisation_accuracy,
    train_deconvnet,
    train_fcn,
    train_localiser,
    train_patch_classifier,
    train_sliding_window_classifier,
)
from detseg.training.windows import SingleObjectWindows


def stored(name: str) -> pytest.MarkDecorator:
    """Skip, saying so, what nobody has trained yet."""
    missing = not (FOLDER / f"{name}.safetensors").exists()
    return pytest.mark.skipif(missing, reason=f"{name} is not stored yet; run: make checkpoints")


NAMES = [
    pytest.param(name, marks=stored(name))
    for name in (
        "patch_classifier_farm",
        "fcn_16s_farm",
        "fcn_2s_farm",
        "deconvnet_farm",
        "localiser_farm",
        "sliding_window_classifier_farm",
    )
]


@pytest.fixture(scope="module")
def scenes() -> FarmScenes:
    return FarmScenes.test(40, progress=False)


@pytest.mark.parametrize(
    ("name", "make", "bar"),
    [
        ("fcn_16s_farm", lambda: FCN(backbone(pretrained=False), skips=0), 0.5),
        ("fcn_2s_farm", lambda: FCN(backbone(pretrained=False), skips=3), 0.69),
        ("deconvnet_farm", lambda: DeconvNet(backbone(pretrained=False)), 0.65),
    ],
)
def test_stored_segmenters_reach_what_their_cards_say(name, make, bar, scenes):
    model = make()
    card = load_weights(model, name)
    mean, _ = evaluate(model, scenes, progress=False)
    assert card["mean_iou"] >= bar  # on all 150
    assert mean == pytest.approx(card["mean_iou"], abs=0.07)  # 40 scenes: some points of noise


def test_the_stored_patch_classifier_reaches_what_its_card_says(scenes):
    model = PatchClassifier(backbone(pretrained=False))
    card = load_weights(model, "patch_classifier_farm")
    assert card["mean_iou"] >= 0.55  # on all 150, at every fourth pixel
    confusion = torch.zeros(6, 6, dtype=torch.int64)
    for image, target in (
        scenes[index] for index in range(40)
    ):  # every sixteenth row and column: 2 560 patches
        predicted = model.predict(normalise(image[None]), stride=16)[0, ::16, ::16]
        confusion += confusion_matrix(predicted, target["class_mask"][::16, ::16].long(), 6)
    assert mean_iou(confusion)[0] == pytest.approx(card["mean_iou"], abs=0.12)


def test_the_stored_localiser_reaches_what_its_card_says(scenes):
    model = Localiser(backbone(pretrained=False))
    card = load_weights(model, "localiser_farm")
    accuracy, localised = localisation_accuracy(model, SingleObjectWindows(scenes, tries=2))
    assert accuracy == pytest.approx(card["accuracy"], abs=0.1)
    assert localised == pytest.approx(card["localised"], abs=0.15)


@stored("sliding_window_classifier_farm")
def test_the_stored_sliding_window_classifier_finds_animals(scenes):
    model = SlidingWindowClassifier(backbone(pretrained=False))
    card = load_weights(model, "sliding_window_classifier_farm")
    few = [scenes[index] for index in range(8)]
    mean_ap, _ = evaluate_detector(model, few, [WINDOWS] * len(few), progress=False)
    assert mean_ap == pytest.approx(card["mean_average_precision"], abs=0.2)  # 28 objects: much noise


@pytest.mark.parametrize("name", NAMES)
def test_cards_name_seed_data_and_recipe(name):
    card = read_card(name)
    assert card["data_version"] == DATA_VERSION
    assert {"seed", "recipe", "task"} <= card.keys()


@pytest.mark.parametrize(
    "train",
    [train_patch_classifier, train_fcn, train_deconvnet, train_localiser, train_sliding_window_classifier],
)
def test_a_recipe_is_the_same_every_time(train):
    scenes = FarmScenes.test(10, progress=False)
    (first, _), (second, _) = (
        train(scenes, seed=3, epochs=1, batch_size=8, progress=False) for _ in range(2)
    )
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_make_checkpoints_makes_them_too():
    assert OWN_STEPS.items() <= STEPS.items()
