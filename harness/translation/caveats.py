"""What to know of a form beside its rates: how it is used, how long it will be there, what is on
record of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.case import KnownDivergence
from harness.catalogue import Kind, Precision
from harness.documents import worst_first
from harness.translation.forms import Form
from harness.translation.reading import Original
from harness.versions import within

DEPRECATED = frozenset(
    f"mindspore.nn.{name}"
    for name in (
        *("ExponentialDecayLR", "NaturalExpDecayLR", "InverseDecayLR", "PolynomialDecayLR"),
        *("WarmUpLR", "exponential_decay_lr", "natural_exp_decay_lr", "inverse_decay_lr"),
        *("cosine_decay_lr", "polynomial_decay_lr", "warmup_lr", "piecewise_constant_lr"),
    )
)
"""Which MindSpore 2.10.0 documents to be removed after version 2.9.0."""


_SITUATIONS = ("resume", "groups", "changes", "stepping", "tensor_lr", "momentum")
"""What may happen in a training beside plain stepping, as the cases' names have it."""


def caveats(
    form: Form,
    original: Original,
    records: Sequence[KnownDivergence],
    version: str,
    conforms: bool,
) -> list[str]:
    """Sentences, what bites at once first.

    Where a form conforms, findings about plain stepping have not bitten: of those only the numbers
    are told.

    Args:
        form: what they are about.
        original: where it comes from.
        records: every known divergence, whose numbers are those of `docs/findings.md`.
        version: of the form's framework.
        conforms: whether the form was run, and is as it is due.
    """
    found = list(_on_record(form, records, version))
    bites = [f"finding {n}: {r.description}" for n, r in found if not conforms or _elsewhere(r)]
    others = [str(n) for n, r in found if conforms and not _elsewhere(r)]
    if others:
        are = "finding" if len(others) == 1 else "findings"
        bites.append(
            f"{are} {', '.join(others)} (docs/findings.md) of this API did not show here; they may "
            "with other arguments or lengths"
        )
    return [*_use(form, original), *_standing(form), *bites]


def _use(form: Form, original: Original) -> Iterator[str]:
    kind, per_epoch = form.implementation.kind, form.call.per_epoch
    updates = original.training.updates
    if kind is Kind.LIST:
        yield (
            f"the list holds the rates of {updates:,} updates: an update beyond them ends in an "
            "error, so make it anew where the training or its epochs change in length"
        )
    if kind is Kind.SCHEDULER and form.implementation.framework == "mindspore":
        yield (
            "wraps an optimizer of mindspore.experimental.optim, and no other; it is experimental "
            "and subject to change"
        )
    if kind is Kind.SCHEDULER:
        unit = "epoch" if per_epoch else "update"
        yield f"scheduler.step() is called once after each {unit}"
    if form.explicit and kind is Kind.SCHEDULER:
        yield "the optimizer's lr is 1.0: the function gives the rates themselves"
    if "PerEpoch(" in form.made:
        yield (
            f"an epoch is {original.training.steps_per_epoch:,} updates: another batch size or "
            "number of devices makes it another number"
        )
    if form.implementation.precision is Precision.FLOAT32:
        yield "computed in float32, with some 7 digits, where torch has float64"


def _standing(form: Form) -> Iterator[str]:
    api = form.title.partition(",")[0]
    if api in DEPRECATED:
        yield (
            "documented as deprecated and to be removed after MindSpore 2.9.0 (it is there in "
            "2.10.0)"
        )


def _elsewhere(record: KnownDivergence) -> bool:
    """Whether it is about what plain stepping does not show."""
    return all(any(word in name for word in _SITUATIONS) for name in record.cases)


def _on_record(
    form: Form, records: Sequence[KnownDivergence], version: str
) -> Iterator[tuple[int, KnownDivergence]]:
    api = form.implementation.api
    for number, record in enumerate(worst_first(records), 1):
        if (
            record.severity != "misleads"
            and api in record.implementations
            and (not version or within(version, record.versions))
        ):
            yield number, record
