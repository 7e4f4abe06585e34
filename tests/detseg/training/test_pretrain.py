import torch

from detseg.models.backbone import backbone
from detseg.training.pretrain import CropBatches, CropClassifier, accuracy, pretrain


class Patches:
    """Crops that differ in colour, five classes in turn."""

    def __len__(self):
        return 128

    def __getitem__(self, index):
        crop = torch.randint(
            0, 30, (3, 16, 16), generator=torch.Generator().manual_seed(index), dtype=torch.uint8
        )
        label = index % 5 + 1
        crop[label % 3] += 40 * label
        return crop, label


def test_batches_are_shifted_and_normalised_with_their_labels():
    images, labels = CropBatches(Patches()).batch([3, 0, 9], torch.Generator().manual_seed(0))
    assert images.shape == (3, 3, 16, 16)
    assert labels.tolist() == [4, 1, 5]
    assert abs(images.mean().item()) < 3


def test_the_classifier_has_a_logit_for_each_animal():
    assert CropClassifier()(torch.zeros(2, 3, 16, 24)).shape == (2, 5)


def test_pretraining_learns_and_its_backbone_fits_the_shared_one():
    model, run = pretrain(Patches(), epochs=12)
    assert run.history["class"][-1] < run.history["class"][0]
    assert accuracy(model, Patches()) > 0.6
    backbone(pretrained=False).load_state_dict(model.backbone.state_dict())
