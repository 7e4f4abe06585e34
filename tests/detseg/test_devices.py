"""Every operation on another device: the pretend GPU everywhere, a real one where there is one."""

import contextlib

import pytest
import torch
from operations import OPERATIONS

from autograder.checking.pretend_gpu import PretendGPU


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("gpu", ["pretend", "real"])
def test_gives_the_same_there(gpu, name):
    if gpu == "real" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    operation, *inputs = OPERATIONS[name]
    expected = operation(*inputs)
    with PretendGPU() if gpu == "pretend" else contextlib.nullcontext():
        there = [x.to("cuda") for x in inputs]
        result = operation(*there)
        if name not in ("average_precision", "proposal_recall"):  # these give a number
            assert result.device.type == "cuda"
        torch.testing.assert_close(result.to("cpu"), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["roi_pool", "roi_align", "smooth_l1", "pixel_cross_entropy", "max_unpool"])
@pytest.mark.parametrize("gpu", ["pretend", "real"])
def test_has_the_same_gradient_there(gpu, name):
    if gpu == "real" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    operation, first, *others = OPERATIONS[name]
    here, there = first.clone().requires_grad_(), first.clone().requires_grad_()
    operation(here, *others).square().sum().backward()
    with PretendGPU() if gpu == "pretend" else contextlib.nullcontext():
        operation(there.to("cuda"), *(x.to("cuda") for x in others)).square().sum().backward()
    torch.testing.assert_close(there.grad, here.grad, atol=1e-5, rtol=1e-5)
