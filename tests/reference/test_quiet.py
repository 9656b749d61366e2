"""What is told to numpy while a formula is evaluated, and what is left as it was."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from harness.reference.arithmetic import quiet

LOUD = dict.fromkeys(("divide", "over", "under", "invalid"), "raise")
QUIET = dict.fromkeys(LOUD, "ignore")


@quiet
def told():
    return np.geterr()


@quiet
def told_inside():
    return told(), np.geterr()


@quiet
def failing():
    told()
    raise ValueError("as it should")


@pytest.fixture(autouse=True)
def loud():
    with np.errstate(all="raise"):
        yield


def test_numpy_is_quiet_inside_and_as_before_outside():
    assert (told(), np.geterr()) == (QUIET, LOUD)


def test_it_stays_quiet_after_a_quiet_function_inside_another():
    assert told_inside() == (QUIET, QUIET)
    assert np.geterr() == LOUD


def test_it_is_as_before_after_an_exception_and_quiet_again_then():
    for _ in range(2):
        with pytest.raises(ValueError, match="as it should"):
            failing()
        assert np.geterr() == LOUD
    assert told() == QUIET


def test_each_thread_is_told_on_its_own():
    @quiet
    def in_another_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(told()))
        thread.start()
        thread.join()
        return found

    assert in_another_thread() == [QUIET]
