"""Messages: what goes in comes out, as exact types, and no bytes whatever do anything else than fail as they should."""

import contextlib
import json
import random
import socket
import struct
import threading
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.checking import device as devices
from autograder.isolation import protocol
from autograder.isolation.channel import Channel, Late
from autograder.isolation.protocol import DTYPES, Foreign, ProtocolError, decode, encode

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def around(value):
    return decode(encode(value)[8:])


@settings(max_examples=200, deadline=None)
@given(plain)
def test_plain_values_come_back_the_same(value):
    assert repr(around(value)) == repr(value)


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (2, 3, 4)])
def test_tensors_of_every_dtype_come_back_the_same(dtype, shape):
    sent = (torch.arange(24)[: max(1, torch.Size(shape).numel())] % 5).to(dtype)
    sent = sent[: torch.Size(shape).numel()].reshape(shape)
    got = around({"x": [sent]})["x"][0]
    assert type(got) is torch.Tensor
    assert (got.dtype, got.shape) == (sent.dtype, sent.shape)
    assert torch.equal(got, sent)


def test_not_a_number_and_the_sign_of_zero_are_kept():
    got = around(torch.tensor([float("nan"), -0.0, float("inf")]))
    assert got.isnan().tolist() == [True, False, False]
    assert torch.signbit(got).tolist()[1] is True


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (0, 2, 1)])
def test_the_memory_order_is_kept(order):
    sent = torch.arange(24.0).reshape(2, 3, 4).permute(order)
    got = around(sent)
    assert torch.equal(got, sent)
    assert got.stride() == sent.stride()


def test_strided_and_expanded_tensors_are_sent_by_value():
    for sent in (
        torch.arange(20.0)[::3],
        torch.ones(1, 4).expand(3, 4),
        torch.arange(6.0).reshape(2, 3)[:, 1:],
    ):
        assert torch.equal(around(sent), sent)


def test_a_subclass_arrives_as_a_tensor():
    class Mine(torch.Tensor):
        pass

    assert type(around(torch.ones(2).as_subclass(Mine))) is torch.Tensor
    assert type(around(torch.nn.Parameter(torch.ones(2)))) is torch.Tensor


def test_the_gpu_is_kept():
    with devices.device_mode():
        got = around(devices.to_device(torch.arange(6.0).reshape(2, 3).T))
        assert got.device.type == "cuda"
        assert devices.to_cpu(got).tolist() == [[0, 3], [1, 4], [2, 5]]
    assert around(torch.ones(1)).device.type == "cpu"


def test_a_generator_arrives_at_its_seed():
    sent = torch.Generator().manual_seed(2**40 + 3)
    assert torch.equal(torch.rand(5, generator=around(sent)), torch.rand(5, generator=sent))


