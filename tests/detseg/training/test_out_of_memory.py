import pytest
import torch
from torch import nn

from detseg.models.backbone import backbone
from detseg.models.fast_rcnn import FastRCNN
from detseg.models.faster_rcnn import FasterRCNN
from detseg.training import segmentation
from detseg.training.checkpoint import load_checkpoint
from detseg.training.detection import DetectionBatches, predict_scenes
from detseg.training.loop import fit
from detseg.training.out_of_memory import OutOfMemory, explain_out_of_memory

ERRORS = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory"),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError(),
]


class Hungry(nn.Module):
    """A model that asks for too much in its third step."""

    def __init__(self, error):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.inner = nn.Module()
        self.inner.rois_per_image = 32
        self.error, self.calls = error, 0

    def losses(self, x, generator):
        self.calls += 1
        if self.calls == 3:
            raise self.error
        return {"fit": (self.weight * x).square().mean()}


class Numbers:
    def __len__(self):
        return 40

    def batch(self, indices, generator, device):
        return (torch.tensor(indices, dtype=torch.float32, device=device),)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_training_names_step_and_knobs_and_keeps_the_checkpoint(tmp_path, error):
    path = tmp_path / "run.pt"
    with pytest.raises(
        OutOfMemory, match=r"training step 3: lower batch_size \(it is 4\) first.*images"
    ) as caught:
        fit(Hungry(error), Numbers(), epochs=1, batch_size=4, checkpoint=path, save_every=0, progress=False)
    assert "rois_per_image (it is 32)" in str(caught.value)
    assert f"{path} keeps the last state" in caught.value.__notes__[0]
    assert caught.value.__cause__ is error
    assert load_checkpoint(path)["step"] == 2


def test_other_errors_pass():
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(RuntimeError) as caught, explain_out_of_memory("a test", 1):
        raise error
    assert caught.value is error


def test_what_the_allocator_really_raises():
    with pytest.raises(OutOfMemory, match="in a test"), explain_out_of_memory("a test", 1):
        torch.empty(2**55)


@pytest.mark.parametrize("given", [False, True])
def test_testing_a_detector_names_its_proposals(given, monkeypatch):
    def too_much(*_):
        raise MemoryError

    scene = torch.zeros(3, 32, 48, dtype=torch.uint8), {"boxes": torch.zeros(0, 4)}
    model = FastRCNN(backbone()) if given else FasterRCNN(backbone())
    monkeypatch.setattr(model, "predict", too_much)
    knob = (
        r"the number of proposals an image \(it is 17\)"
        if given
        else r"test_proposals \(it is \(600, 300\)\)"
    )
    with pytest.raises(
        OutOfMemory, match=rf"detection: lower batch_size \(it is 10\) first, then {knob}, or"
    ):
        predict_scenes(model, [scene], [torch.zeros(17, 4)] if given else None, progress=False)


def test_testing_a_segmenter_names_the_batch():
    class Segmenter:
        def predict(self, images):
            raise MemoryError

    scene = torch.zeros(3, 32, 48, dtype=torch.uint8), {"class_mask": torch.zeros(32, 48, dtype=torch.uint8)}
    with pytest.raises(
        OutOfMemory, match=r"segmentation: lower batch_size \(it is 5\) first, or take smaller images"
    ):
        segmentation.evaluate(Segmenter(), [scene], batch_size=5, progress=False)


def test_a_detector_in_training_names_all_it_could_lower():
    class Scenes:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            image = torch.zeros(3, 32, 48, dtype=torch.uint8)
            return image, {"boxes": torch.tensor([[1.0, 2, 30, 20]]), "labels": torch.tensor([1])}

    def too_much(*_, **__):
        raise MemoryError

    model = FasterRCNN(backbone(), roi_pool=too_much)
    with pytest.raises(OutOfMemory) as caught:
        fit(model, DetectionBatches(Scenes()), epochs=1, batch_size=2, progress=False)
    for knob in (
        "rois_per_image (it is 32)",
        "anchors_per_image (it is 64)",
        "train_proposals (it is (400, 100))",
    ):
        assert knob in str(caught.value)
