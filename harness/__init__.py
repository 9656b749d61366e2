"""Conformance suite for learning-rate schedules across deep-learning frameworks."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("lr-schedule-conformance")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
