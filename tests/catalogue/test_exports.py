"""The catalogue has every scheduler that the installed frameworks export."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from harness.catalogue import BASES, IMPLEMENTATIONS

pytestmark = pytest.mark.frameworks

MODULES = {
    "torch.optim.lr_scheduler": "torch.optim.lr_scheduler",
    "torch.optim.swa_utils": "torch.optim.swa_utils",
    "mindspore.nn.dynamic_lr": "mindspore.nn",
    "mindspore.nn.learning_rate_schedule": "mindspore.nn",
    "mindspore.experimental.optim.lr_scheduler": "mindspore.experimental.optim.lr_scheduler",
    "mindspore.train.callback": "mindspore.train",
}
"""Where a framework defines schedulers, and where it shows them."""
OTHER = {
    "torch.optim.swa_utils": {
        *("AveragedModel", "update_bn", "get_ema_multi_avg_fn", "get_swa_multi_avg_fn"),
        *("get_ema_avg_fn", "get_swa_avg_fn"),
    },
    "mindspore.nn.learning_rate_schedule": {"LearningRateSchedule"},
    "mindspore.train.callback": {
        *("BackupAndRestore", "Callback", "CheckpointConfig", "EarlyStopping"),
        *("FlopsUtilizationCollector", "History", "LambdaCallback", "LossMonitor"),
        *("ModelCheckpoint", "OnRequestExit", "RunContext", "SummaryCollector"),
        *("SummaryLandscape", "TimeMonitor", "TrainFaultTolerance"),
    },
}
"""What they export beside schedulers."""
PROGRAM = """
import importlib, json, sys
print(json.dumps(list(importlib.import_module(sys.argv[1]).__all__)))
"""


def exported(module: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, module], stdout=subprocess.PIPE, text=True, check=True
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


@pytest.mark.parametrize("module", MODULES)
def test_every_scheduler_that_is_exported_is_in_the_catalogue(module):
    known = {**IMPLEMENTATIONS, **BASES}
    schedulers = [name for name in exported(module) if name not in OTHER.get(module, set())]
    assert schedulers
    unknown = [name for name in schedulers if f"{MODULES[module]}.{name}" not in known]
    unknown = [name for name in unknown if f"{module}.{name}" not in known]
    assert not unknown, (
        f"{module} exports {unknown}: add them to harness/catalogue/facts.py, with their mappings "
        "and a case about their signature, or to OTHER here if they make no rate"
    )
