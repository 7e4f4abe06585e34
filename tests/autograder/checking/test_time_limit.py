import subprocess
import sys
import threading
import time

import pytest

from autograder.checking.time_limit import TimeLimitExceeded, time_limit


def loop_for_ever():
    while True:
        pass


def loop_that_swallows_everything():
    while True:
        try:  # noqa: SIM105
            sum(range(10))
        except:  # noqa: E722
            pass


@pytest.mark.parametrize("body", [loop_for_ever, loop_that_swallows_everything, lambda: time.sleep(60)])
def test_stops_a_body_that_does_not_return(body):
    with pytest.raises(TimeLimitExceeded), time_limit(0.1):
        body()


def test_lets_a_quick_body_pass_and_leaves_no_alarm_behind():
    with time_limit(0.1):
        value = 1 + 1
    time.sleep(0.3)
    assert value == 2


def test_an_exception_of_the_body_comes_through():
    with pytest.raises(ZeroDivisionError), time_limit(5):
        1 / 0  # noqa: B018


def test_an_import_is_not_cut_in_two(tmp_path, monkeypatch):
    (tmp_path / "slow_to_import.py").write_text(
        "import time\nfor _ in range(5):\n    time.sleep(0.1)\nwhole = True\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def body():
        import slow_to_import  # noqa: F401

        loop_for_ever()

    with pytest.raises(TimeLimitExceeded), time_limit(0.1):
        body()
    assert sys.modules["slow_to_import"].whole


def test_works_outside_the_main_thread():
    caught = []

    def run():
        try:
            with time_limit(0.1):
                loop_that_swallows_everything()
        except TimeLimitExceeded as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(timeout=20)
    assert len(caught) == 1


def test_profiling_works_after_a_limit_outside_the_main_thread():
    code = (
        "import sys, threading\n"
        "from autograder.checking.time_limit import time_limit\n"
        "def quick():\n"
        "    with time_limit(5):\n"
        "        pass\n"
        "thread = threading.Thread(target=quick); thread.start(); thread.join()\n"
        "sys.setprofile(lambda *event: None)\n"
        "quick()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
