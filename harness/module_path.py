"""Keeps the working directory off the path that Python imports modules from.

People run `conform` where their scripts are, and a script may be called `random.py` or `json.py`.
Python imports from the working directory with `-c` and `-m`, and for an empty entry of PYTHONPATH,
as in `PYTHONPATH=$PYTHONPATH:src`. Entries that name a folder, `.` among them, are kept.

Only modules that every Python has imported at its start may be imported here, and the source of
`leave_out_working_directory` travels to interpreters as old as Python 3.8.
"""

import os
import sys


def leave_out_working_directory() -> None:
    """Take the working directory from this interpreter's path, unless PYTHONPATH names it."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    left_out = {""}
    if len(entries) > 1 and "" in entries:
        here = os.getcwd()  # noqa: PTH109 - pathlib is not imported yet
        if here not in [os.path.abspath(entry) for entry in entries if entry]:  # noqa: PTH100
            left_out.add(here)
    sys.path[:] = [entry for entry in sys.path if entry not in left_out]


def variables() -> dict[str, str]:
    """The environment variables for an interpreter: those of this one, without empty entries."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = os.pathsep.join(entry for entry in entries if entry)
    return {**os.environ, "PYTHONPATH": named} if len(entries) > 1 else dict(os.environ)
