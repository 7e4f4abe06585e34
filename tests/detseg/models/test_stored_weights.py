import os

import pytest
import torch
from torch import nn

from detseg.models.stored_weights import load_weights, read_card, save_weights


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width))


def test_weights_come_back_to_half_precision_with_their_card(tmp_path):
    saved, loaded = network(), network()
    saved(torch.randn(5, 3))  # moves the running statistics
    save_weights(saved, "net", {"seed": 3, "accuracy": 0.5}, tmp_path)
    assert load_weights(loaded, "net", tmp_path) == {"seed": 3, "accuracy": 0.5} == read_card("net", tmp_path)
    for key, value in loaded.state_dict().items():
        expected = saved.state_dict()[key]
        assert value.dtype == expected.dtype
        torch.testing.assert_close(value, expected, rtol=1e-3, atol=1e-3)
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_the_file_can_be_read_by_whom_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        path = save_weights(network(), "net", {}, tmp_path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_missing_file_lists_what_there_is(tmp_path):
    save_weights(network(), "net", {}, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"there are: net.*make checkpoints"):
        load_weights(network(), "nets", tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 100])
def test_truncated_file_is_named_with_the_fix(tmp_path, keep):
    path = save_weights(network(), "net", {}, tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"net.safetensors are damaged .* make checkpoints"):
        load_weights(network(), "net", tmp_path)


def test_another_model_is_refused_and_left_unchanged(tmp_path):
    save_weights(network(4), "net", {}, tmp_path)
    other = network(5)
    before = other[0].weight.clone()
    with pytest.raises(ValueError, match=r"0.bias is \[4\] in the file and \[5\] in the model"):
        load_weights(other, "net", tmp_path)
    assert torch.equal(other[0].weight, before)


@pytest.mark.parametrize("name", ["mini_vgg_farm", "fast_rcnn_farm"])
def test_stored_cards_say_where_the_weights_come_from(name):
    card = read_card(name)
    assert {"seed", "data_version", "recipe"} <= card.keys()