@pytest.mark.parametrize(
    "value",
    [
        2**63, torch.ones(1).to(torch.complex64), torch.ones(2).to_sparse(),
        torch.zeros(1).expand(10**12), [torch.zeros(1).expand(2**22)] * 5, [0] * 200_000, "x" * 5_000_000,
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_refused_before_it_costs_memory(value):
    with pytest.raises(ProtocolError):
        encode(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", 1j, np.ones(3), np.float32(1)])
def test_of_a_value_of_another_type_only_the_name_of_the_type_is_sent(value):
    first, again = decode(encode([value, (value, 1)])[8:])
    assert isinstance(first, Foreign)
    assert type(first).__name__ == type(value).__name__
    assert again == (first, 1)


@pytest.mark.parametrize("name", ["no name", "x" * 10_000, "a\x00b", "<script>", ""])
def test_the_name_of_a_type_is_not_believed(name):
    value = decode(message({"foreign": name}))
    assert type(value).__name__ in ("value", "x" * 100)


def test_a_value_within_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(ProtocolError, match="nested"):
        encode(value)


def message(header, body=b""):
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("!I", len(header)) + header + body


@pytest.mark.parametrize(
    "bytes_",
    [
        b"",
        b"\0",
        b"\xff" * 100,
        message(b"{"),
        message(b"NaN"),
        message(b"[" * 100_000),
        message({}),
        message({"a": 1, "b": 2}),
        message({"object": 1}),
        message({"float": "1.5"}),
        message({"generator": -(10**30)}),
        message({"generator": 0.5}),
        message(10**30),
        message({"dict": [["key"]]}),
        message({"dict": [[1, 2]]}),
        message({"tuple": 5}),
        message({"tensor": 5}),
        message({"tensor": ["float32", [2], None, False]}, bytes(4)),
        message({"tensor": ["float32", [1], None, False]}, bytes(8)),
        message({"tensor": ["float32", [-1, -1], None, False]}, bytes(4)),
        message({"tensor": ["float32", [1.0], None, False]}, bytes(4)),
        message({"tensor": ["float32", [True], None, False]}, bytes(4)),
        message({"tensor": ["object", [1], None, False]}, bytes(8)),
        message({"tensor": ["bool", [1], None, False]}, b"\2"),
        message({"tensor": ["uint8", [1, 1], [0, 0], False]}, b"\2"),
        message({"tensor": ["uint8", [0, 2**62, 2**62], None, False]}),
        message({"tensor": ["uint8", [0, 2**80], None, False]}),
        message({"tensor": ["uint8", [1] * 17, None, False]}, b"\2"),
        message({"tensor": [["uint8"], [1], None, False]}, b"\2"),
        message([0] * 200_000),
        struct.pack("!I", 2**32 - 1) + bytes(100),
        message(b"[" + b" " * 5_000_000 + b"]"),
    ],
)
def test_what_is_no_message_is_refused(bytes_):
    with pytest.raises(ProtocolError):
        decode(bytes_)


def test_no_bytes_do_anything_but_decode_or_be_refused():
    dice = random.Random(0)
    value = {
        "a": [torch.arange(6.0).reshape(2, 3).T, (1, -2.5, "text", None)], "b": torch.tensor([True, False]),
        "c": {"d": torch.ones(2, 1, dtype=torch.bfloat16), "e": float("nan")}, "f": torch.Generator().manual_seed(3),
    }  # fmt: skip
    whole = encode(value)[8:]
    refused = 0
    for _ in range(5_000):
        mutant = bytearray(whole)
        for _ in range(dice.choice([1, 1, 2, 8])):
            place = dice.randrange(len(mutant))
            change = dice.randrange(4)
            if change == 0:
                mutant[place] = dice.randrange(256)
            elif change == 1:
                del mutant[place : place + dice.randrange(1, 9)]
            elif change == 2:
                mutant[place:place] = dice.choice(
                    [b"9", b"-", b"[", b"]", b"{", b'"', b"null", b"1e999", b"\\ud800"]
                )
            else:
                mutant[place : place + 1] = mutant[dice.randrange(len(mutant)) :][:9]
            if not mutant:
                break
        try:
            decode(bytes(mutant))
        except ProtocolError:
            refused += 1
    assert refused > 2_000


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_or_decoded(bytes_):
    for start in (b"", struct.pack("!I", len(bytes_))):
        with contextlib.suppress(ProtocolError):
            decode(start + bytes_)


def test_halves_of_surrogate_pairs_become_question_marks():
    assert decode(message(b'["a\\ud800", {"dict": [["\\udfff", 1]]}]')) == ["a?", {"?": 1}]


def test_a_reader_may_refuse_tensors():
    assert decode(encode({"a": [1, "b"]})[8:], tensors=False) == {"a": [1, "b"]}
    for value in (torch.ones(1), torch.Generator()):
        with pytest.raises(ProtocolError):
            decode(encode([value])[8:], tensors=False)


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    with here, there:
        yield Channel(here), there


def test_values_cross_a_socket(pair):
    channel, there = pair
    sender = threading.Thread(target=Channel(there).send, args=({"x": torch.arange(2**20)},))
    sender.start()
    assert torch.equal(channel.receive(30)["x"], torch.arange(2**20))
    sender.join()


def test_a_drip_does_not_outlast_the_deadline(pair):
    channel, there = pair
    whole, stop = encode("x" * 1000), threading.Event()

    def drip():
        for byte in whole:
            there.sendall(bytes([byte]))
            if stop.wait(0.05):
                return

    dripping = threading.Thread(target=drip)
    dripping.start()
    started = time.monotonic()
    with pytest.raises(Late, match=r"within 0\.5 s"):
        channel.receive(0.5)
    assert time.monotonic() - started < 20  # all of it would take 50 s
    stop.set()
    dripping.join()


def test_nobody_who_listens_is_told_apart_from_an_end(pair):
    channel, there = pair
    with pytest.raises(Late, match="listened"):
        channel.send_bytes(bytes(2**24), 0.2)
    there.close()
    with pytest.raises(ProtocolError, match="ended"):
        channel.receive(5)
    with pytest.raises(ProtocolError, match="ended"):
        channel.send("x")


@pytest.mark.parametrize("size", [0, 3, 2**20 + 1, 2**63])
def test_sizes_out_of_bounds_are_refused_unread(pair, size):
    channel, there = pair
    there.sendall(struct.pack("!Q", size) + bytes(100))
    with pytest.raises(ProtocolError, match=f"{size} bytes"):
        channel.receive(5, most=2**20)


def test_the_limits_are_those_of_the_docs():
    assert (protocol.MAX_MESSAGE, protocol.MAX_HEADER, protocol.MAX_DEPTH, protocol.MAX_ITEMS) == (
        2**26,
        2**22,
        12,
        10**5,
    )
