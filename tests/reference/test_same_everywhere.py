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

import pytest
from numpy.core._multiarray_umath import __cpu_dispatch__, __cpu_features__

import harness.reference
from harness.project import CASES

DIGESTS = """
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np

from harness.case import ScheduleCase
from harness.load import load
from harness.reference.double_double import DoubleDouble
from harness.reference.elementary import cos_of_quarters, log, scaled_exp
from harness.reference import Cosine, Exponential
from harness.report.model import _digest

for case in load([Path(sys.argv[1])]).cases:
    if isinstance(case, ScheduleCase):
        groups = range(len(case.schedules))
        print(case.name, _digest(*(case.reference_of(group) for group in groups)),
              _digest(*(case.remainder_of(group) for group in groups)))
x = DoubleDouble(np.arange(1, 20001)) / 1234.5
for made in (log(x), scaled_exp(0.3, x - 8.0), cos_of_quarters(x)):
    print(_digest(made.hi, made.lo))
steps = np.arange(20000)
print(_digest(Cosine(base_lr=0.3, T_max=17777).rates(steps, 1)))
print(_digest(Exponential(base_lr=0.3, decay_rate=0.7, decay_steps=777).rates(steps, 1)))
"""

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


def digests(**environment: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", DIGESTS, str(CASES)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_references_do_not_depend_on_the_processor():
    found = [name for name in __cpu_dispatch__ if __cpu_features__[name]]
    if not found:
        pytest.skip("numpy has no choice of instructions here")
    fewer = digests(
        NPY_DISABLE_CPU_FEATURES=" ".join(found),
        GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX",
    )
    assert fewer == digests()


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
