"""The verdicts, and what each of them means for a run."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What the judge says of a trial."""

    CONFORMS = "conforms"
    DIVERGES = "diverges"
    KNOWN_DIVERGENCE = "known divergence"
    STALE = "stale"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    UNSUPPORTED = "unsupported"
    UNAVAILABLE = "unavailable"
    BROKEN_CASE = "broken case"

    @property
    def fails(self) -> bool:
        """Whether a run with this verdict in it has not gone as expected."""
        return self in _FAILING

    @property
    def ran(self) -> bool:
        """Whether the framework was asked at all."""
        return self not in {Verdict.UNSUPPORTED, Verdict.UNAVAILABLE}

    @property
    def meaning(self) -> str:
        """One line for people who meet the word for the first time."""
        return _MEANINGS[self]


_FAILING = {
    Verdict.DIVERGES,
    Verdict.STALE,
    Verdict.REFUSED,
    Verdict.ACCEPTED,
    Verdict.CRASHED,
    Verdict.TIMED_OUT,
    Verdict.BROKEN_CASE,
}

_MEANINGS = {
    Verdict.CONFORMS: "everything that was looked at is as the case and the reference model say",
    Verdict.DIVERGES: "something is not as due",
    Verdict.KNOWN_DIVERGENCE: "not as due, in the way that a record explains",
    Verdict.STALE: "a recorded divergence is gone: the record must go",
    Verdict.REFUSED: "raised an exception where a value was due",
    Verdict.ACCEPTED: "gave a value where an exception was due",
    Verdict.CRASHED: "the framework's process died",
    Verdict.TIMED_OUT: "no answer within the time limit",
    Verdict.UNSUPPORTED: "this API cannot express this schedule; never counted as a pass",
    Verdict.UNAVAILABLE: "no such framework, version or device here",
    Verdict.BROKEN_CASE: "the case's own numbers contradict the reference model",
}
