"""How far a run has got, on a terminal and in a pipe."""

from __future__ import annotations

import io

import pytest
from helpers.making import HALVES, judged, schedule_case, seen, trial
from rich.console import Console

from harness.console import PLAIN_EVERY, Progressing


def progress_of(number, terminal, rates=HALVES):
    """What is written to standard output and to standard error while so many trials are judged."""
    out = Console(file=io.StringIO(), width=200)
    err = Console(file=io.StringIO(), width=200, force_terminal=terminal)
    made = trial(schedule_case())
    judgement = judged(made, seen(made, rates))
    progress = Progressing(out, err)
    with progress:
        progress.listener.on_plan([made] * number)
        for _ in range(number):
            progress.listener.on_judgement(judgement)
    assert progress.so_far == f"{number} of {number} trials"
    return out.file.getvalue(), err.file.getvalue()


def test_on_a_terminal_a_bar_counts_every_trial():
    out, err = progress_of(7, terminal=True)
    assert "7/7" in err
    assert "trials" not in err
    assert out == ""


def test_in_a_pipe_there_is_a_line_now_and_then():
    _, err = progress_of(2 * PLAIN_EVERY + 1, terminal=False)
    total = 2 * PLAIN_EVERY + 1
    assert err.splitlines() == [
        f"{total} trials",
        f"{PLAIN_EVERY} of {total} trials",
        f"{2 * PLAIN_EVERY} of {total} trials",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_failure_is_printed_as_it_comes(terminal):
    out, _ = progress_of(1, terminal, rates=[0.5, 0.5, 0.5, 0.5])
    assert out.startswith("diverges  halves::")
