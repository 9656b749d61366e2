"""Environments with a fake framework, and cases that tell it what to do."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.case import CaseFile
from harness.workers import EnvironmentSpec

FAKES = Path(__file__).with_name("fakes")
"""Adapters that import no framework, each with faults of its own."""
API = "torch.optim.lr_scheduler.ExponentialLR"


def spec(
    adapter: str = "fake", name: str = "torch", python: str | None = None, **fields
) -> EnvironmentSpec:
    """An environment with a fake for torch, of the interpreter that `sys.executable` names now."""
    source = FAKES / f"{adapter}_adapter.py"
    return EnvironmentSpec(name, "torch", python or sys.executable, source, **fields)


def cases(*behaviours: str):
    """A case for each thing that a fake is asked to do; all of them are due the same rates."""
    return CaseFile.model_validate(
        {
            "format": 1,
            "cases": [
                {
                    "name": f"{number}: {behaviour}".strip(),
                    "description": "a fake",
                    "source": "by hand: halves",
                    "family": "exponential",
                    "schedule": {"base_lr": 0.5, "decay_rate": 0.5, "decay_steps": 1},
                    "steps": 4,
                    "expected": {"values": [0.5, 0.25, 0.125, 0.0625]},
                    "implementations": [API],
                    "arguments": {API: {"behaviour": behaviour}},
                }
                for number, behaviour in enumerate(behaviours)
            ],
        }
    ).cases
