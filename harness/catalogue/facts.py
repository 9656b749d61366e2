"""The implementations: what each of them is and where it is documented."""

from __future__ import annotations

from harness.catalogue.model import Form, Implementation, Kind, Precision

_TORCH = "https://docs.pytorch.org/docs/stable/generated/"
_MINDSPORE = "https://www.mindspore.cn/docs/en/master/api_python/"


def _torch(name: str, formula: str) -> Implementation:
    """Rates are Python floats; float64 weights show them to the last bit."""
    return Implementation(
        api=f"torch.optim.lr_scheduler.{name}",
        framework="torch",
        kind=Kind.SCHEDULER,
        form=Form.RECURSIVE,
        precision=Precision.FLOAT64,
        applied_precision=Precision.FLOAT64,
        modes=("eager",),
        formula=formula,
        documentation=f"{_TORCH}torch.optim.lr_scheduler.{name}.html",
    )


def _mindspore(
    module: str, name: str, kind: Kind, form: Form, precision: Precision, formula: str
) -> Implementation:
    path = module.removeprefix("mindspore.").removesuffix(".lr_scheduler").replace(".", "/")
    return Implementation(
        api=f"{module}.{name}",
        framework="mindspore",
        kind=kind,
        form=form,
        precision=precision,
        applied_precision=Precision.FLOAT32,
        modes=("pynative", "graph"),
        formula=formula,
        documentation=f"{_MINDSPORE}{path}/{module}.{name}.html",
    )


def _list(name: str, formula: str) -> Implementation:
    return _mindspore("mindspore.nn", name, Kind.LIST, Form.CLOSED, Precision.FLOAT64, formula)


def _cell(name: str, formula: str) -> Implementation:
    return _mindspore("mindspore.nn", name, Kind.CELL, Form.CLOSED, Precision.FLOAT32, formula)


def _experimental(name: str, formula: str) -> Implementation:
    return _mindspore(
        "mindspore.experimental.optim.lr_scheduler",
        name,
        Kind.SCHEDULER,
        Form.RECURSIVE,
        Precision.FLOAT32,
        formula,
    )


IMPLEMENTATIONS: dict[str, Implementation] = {
    implementation.api: implementation
    for implementation in (
        _torch("ExponentialLR", "lr * gamma ** epoch"),
        _torch("StepLR", "lr * gamma ** (epoch // step_size)"),
        _list(
            "exponential_decay_lr",
            "learning_rate * decay_rate ** (floor(i / step_per_epoch) / decay_epoch)",
        ),
        _cell("ExponentialDecayLR", "learning_rate * decay_rate ** (current_step / decay_steps)"),
        _experimental("ExponentialLR", "lr * gamma ** epoch"),
        _experimental("StepLR", "lr * gamma ** (epoch // step_size)"),
    )
}
