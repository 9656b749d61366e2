"""Scripts written to files, and what one of them shows."""

from __future__ import annotations

import pytest
from helpers.scripts import mindspore_script, torch_script, trace_of

from harness.verification import Training, side


@pytest.fixture
def script(tmp_path):
    """Write a script, and return its path."""

    def written(text: str, name: str = "train.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written


@pytest.fixture
def seen(script):
    """The trace of one PyTorch script."""

    def run(text: str, steps=60, steps_per_epoch=20, resume_at=(), **settings):
        one = side("torch", script(text), **settings)
        return trace_of(one, Training(steps, steps_per_epoch, tuple(resume_at)))

    return run


@pytest.fixture
def rates_of(script):
    """The reported rates of the body of a `build`, and its trace, in either framework."""

    def run(framework: str, body: str, steps=6, steps_per_epoch=1, resume_at=(), **settings):
        text = (torch_script if framework == "torch" else mindspore_script)(body)
        one = side(framework, script(text, f"{framework}_train.py"), **settings)
        trace = trace_of(one, Training(steps, steps_per_epoch, tuple(resume_at)))
        return trace.sequences["reported"].tolist(), trace

    return run
