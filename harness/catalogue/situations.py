"""Which implementations can be put in which situation: resumed, set from outside, in groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.catalogue.call import Call, Training, Unsupported
from harness.catalogue.model import Implementation, Kind, Precision
from harness.versions import within

_WITHOUT_EPOCH = {"SequentialLR", "ChainedScheduler", "ReduceLROnPlateau"}
_TOLD_METRIC_AND_EPOCH = {"torch.optim.lr_scheduler.ReduceLROnPlateau"}
_PER_GROUP = {"lr_lambda", "base_lr", "max_lr", "min_lr", "swa_lr"}
"""Arguments that take a list with an entry for each group."""
_RESUMED_BY = {
    ("torch", Kind.SCHEDULER): ("state_dict", "checkpoint", "last_epoch"),
    ("mindspore", Kind.SCHEDULER): ("last_epoch",),
    ("mindspore", Kind.LIST): ("checkpoint",),
    ("mindspore", Kind.CELL): ("checkpoint",),
}
_READ = {
    ("torch", Kind.SCHEDULER): ("get_last_lr", "get_lr", "last_epoch", "momentum"),
    ("mindspore", Kind.SCHEDULER): ("get_last_lr", "last_epoch"),
}


_TENSOR_RATES = "2.1"
"""The version of torch from which on its documentation lets a rate be a tensor."""


def tensor_rates_absence(lr_dtype: str | None, framework: str, version: str) -> str:
    """Why rates are no tensors in a version of a framework, or nothing where they may be."""
    early = lr_dtype and framework == "torch" and within(version, f"<{_TENSOR_RATES}")
    return (
        f"torch {version} has no rates as tensors, which came with {_TENSOR_RATES}" if early else ""
    )


def unfit(implementation: Implementation, training: Training) -> Unsupported | None:
    """Why an implementation cannot be driven through such a training, or None."""
    name, kind = implementation.api.rpartition(".")[2], implementation.kind
    told = implementation.api in _TOLD_METRIC_AND_EPOCH
    without = kind is not Kind.SCHEDULER or (name in _WITHOUT_EPOCH and not told)
    if (training.stepping == "epoch" or training.told) and without:
        return Unsupported("has no step(epoch)")
    if training.step_replaced and (implementation.framework, kind) != ("torch", Kind.SCHEDULER):
        return Unsupported("steps no optimizer that it would know of")
    if training.reading not in _READ.get((implementation.framework, kind), ("get_last_lr",)):
        return Unsupported(f"has no {training.reading} to read")
    if " " in training.optimizer and implementation.framework != "torch":
        return Unsupported(f"has no optimizer that is {training.optimizer.split()[1]}")
    if training.lr_dtype:
        tensor = _unfit_tensor(implementation, training)
        if tensor:
            return tensor
    if training.changes and kind is not Kind.SCHEDULER:
        return Unsupported("has no rate that could be set in mid-training")
    if training.resume is not None:
        by = training.resume.by
        if by not in _RESUMED_BY.get((implementation.framework, kind), ()):
            return Unsupported(f"cannot be resumed by {by}")
        if by == "last_epoch" and name in _WITHOUT_EPOCH:
            return Unsupported("is not told the number of the last epoch")
        if (training.resume.into or training.resume.twice) and by == "last_epoch":
            return Unsupported("takes over no state")
    return None


def _unfit_tensor(implementation: Implementation, training: Training) -> Unsupported | None:
    """Why an optimizer cannot be given its rate, or its rates, as a tensor; or None."""
    if implementation.framework == "torch":
        return Unsupported("has no rate that is a Parameter") if training.lr_parameter else None
    if implementation.kind is Kind.CELL:
        return Unsupported("is no rate, but works one out")
    if training.lr_dtype not in {Precision.FLOAT32, Precision.FLOAT64}:
        return Unsupported("holds its rate in float32, whatever the type of the tensor")
    if training.lr_shared and implementation.kind is not Kind.SCHEDULER:
        return Unsupported("has no rate that groups could share")
    return None


def grouped(
    implementation: Implementation, calls: list[Call], joins: list[int]
) -> list[Call] | Unsupported:
    """The calls of several parameter groups, as one API takes them.

    A scheduler has one set of arguments, some of which may be lists with an entry for each group;
    an optimizer of `mindspore.nn` is given a schedule for each group.
    """
    kind = implementation.kind
    if len(calls) == 1:
        return calls
    if kind is Kind.CALLBACK:
        return Unsupported("knows one rate only, for all parameters")
    if kind is not Kind.SCHEDULER:
        return Unsupported("no group can join later") if any(joins) else calls
    merged: dict[str, Any] = {}
    for name, first in calls[0].arguments.items():
        values = [call.arguments[name] for call in calls]
        if all(value == first for value in values):
            merged[name] = first
        elif name in _PER_GROUP and not any(joins):
            merged[name] = values
        else:
            return Unsupported(f"has one {name} for all groups")
    return [replace(call, arguments=merged) for call in calls]
