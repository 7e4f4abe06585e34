import pytest
import torch
import torch.nn.functional as F

from autograder.checking.pretend_gpu import CUDA, PretendGPU, PretendTensor

GENERATOR = torch.Generator().manual_seed(3)
X = torch.rand(2, 3, 5, 7, generator=GENERATOR)

LEGAL = {
    "zeros with device": lambda x: torch.zeros(7, device=x.device) + x,
    "new_zeros": lambda x: x.new_zeros(7) + x,
    "zeros_like": lambda x: torch.zeros_like(x) + x,
    "arange with device": lambda x: torch.arange(7, device=x.device) * x,
    "moved with to": lambda x: torch.arange(7).to(x.device) * x,
    "moved like a tensor": lambda x: torch.arange(7).to(x) * x,
    "mask": lambda x: x[x > 0.5],
    "where with a number": lambda x: torch.where(x > 0.5, x, 0.0),
    "indices on the CPU": lambda x: x[torch.tensor([1, 0])],
    "item in a loop": lambda x: x.new_tensor([float(value) * 2 for value in x[0, 0, 0]]),
    "sort": lambda x: x.flatten().sort(descending=True).values,
    "maximum and its place": lambda x: x.flatten(1).max(1).indices,
    "einsum": lambda x: torch.einsum("nchw,nkhw->nck", x, x),
    "filled slice by slice": lambda x: _filled(x),
    "embedding bag": lambda x: F.embedding_bag(
        torch.tensor([0, 4, 2], device=x.device),
        x.reshape(-1, 7),
        torch.tensor([0, 2], device=x.device),
        mode="max",
    ),
    "one hot": lambda x: F.one_hot(x[0, 0, :, 0].argsort(), 5).type_as(x),
    "tensor of numbers": lambda x: torch.tensor([x[0, 0, 0, 0], x.max()], device=x.device) * x[0, 0, :2, 0],
    "drawn where the generator lives": lambda x: x[
        torch.randperm(2, generator=torch.Generator().manual_seed(1))
    ],
    "cross entropy": lambda x: F.cross_entropy(x[:, :, 0, 0], torch.tensor([2, 0], device=x.device)),
}

ILLEGAL = {
    "zeros": lambda x: torch.zeros(7) + x,
    "arange": lambda x: torch.arange(7) * x,
    "cat": lambda x: torch.cat([torch.zeros(2, 3, 5, 7), x]),
    "mask of a CPU tensor": lambda x: X[x > 0.5],
    "scatter into a CPU tensor": lambda x: torch.zeros(9).scatter_add(0, x.long().flatten(), x.flatten()),
    "numpy": lambda x: x.numpy(),
    "CPU generator": lambda x: torch.rand(7, generator=torch.Generator(), device=x.device) + x,
}


def _filled(x):
    out = x.new_zeros(2, 3)
    for n in range(2):
        out[n] = x[n].amax((1, 2))
    return out


@pytest.mark.parametrize("name", LEGAL)
def test_legal_code_gives_the_values_of_the_cpu_on_the_device(name):
    with PretendGPU():
        result = LEGAL[name](PretendTensor(X.clone()))
    assert result.device == CUDA
    torch.testing.assert_close(result.on_cpu, LEGAL[name](X.clone()))


@pytest.mark.parametrize("name", ILLEGAL)
def test_mixing_devices_raises(name):
    with PretendGPU(), pytest.raises((RuntimeError, TypeError), match=r"device|cpu"):
        ILLEGAL[name](PretendTensor(X.clone()))


def test_gradient_flows_on_the_device_and_across_to():
    weight = torch.rand(7, generator=GENERATOR)
    with PretendGPU():
        x = PretendTensor(X.clone()).requires_grad_()
        (on_gpu,) = torch.autograd.grad((x * x.new_tensor(weight.tolist())).amax(3).sum(), [x])
        leaf = weight.clone().requires_grad_()
        (moved,) = torch.autograd.grad((leaf.to("cuda") * PretendTensor(X)).sum(), [leaf])
    x = X.clone().requires_grad_()
    (expected,) = torch.autograd.grad((x * weight).amax(3).sum(), [x])
    torch.testing.assert_close(on_gpu.on_cpu, expected)
    torch.testing.assert_close(moved, X.sum((0, 1, 2)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="compares with a real GPU; this machine has none")
@pytest.mark.parametrize("name", [*LEGAL, *ILLEGAL])
def test_a_real_gpu_agrees(name):
    x = X.cuda()
    if name in LEGAL:
        assert LEGAL[name](x).device.type == "cuda"
    else:
        with pytest.raises((RuntimeError, TypeError)):
            ILLEGAL[name](x)
