"""The reference is the same to the bit, whichever instructions a processor has.

numpy picks its kernels by what the processor offers, and so does the C library; both can be told to
leave some of it alone. Whatever they are told, the reference does not change.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import helpers
import pytest
from helpers.digests import digests
from numpy.core._multiarray_umath import __cpu_dispatch__, __cpu_features__

import harness.reference

EXACT = {
    *("add", "all", "any", "append", "arange", "array", "asarray", "ascontiguousarray"),
    *("broadcast_to", "clip", "count_nonzero", "diff", "empty", "errstate", "flatnonzero"),
    *(
        "float64",
        "int32",
        "int64",
        "intp",
        "bool_",
        "ndarray",
        "isfinite",
        "ldexp",
        "divide",
        "sqrt",
    ),
    *("maximum", "minimum", "nan", "inf", "repeat", "rint", "searchsorted", "sign", "size"),
    *("sort", "spacing", "tile", "unique", "where", "zeros", "full", "abs", "mod", "frexp"),
}
"""What of numpy gives the same bits everywhere: IEEE 754 operations, and moving numbers about."""


def elsewhere(**environment: str) -> list[str]:
    """The digests of a process with these variables."""
    process = subprocess.run(
        [sys.executable, "-m", "helpers.digests"],
        cwd=Path(helpers.__file__).parents[1],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_the_references_do_not_depend_on_the_processor():
    found = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    if not found:
        pytest.skip("numpy has no choice of instructions here")
    fewer = elsewhere(
        NPY_DISABLE_CPU_FEATURES=" ".join(found),
        GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX",
    )
    assert fewer == list(digests())


@pytest.mark.parametrize("module", sorted(Path(harness.reference.__file__).parent.glob("*.py")))
def test_the_reference_uses_what_is_exact_and_nothing_else_of_numpy(module):
    used = {
        node.attr
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "np"
    }
    assert used <= EXACT
