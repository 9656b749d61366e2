"""`conform migrate`: a schedule of one framework, written for the other, and the proof of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.case import KnownDivergence
from harness.translation.caveats import caveats
from harness.translation.forms import EXPLICIT, Form, forms, original_form
from harness.translation.reading import Length, Original, read
from harness.translation.verifying import Verified, unheard, verify

__all__ = ["Length", "Migration", "Original", "Verified", "Way", "migrate", "read"]

_WHY = {
    "list": "its rates are worked out in float64, an optimizer of mindspore.nn looks them up by "
    "itself, and there is nothing to step",
    EXPLICIT: "its rates are worked out in float64 by code of your own, and there is nothing that "
    "another version could change",
    "Cell": "an optimizer of mindspore.nn asks it by itself, and there is nothing to step",
    "scheduler": "it is the other framework's own for it",
    "callback": "it is told the metric by Model.fit",
}


@dataclass(frozen=True)
class Way:
    """A form, with what was seen of it and what to know of it."""

    form: Form
    verified: Verified | None
    caveats: tuple[str, ...]

    @property
    def conforms(self) -> bool:
        """Whether it was run, and all its rates are as they are due."""
        return self.verified is not None and self.verified.conforms


@dataclass(frozen=True)
class Migration:
    """One schedule in all forms that the other framework has for it.

    Attributes:
        original: what was written anew.
        own: what was seen of the original itself; None where it was not run.
        ways: the forms, in the order in which they are recommended.
        unfit: why other APIs cannot express it, by their names.
    """

    original: Original
    own: Verified | None
    ways: tuple[Way, ...]
    unfit: dict[str, str]

    @property
    def strays(self) -> bool:
        """Whether the original was run, and is not as its own definition has it."""
        return self.own is not None and self.own.ran and not self.own.conforms

    @property
    def recommended(self) -> Way | None:
        """The first whose rates are as they are due: the original's, where it strays."""
        return next((way for way in self.ways if self._fits(way)), None)

    def _fits(self, way: Way) -> bool:
        if self.strays and self.own is not None:
            return way.verified is not None and way.verified.alike(self.own)
        return way.conforms

    @property
    def why(self) -> str:
        """Why it is that one."""
        way = self.recommended
        if way is None:
            return ""
        if way.form.implementation.framework == "torch" and way.form.kind == EXPLICIT:
            return "torch has no scheduler of its own that follows it"
        return _WHY[way.form.kind]

    @property
    def verified(self) -> bool:
        """Whether the forms were run."""
        return any(way.verified is not None for way in self.ways)

    @property
    def proven(self) -> bool:
        """Whether a form conforms, the original too, and the script does nothing else."""
        return self.recommended is not None and not self.strays and not self.original.differences


def migrate(
    original: Original,
    records: Sequence[KnownDivergence] = (),
    target: str | None = None,
    run: bool = True,
    on_progress: Callable[[int, int], None] = unheard,
) -> Migration:
    """Write a schedule for the other framework, and drive every form through the whole training.

    Args:
        original: what `read` made of a call.
        records: the known divergences.
        target: device and mode for the forms, such as `cpu/pynative`.
        run: whether to verify; otherwise the forms are only written.
        on_progress: told how many trials are done, and of how many.

    Raises:
        NothingToRun: the other framework cannot be started.
    """
    found, unfit = forms(original)
    own: Verified | None = None
    results: list[Verified | None] = [None] * len(found)
    if run:
        own, seen = verify(original, original_form(original), found, target, on_progress)
        if not any(each.conforms for each in seen) and not any(f.explicit for f in found):
            found, seen = _with_explicit(original, found, seen, target)
        results = [*seen]
    ways = tuple(
        Way(
            form,
            each,
            tuple(
                caveats(
                    form,
                    original,
                    records,
                    each.version if each is not None else "",
                    each is not None and each.conforms,
                )
            ),
        )
        for form, each in zip(found, results, strict=True)
    )
    return Migration(original, own, ways, unfit)


def _with_explicit(
    original: Original, found: list[Form], seen: list[Verified], target: str | None
) -> tuple[list[Form], list[Verified]]:
    """Where no other form conforms, the rates written out."""
    more = [form for form in forms(original, explicit=True)[0] if form.explicit]
    if not more:
        return found, seen
    _, results = verify(original, None, more, target)
    return [*found, *more], [*seen, *results]
