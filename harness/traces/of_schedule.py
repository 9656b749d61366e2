"""A schedule as a trace, from the call that makes it: what its reference model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from harness.errors import Untranslatable
from harness.reference.arithmetic import Float64, Int64
from harness.traces.alignment import Alignment
from harness.traces.due import due
from harness.traces.trace import Header, Trace
from harness.translation.reading import Length, Original, ends_at, read
from harness.translation.source import Written

WHICH = ("first", "second")


@dataclass(frozen=True)
class Driven:
    """A schedule in a training, for each parameter group.

    `ends` is the number of updates after which it has no rate: of a list, and where it was asked
    for; None where it goes on as long as anybody asks.
    """

    originals: tuple[Original, ...]
    ends: int | None

    @property
    def is_stepped_by_epoch(self) -> bool:
        """Whether it stands still within an epoch because its `step()` is called after each."""
        one = self.originals[0]
        wraps = one.call is None or one.call.base_lr is not None
        return wraps and one.schedule.per_epoch

    @property
    def steps_per_epoch(self) -> int:
        """Updates in an epoch, by the call where it says so."""
        return self.originals[0].training.steps_per_epoch

    @property
    def stepped(self) -> str:
        """How it is driven, in words."""
        one = self.originals[0]
        if one.call is not None and one.call.base_lr is None:
            return "looked up at each update"
        rates = " and ".join(repr(each.schedule.base_lr) for each in self.originals)
        every = self.steps_per_epoch
        if not self.is_stepped_by_epoch:
            return f"lr {rates}, stepped after each update"
        epoch = f"epoch of {every:,} updates" if every > 1 else "update (an epoch has one)"
        return f"lr {rates}, stepped after each {epoch}"

    def trace(self, like: Trace, updates: int) -> Trace:
        """Its rates, for as many updates as the trace needs that it is compared with."""
        one = self.originals[0]
        ends = updates if self.ends is None else self.ends
        header = Header(
            f"schedule {one.text if one.place == one.text else f'{one.text} in {one.place}'}",
            scheduler=one.api.rpartition(".")[2],
            steps_per_epoch=self.steps_per_epoch if self.steps_per_epoch > 1 else None,
        )
        return due(
            header,
            [partial(_rates, each) for each in self.originals],
            ends,
            like,
            self.ends is None,
            one.tells,
        )

    def proposed(self, alignment: Alignment | None, which: int) -> Alignment | None:
        """An alignment with it by the options that ask for it, if any do.

        Its epochs are counted in it already: where it stands for the first or the second trace
        (`which`), further ones are longer ones.
        """
        if alignment is None or alignment.steps_per_epoch == 1:
            return alignment
        if alignment.epochs_in == WHICH[which]:
            every = self.steps_per_epoch * alignment.steps_per_epoch
            return replace(alignment, steps_per_epoch=every) if self.is_stepped_by_epoch else None
        fits = not self.is_stepped_by_epoch or alignment.steps_per_epoch == self.steps_per_epoch
        return alignment if fits else None


def driven(
    written: Sequence[Written], length: Length, rates: Sequence[float], updates: int
) -> Driven:
    """The schedule that a call makes, as it is driven.

    Args:
        written: the calls that were found, of which there has to be one.
        length: of the training; where its updates are None they are as many as are needed.
        rates: those that the optimizer is made with, one for each parameter group.
        updates: how many are needed.

    Raises:
        Untranslatable: it cannot be read, there are several, it would be too long, or only a
            training knows its rates.
    """
    if len(written) > 1:
        places = ", ".join(each.place for each in written)
        raise Untranslatable(
            written[0].file, f"makes {len(written)} schedules; name one by its line: {places}"
        )
    ends = ends_at(written[0])
    asked = updates if length.updates is None else length.updates
    within = replace(length, updates=asked)
    originals = tuple(read(written[0], within, rate) for rate in rates or (None,))
    if originals[0].family == "plateau":
        raise Untranslatable(
            originals[0].place,
            "its rates depend on the metrics, which only a training knows: there is nothing to "
            "compare with",
        )
    if length.updates is not None or (ends is not None and ends < asked):
        return Driven(originals, min(asked, ends or asked))
    return Driven(originals, None)


def _rates(original: Original, steps: Int64) -> Float64:
    return original.schedule.rates(steps, original.training.steps_per_epoch)
