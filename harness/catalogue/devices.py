"""What depends on the device: which optimizers there are on it, and which types."""

from __future__ import annotations

from dataclasses import replace

from harness.catalogue.call import Training, Unsupported
from harness.catalogue.model import Implementation, Precision
from harness.versions import within

_LEVELS_SINCE = "2.6"
SPECIAL_SINCE = "2.4"
"""The first torch whose fused optimizers, of all three, run on the CPU too."""
_CAPTURABLE = ("cuda", "xpu", "npu")
_WITHOUT_FLOAT64 = ("mps", "npu")


def on_device(implementation: Implementation, device: str) -> Implementation:
    """The implementation as it is on a device: where there is no float64, weights are float32."""
    if device in _WITHOUT_FLOAT64 and implementation.applied_precision is Precision.FLOAT64:
        return replace(implementation, applied_precision=Precision.FLOAT32)
    return implementation


def unfit_device(training: Training, device: str) -> Unsupported | None:
    """Why a training cannot take place on a device, or None.

    torch refuses a capturable optimizer elsewhere at its first step, when it has been made: the
    plan says it without trying.
    """
    if training.optimizer.endswith(" capturable") and device not in _CAPTURABLE:
        return Unsupported(
            f"a capturable optimizer needs one of {', '.join(_CAPTURABLE)}, and this is {device}"
        )
    if training.lr_dtype == Precision.FLOAT64 and device in _WITHOUT_FLOAT64:
        return Unsupported(f"there is no tensor of float64 on {device}")
    return None


def mode_absence(mode: str, version: str) -> str:
    """Why a version of MindSpore lacks an execution mode, or nothing where it has it."""
    if mode.startswith("jit-") and within(version, f"<{_LEVELS_SINCE}"):
        return f"mindspore {version} has no jit_level of ms.jit, which came with {_LEVELS_SINCE}"
    return ""


def optimizer_absence(training: Training, version: str) -> str:
    """Why a version of torch lacks the optimizer of a training, or nothing where it has it."""
    if " " in training.optimizer and within(version, f"<{SPECIAL_SINCE}"):
        return f"{training.optimizer} is tried from torch {SPECIAL_SINCE} on, and this is {version}"
    return ""
