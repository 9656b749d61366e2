"""The implementations: what each of them is and where it is documented."""

from __future__ import annotations

from dataclasses import replace

from harness.catalogue.model import Form, Implementation, Kind, Precision

_TORCH = "https://docs.pytorch.org/docs/stable/generated/"
_MINDSPORE = "https://www.mindspore.cn/docs/en/master/api_python/"


def _torch(
    name: str,
    formula: str,
    form: Form = Form.RECURSIVE,
    module: str = "torch.optim.lr_scheduler",
    since: str = "",
) -> Implementation:
    """Rates are Python floats; float64 weights show them to the last bit."""
    page = "torch.optim.swa_utils" if module.endswith("swa_utils") else f"generated/{module}.{name}"
    return Implementation(
        api=f"{module}.{name}",
        framework="torch",
        kind=Kind.SCHEDULER,
        form=form,
        precision=Precision.FLOAT64,
        applied_precision=Precision.FLOAT64,
        modes=("eager",),
        formula=formula,
        documentation=f"{_TORCH.removesuffix('generated/')}{page}.html",
        since=since,
    )


def _mindspore(
    module: str,
    name: str,
    kind: Kind,
    form: Form,
    precision: Precision,
    formula: str,
    modes: tuple[str, ...],
) -> Implementation:
    path = module.removeprefix("mindspore.").removesuffix(".lr_scheduler").replace(".", "/")
    return Implementation(
        api=f"{module}.{name}",
        framework="mindspore",
        kind=kind,
        form=form,
        precision=precision,
        applied_precision=Precision.FLOAT32,
        modes=modes,
        formula=formula,
        documentation=f"{_MINDSPORE}{path}/{module}.{name}.html",
    )


def _list(name: str, formula: str) -> Implementation:
    modes = ("pynative", "graph", "jit", "jit-O1")
    return _mindspore(
        "mindspore.nn", name, Kind.LIST, Form.CLOSED, Precision.FLOAT64, formula, modes
    )


def _cell(name: str, formula: str) -> Implementation:
    modes = ("pynative", "graph", "jit", "jit-O1", "vector")
    return _mindspore(
        "mindspore.nn", name, Kind.CELL, Form.CLOSED, Precision.FLOAT32, formula, modes
    )


def _experimental(name: str, formula: str, form: Form = Form.RECURSIVE) -> Implementation:
    made = _mindspore(
        "mindspore.experimental.optim.lr_scheduler",
        name,
        Kind.SCHEDULER,
        form,
        Precision.FLOAT32,
        formula,
        ("pynative", "graph", "jit", "jit-O1"),
    )
    return replace(made, since="2.1")


def _callback(name: str, formula: str) -> Implementation:
    return _mindspore(
        "mindspore.train",
        name,
        Kind.CALLBACK,
        Form.RECURSIVE,
        Precision.FLOAT32,
        formula,
        ("pynative", "graph"),
    )


_EPOCH = "floor(i / step_per_epoch)"
_CLOSED = Form.CLOSED

BASES: dict[str, Implementation] = {
    implementation.api: implementation
    for implementation in (
        _torch("LRScheduler", "what a derived class gives", since="2.0"),
        _experimental("LRScheduler", "what a derived class gives"),
    )
}
"""Classes that users derive their own from: they have a signature, and no schedule."""

