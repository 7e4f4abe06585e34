import time

import pytest
import torch

from detseg.ladder import measure as module
from detseg.ladder.measure import measure
from detseg.ladder.rungs import RUNGS
from detseg.training import segmentation


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rung(name):
    return next(rung for rung in RUNGS if rung.name == name)


def test_a_stored_segmenter_is_measured():
    found = measure(rung("fcn"), seed=0, scenes=2, timed=1, train=False)
    test = module.FarmScenes.test(2)
    assert found.accuracy == segmentation.evaluate(rung("fcn").load(), test, progress=False)[0]
    assert (found.training_seconds, found.training_cpu_seconds) == (None, None)
    assert found.proposals_seconds["0"] < 0.001  # there are none
    assert found.region_seconds == {"0": 0}
    assert found.seconds("0") >= found.shared_seconds["0"] > 0
    assert found.macs["0"] > 1e8  # 0.4 M weights at up to 128 x 128 places
    assert found.peak_mb > 100


def test_every_part_of_a_detector_that_proposes_itself_takes_time():
    found = measure(rung("faster_rcnn"), seed=0, scenes=2, timed=1, train=False)
    assert list(found.macs) == ["300", "2000"]
    assert found.macs["2000"] > found.macs["300"]
    for part in (found.proposals_seconds, found.shared_seconds, found.region_seconds):
        assert all(seconds > 0 for seconds in part.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU's work is not in the process's own seconds")
def test_what_others_do_meanwhile_is_not_counted_with_one_thread():
    clock = module._clock()
    before = clock()
    time.sleep(0.2)
    assert clock() - before < 0.1
    torch.set_num_threads(2)
    clock = module._clock()
    before = clock()
    time.sleep(0.2)
    assert clock() - before >= 0.2
