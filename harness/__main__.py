"""The beginning of every command: what ends it while it is still being imported is told too."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

INTERRUPTED = 130
UNUSABLE = 2


def main() -> None:
    """Run `conform`."""
    sys.unraisablehook = _not_lost
    try:
        from harness.cli import main as conform  # noqa: PLC0415

        conform(prog_name="conform")
    except KeyboardInterrupt:
        if files := sys.modules.get("harness.files"):
            files.interrupted()
            files.remove_empty()
        _end("interrupted", INTERRUPTED)
    except SystemExit:
        from harness.faults import limits_met  # noqa: PLC0415

        if limits_met:
            os._exit(UNUSABLE)
        raise
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        from harness.faults import fault  # noqa: PLC0415

        said = fault(error)
        if not said:
            raise
        _end(said, UNUSABLE)


def _not_lost(unraisable: sys.UnraisableHookArgs) -> None:
    """An interruption that comes inside a callback is ignored by Python: it is sent once more."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


def _end(said: str, code: int) -> None:
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, f"conform: {said}\n".encode(errors="backslashreplace"))
    os._exit(code)


if __name__ == "__main__":
    main()
