"""The program that runs a script: `python driver.py FOLDER`; see `program.py`.

It makes this folder a package of a name that no script's own module has.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

PACKAGE = "conform_verification_drivers"


def main() -> None:
    """Import the package, and run it."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.remove(here)
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None and spec.loader is not None
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[PACKAGE])
    importlib.import_module(PACKAGE + ".program").main(sys.argv[1])


if __name__ == "__main__":
    main()
