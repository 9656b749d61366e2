"""What the trials of a run depend on, as texts and digests that are compared with those noted.

Nothing is imported to learn its version, and no case is parsed: what is installed is known by the
metadata of packages and by the size and time of their files, what is ours by digests of files.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import util
from importlib.machinery import PathFinder
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

import harness
from harness.case_files import files_below
from harness.errors import Problem
from harness.files import read_bytes

if TYPE_CHECKING:
    from harness.workers import EnvironmentSpec

HARNESS = Path(harness.__file__).parent
DRAWING = {
    *(
        "changed",
        "cli",
        "documents",
        "environments",
        "fuzz",
        "gate",
        "report",
        "strength",
        "traces",
    ),
    *("translation", "verification", "case_files.py", "consistency.py", "console.py"),
    *("coverage.py", "doctor.py", "durations.py", "errors.py", "explanation.py", "files.py"),
    *("index.py", "limits.py", "listing.py", "load.py", "naming.py", "project.py"),
    *("pytest_plugin.py", "pytest_xdist.py"),
}
"""What in the harness runs and judges no trial: it loads, selects, draws and tells."""
JUDGING_TOO = {"report/model.py"}
"""Of that, what says what a report holds of a trial."""
JUDGES = ("numpy", "pydantic", "pydantic_core", "PyYAML", "ml_dtypes", "packaging", "execnet")
VARIABLES = (
    *("ASCEND", "ATEN_", "CUBLAS", "CUDA", "DNNL_", "GLIBC_TUNABLES", "GOMP_", "HIP_", "KMP_"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "MALLOC_", "MINDSPORE", "MKL_", "MS_", "NPY_", "NVIDIA_"),
    *("OMP_", "ONEDNN_", "OPENBLAS_", "PYTHON", "PYTORCH_", "ROCR_", "TORCH", "VECLIB_"),
)
"""How the names of variables begin by which frameworks, numpy and Python are set."""
DEVICES = ("nvidia*", "davinci*", "kfd", "accel*")
DRIVERS = (
    "/proc/driver/nvidia/version",
    "/sys/module/amdgpu/version",
    "/usr/local/Ascend/driver/version.info",
)
UNKNOWN = "unknown"
"""Of what cannot be looked up: it always counts as changed."""


@dataclass(frozen=True)
class Place:
    """An environment before it is started: an interpreter, a framework and its adapter's file."""

    name: str
    framework: str
    python: str
    adapter: str


@dataclass(frozen=True)
class Surroundings:
    """What a run depends on, by its name: a text or a digest each.

    `for_all` is what every trial depends on, `environments` what those of an environment do, and
    `files` are the digests of case files. What `drawing` has changes reports, but no trial.
    """

    places: dict[str, dict[str, str]]
    for_all: dict[str, str]
    environments: dict[str, dict[str, str]]
    files: dict[str, str]
    drawing: dict[str, str]


def places_of(specs: Sequence[EnvironmentSpec]) -> list[Place]:
    """Where trials will be run."""
    return [
        Place(spec.name, spec.framework, _python(spec), str(spec.adapter_source)) for spec in specs
    ]


def _python(spec: EnvironmentSpec) -> str:
    """The interpreter's path; of another machine's what no path here is, so it is always tried."""
    if spec.ssh is not None:
        return f"ssh {spec.ssh} {spec.python}"
    return spec.python or sys.executable


def look(
    places: Iterable[Place],
    folders: Sequence[Path],
    beside: Iterable[Path] = (),
    suite: Path = HARNESS,
) -> Surroundings:
    """How things are now.

    Args:
        places: where trials are run.
        folders: folders with case files, and single ones.
        beside: what a report depends on besides its trials.
        suite: the folder of the harness.
    """
    places = list(places)
    problems: list[Problem] = []
    files = {str(file.resolve()): digest(file) for file in files_below(folders, problems)}
    return Surroundings(
        {place.name: asdict(place) for place in places},
        {**judging(suite), **_machine(), **_versions(JUDGES, sys.path)},
        {place.name: _environment(place) for place in places},
        {**files, **{problem.file: problem.what for problem in problems}},
        {"harness": _drawing(suite), **{file.name: digest(file) for file in beside}},
    )


def digest(file: Path) -> str:
    """The digest of a file's content; empty where there is no such file."""
    try:
        return sha256(read_bytes(file)).hexdigest()
    except OSError:
        return ""


def judging(suite: Path = HARNESS) -> dict[str, str]:
    """The digest of each module of the harness that runs or judges trials, by `harness/…`."""
    files = [file for file in suite.rglob("*.py") if not _is_for_drawing(file, suite)]
    return {f"harness/{file.relative_to(suite).as_posix()}": digest(file) for file in sorted(files)}