IMPLEMENTATIONS: dict[str, Implementation] = {
    implementation.api: implementation
    for implementation in (
        _torch("LambdaLR", "initial_lr * lr_lambda(epoch)", _CLOSED),
        _torch("MultiplicativeLR", "lr * lr_lambda(epoch), from one epoch to the next"),
        _torch("StepLR", "lr * gamma ** (epoch // step_size)"),
        _torch("MultiStepLR", "lr * gamma ** (milestones at or before epoch)"),
        _torch("ConstantLR", "lr * factor before total_iters, then lr", since="1.10"),
        _torch(
            "LinearLR",
            "lr * (start + (end - start) * min(epoch, total_iters) / total_iters)",
            since="1.10",
        ),
        _torch("ExponentialLR", "lr * gamma ** epoch"),
        _torch(
            "PolynomialLR",
            "lr * (1 - min(epoch, total_iters) / total_iters) ** power",
            since="1.13",
        ),
        _torch("CosineAnnealingLR", "eta_min + (lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2"),
        _torch(
            "CosineAnnealingWarmRestarts",
            "eta_min + (lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2",
            _CLOSED,
        ),
        _torch(
            "CyclicLR",
            "base_lr + (max_lr - base_lr) * max(0, 1 - |x|) * scale, x the place in the cycle",
            _CLOSED,
        ),
        _torch(
            "OneCycleLR",
            "annealed from max_lr / div_factor to max_lr, then to initial_lr / final_div_factor",
            _CLOSED,
        ),
        _torch("SequentialLR", "the scheduler of the present milestone", since="1.10"),
        _torch("ChainedScheduler", "the product of the schedulers' factors", since="1.10"),
        _torch("ReduceLROnPlateau", "max(lr * factor, min_lr) once a metric stops improving"),
        _torch("SWALR", "annealed from lr to swa_lr", module="torch.optim.swa_utils"),
        _list("piecewise_constant_lr", "learning_rates[t] for i in [M(t-1), M(t))"),
        _list("exponential_decay_lr", f"learning_rate * decay_rate ** ({_EPOCH} / decay_epoch)"),
        _list("natural_exp_decay_lr", f"learning_rate * e ** (-decay_rate * {_EPOCH})"),
        _list("inverse_decay_lr", f"learning_rate / (1 + decay_rate * {_EPOCH} / decay_epoch)"),
        _list(
            "cosine_decay_lr",
            f"min_lr + 0.5 * (max_lr - min_lr) * (1 + cos({_EPOCH} / decay_epoch * pi))",
        ),
        _list(
            "polynomial_decay_lr",
            "(learning_rate - end_learning_rate) * (1 - tmp_epoch / tmp_decay_epoch) ** power "
            "+ end_learning_rate",
        ),
        _list("warmup_lr", f"learning_rate * min({_EPOCH}, warmup_epoch) / warmup_epoch"),
        _cell("ExponentialDecayLR", "learning_rate * decay_rate ** (current_step / decay_steps)"),
        _cell(
            "NaturalExpDecayLR",
            "learning_rate * e ** (-decay_rate * current_step); documented as divided by "
            "decay_steps",
        ),
        _cell("InverseDecayLR", "learning_rate / (1 + decay_rate * current_step / decay_steps)"),
        _cell(
            "CosineDecayLR",
            "min_lr + 0.5 * (max_lr - min_lr) * (1 + cos(current_step / decay_steps * pi))",
        ),
        _cell(
            "PolynomialDecayLR",
            "(learning_rate - end_learning_rate) * (1 - tmp_step / tmp_decay_steps) ** power "
            "+ end_learning_rate",
        ),
        _cell("WarmUpLR", "learning_rate * min(current_step, warmup_steps) / warmup_steps"),
        replace(
            _cell("LearningRateSchedule", "construct(global_step), the user's own"),
            api="mindspore.nn.learning_rate_schedule.LearningRateSchedule",
            documentation=f"{_MINDSPORE}mindspore.nn.html",
        ),
        _experimental("LambdaLR", "initial_lr * lr_lambda(last_epoch)", _CLOSED),
        _experimental("MultiplicativeLR", "lr * lr_lambda(last_epoch), from one to the next"),
        _experimental("StepLR", "lr * gamma ** (epoch // step_size)"),
        _experimental("MultiStepLR", "lr * gamma ** (milestones at or before epoch)"),
        _experimental("ConstantLR", "lr * factor before total_iters, then lr"),
        _experimental(
            "LinearLR", "lr * (start + (end - start) * min(epoch, total_iters) / total_iters)"
        ),
        _experimental("ExponentialLR", "lr * gamma ** epoch"),
        _experimental(
            "PolynomialLR",
            "lr * ((1 - epoch / total_iters) / (1 - (epoch - 1) / total_iters)) ** power",
        ),
        _experimental(
            "CosineAnnealingLR", "eta_min + (lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2"
        ),
        _experimental(
            "CosineAnnealingWarmRestarts",
            "eta_min + (lr - eta_min) * (1 + cos(pi * T_cur / T_i)) / 2",
            _CLOSED,
        ),
        _experimental(
            "CyclicLR",
            "base_lr + (max_lr - base_lr) * max(0, 1 - |x|) * scale, x the place in the cycle",
            _CLOSED,
        ),
        _experimental("SequentialLR", "the scheduler of the present milestone"),
        _experimental(
            "ReduceLROnPlateau", "max(lr * factor, min_lr) once a metric stops improving"
        ),
        _callback("LearningRateScheduler", "learning_rate_function(lr, cur_step_num)"),
        _callback("ReduceLROnPlateau", "max(lr * factor, min_lr) once a metric stops improving"),
    )
}
