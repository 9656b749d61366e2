"""Conformance suite for learning-rate schedules across deep-learning frameworks."""

TYPE_CHECKING = False  # as type checkers read it; typing is not imported yet

if TYPE_CHECKING:
    __version__: str
else:

    def __getattr__(name):
        # Looked up late: `harness.cli` has to be first, before other modules are imported.
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            return version("lr-schedule-conformance")
        except PackageNotFoundError:  # run from a source tree that was never installed
            return "0+unknown"