def _drawing(suite: Path) -> str:
    every = (file for file in sorted(suite.rglob("*")) if file.is_file())
    ours = (
        file
        for file in every
        if file.parent.name != "__pycache__"
        and (_is_for_drawing(file, suite) or file.suffix != ".py")
    )
    return _digest_of(f"{file.relative_to(suite)} {digest(file)}" for file in ours)


def of_the_harness(suite: Path = HARNESS) -> str:
    """The digest of all that the harness is, and of the packages and the machine it works with."""
    parts = {**judging(suite), **_machine(), **_versions(JUDGES, sys.path)}
    return _digest_of([_drawing(suite), *(f"{name} {text}" for name, text in parts.items())])


def _is_for_drawing(file: Path, suite: Path) -> bool:
    inside = file.relative_to(suite)
    if inside.parts[0] == "adapters":  # an adapter is its framework's own affair
        return inside.name.endswith("_adapter.py")
    return inside.parts[0] in DRAWING and inside.as_posix() not in JUDGING_TOO


def _machine() -> dict[str, str]:
    """Python, the platform with its C library, the processor, devices and what is set of them."""
    nodes = (node.name for pattern in DEVICES for node in Path("/dev").glob(pattern))
    drivers = [text for driver in DRIVERS if (text := _text(Path(driver)))]
    variables = [f"{n}={v}" for n, v in sorted(os.environ.items()) if n.startswith(VARIABLES)]
    return {
        "Python": f"{sys.version} {sys.executable}",
        "platform": platform.platform(),
        "processor": _processor(),
        "devices": "\n".join([*sorted(nodes), *drivers]),
        "variables": _digest_of(variables),
        "suite": harness.__version__,
    }


def _processor() -> str:
    """The first processor's model and abilities, by which kernels are chosen."""
    first = _text(Path("/proc/cpuinfo")).partition("\n\n")[0]
    told = ("model name", "flags", "Features", "CPU part", "vendor_id")
    lines = [line for line in first.splitlines() if line.startswith(told)]
    return _digest_of(lines) if lines else platform.processor()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _environment(place: Place) -> dict[str, str]:
    python = Path(place.python)
    own = place.python == sys.executable
    paths = sys.path if own else _packages(python)
    try:
        about = python.stat()
    except OSError:
        return {"interpreter": UNKNOWN}
    return {
        "interpreter": f"{python.resolve()} {about.st_size} {about.st_mtime_ns}",
        "adapter": digest(Path(place.adapter)),
        **_versions(_names(place.framework, paths), paths),
        f"files of {place.framework}": _installed(place.framework, own, paths),
        "files of numpy": _installed("numpy", own, paths),
    }


def _packages(python: Path) -> list[str]:
    """Where another interpreter has its packages, by the layout of a virtual environment."""
    found = python.parent.parent.glob("lib/python3*/site-packages")
    return [str(path) for path in sorted(found)]


def _names(framework: str, paths: list[str]) -> list[str]:
    """The packages that a framework is made of: its own, and those that it requires."""
    required: list[str] = []
    for distribution in distributions(name=framework, path=paths):
        required += [_name(line) for line in distribution.requires or ()]
    return list(dict.fromkeys([framework, "numpy", *required]))


def _name(requirement: str) -> str:
    """
    >>> _name("nvidia-nccl-cu12==2.21.5; platform_system == 'Linux'")
    'nvidia-nccl-cu12'
    """
    end = next((i for i, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), None)
    return requirement[:end]


def _versions(names: Iterable[str], paths: list[str]) -> dict[str, str]:
    """The version of each package by its metadata; those that are not there are left out."""
    found = {}
    for name in names:
        for distribution in distributions(name=name, path=paths):
            found[f"version of {name}"] = distribution.version
            break
    return found


def _installed(package: str, own: bool, paths: list[str]) -> str:
    """The place, the size and the time of each module of a package, without importing it."""
    try:
        spec = util.find_spec(package) if own else PathFinder.find_spec(package, paths)
    except (ImportError, ValueError):
        return UNKNOWN
    if spec is None or spec.origin is None:
        return "absent" if own else UNKNOWN
    origin = Path(spec.origin)
    folder = [str(origin.parent)] if spec.submodule_search_locations else []
    try:
        about = origin.stat()
        modules = [f"{origin} {about.st_size} {about.st_mtime_ns}", *sorted(_modules(folder))]
    except OSError:
        return UNKNOWN
    return _digest_of(modules)


def _modules(folders: list[str]) -> Iterator[str]:
    """Python and compiled modules below folders; `os.scandir`, since there are thousands."""
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                name = entry.name
                if name.endswith((".py", ".so", ".pyd", ".dylib")) or ".so." in name:
                    about = entry.stat()
                    yield f"{entry.path} {about.st_size} {about.st_mtime_ns}"
                elif name != "__pycache__" and "." not in name and entry.is_dir():
                    folders.append(entry.path)


def _digest_of(lines: Iterable[str]) -> str:
    return sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
