"""The beginning of every command: what ends it while it is still being imported is told too."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

INTERRUPTED = 130


def main() -> None:
    """Run `conform`."""
    try:
        from harness.cli import main as conform  # noqa: PLC0415

        conform(prog_name="conform")
    except KeyboardInterrupt:
        _end("interrupted", INTERRUPTED)
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        from harness.faults import fault  # noqa: PLC0415

        said = fault(error)
        if not said:
            raise
        _end(said, 2)


def _end(said: str, code: int) -> None:
    with suppress(OSError):  # nobody may be there to read it
        os.write(2, f"conform: {said}\n".encode(errors="backslashreplace"))
    sys.exit(code)


if __name__ == "__main__":
    main()
