"""Where the calls are: in a text, or in a Python file, whose syntax tree is read and never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.catalogue import IMPLEMENTATIONS
from harness.catalogue.rows import EXPERIMENTAL, NN, TORCH
from harness.errors import Untranslatable, did_you_mean
from harness.files import TooLarge, read_bytes
from harness.translation.course import Course, course
from harness.translation.expressions import Names
from harness.translation.following import Following
from harness.translation.scopes import NotLiteral, Scopes, short

_MAX_BYTES = 1 << 20
_DOTTED = {api: api.split(".") for api in IMPLEMENTATIONS}
_LAST = frozenset(dotted[-1] for dotted in _DOTTED.values())
_MINDSPORE = {"mindspore", "ms", "nn", "experimental", "train"}
_OPTIMIZERS = {
    "torch.optim": frozenset(
        {
            *("SGD", "Adam", "AdamW", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam", "RMSprop"),
            *("Rprop", "ASGD", "SparseAdam", "LBFGS", "Adafactor", "Muon"),
        }
    ),
    "mindspore.nn": frozenset(
        {
            *("SGD", "Adam", "AdamWeightDecay", "AdamOffload", "Adagrad", "AdaMax", "Adadelta"),
            *("ASGD", "FTRL", "Lamb", "LARS", "LazyAdam", "Momentum", "ProximalAdagrad", "RMSProp"),
            *("Rprop", "Thor"),
        }
    ),
    "mindspore.experimental.optim": frozenset(
        {
            *("SGD", "Adam", "AdamW", "Adadelta", "Adagrad", "Adamax", "ASGD", "NAdam", "RAdam"),
            *("RMSprop", "Rprop"),
        }
    ),
}
"""The optimizers of either framework, which change no rate themselves."""
_EXPORTED = {
    **_OPTIMIZERS,
    **{
        module: frozenset(d[-1] for api, d in _DOTTED.items() if api == f"{module}.{d[-1]}")
        for module in (TORCH, EXPERIMENTAL)
    },
    "torch.optim": _OPTIMIZERS["torch.optim"] | {"lr_scheduler"},
    NN: _OPTIMIZERS[NN] | {d[-1] for api, d in _DOTTED.items() if api == f"{NN}.{d[-1]}"},
    "math": frozenset({"pi", "e", "inf", "cos", "sin", "tanh", "exp", "log", "sqrt", "pow"}),
}


@dataclass(frozen=True)
class Written:
    """A call of an API of the catalogue, as somebody wrote it.

    `names` are what is known by name around it; `course` what the script does with the schedule,
    None of a call that stands alone.
    """

    api: str
    node: ast.Call
    file: str = ""
    names: Names = field(default_factory=lambda: Names({}))
    framework: str = "torch"
    course: Course | None = None
    optimizer_class: str = ""
    """The full name of the class of `course.optimizer`."""

    @property
    def text(self) -> str:
        """The call, in one line."""
        return ast.unparse(self.node)

    @property
    def place(self) -> str:
        """`train.py:12`, or the call itself."""
        return f"{self.file}:{self.node.lineno}" if self.file else self.text

    def at(self, node: ast.AST) -> str:
        """Where a part of it stands."""
        return f"{self.file}:{getattr(node, 'lineno', 0)}" if self.file else self.text

    def resolved(self, node: ast.expr) -> Any:
        """What a name stands for, as it is written elsewhere; anything else itself."""
        if isinstance(node, ast.Name | ast.Attribute):
            try:
                return self.names.of(node)
            except NotLiteral:
                return node
        return node

    def api_of(self, node: ast.expr) -> str | None:
        """The API that another call, a part, is of."""
        if not isinstance(node, ast.Call):
            return None
        if self.names.scopes is None:
            return _api(ast.unparse(node.func), self.framework)
        return _api_in(self.names.scopes, node)


def in_text(text: str, given: dict[str, Any], framework: str | None = None) -> Written:
    """The call that a text is.

    Args:
        text: such as `ExponentialLR(gamma=0.9)`, with or without the names of its modules.
        given: values of names in it.
        framework: whose it is, where both have an API of that name; torch's, if that is not said.

    Raises:
        Untranslatable: it is no call, or none of an API of the catalogue.
    """
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Untranslatable(text, f"is no Python expression: {error}") from None
    if not isinstance(node, ast.Call):
        raise Untranslatable(text, "is no call; as in: conform migrate 'ExponentialLR(gamma=0.9)'")
    api = _api(ast.unparse(node.func), framework or "torch")
    if api is None:
        name = ast.unparse(node.func)
        known = sorted({known.rpartition(".")[2] for known in IMPLEMENTATIONS})
        hint = did_you_mean(name.rpartition(".")[2], known)
        raise Untranslatable(text, f"the catalogue has no {name!r}{hint}")
    return Written(api, node, names=Names(given), framework=api.partition(".")[0])


def in_file(path: Path, line: int | None, given: dict[str, Any]) -> list[Written]:
    """The schedules that a Python file makes, in its order; with `line`, those that touch it.

    Calls that are parts of others, written in them or under a name, are not listed by themselves.

    Raises:
        Untranslatable: it cannot be read, or there is none.
    """
    try:
        tree = ast.parse(read_bytes(path, _MAX_BYTES), filename=str(path))
    except TooLarge:
        raise Untranslatable(str(path), "is larger than 1 MiB") from None
    except OSError as error:
        raise Untranslatable(str(path), f"cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        where = f"{path}:{getattr(error, 'lineno', None) or 1}"
        raise Untranslatable(where, f"is no Python: {error}") from None
    scopes = Scopes(tree, _LAST, _EXPORTED)
    names = Names(given, scopes)
    unsure: dict[ast.Call, NotLiteral] = {}
    apis, optimizers = _calls(scopes, unsure)
    for node, doubt in unsure.items():
        if not apis:
            raise Untranslatable(f"{path}:{node.lineno}", f"`{short(node.func)}`: {doubt.what}")
    parts: dict[ast.expr, ast.Call] = {
        part: node for node in apis for part in _parts(node, apis, names)
    }
    found = []
    following = Following(scopes, apis, optimizers, parts)
    for node, api in apis.items():
        if node not in parts:
            done = course(following, node).but(_other_uses(scopes, apis, unsure))
            made = optimizers.get(done.optimizer, "") if done.optimizer is not None else ""
            framework = api.partition(".")[0]
            found.append(Written(api, node, str(path), names, framework, done, made))
    if line is not None:
        within = [w for w in found if w.node.lineno <= line <= (w.node.end_lineno or line)]
        if not within:
            lines = ", ".join(str(w.node.lineno) for w in found) or "none"
            raise Untranslatable(f"{path}:{line}", f"no schedule is made there; lines: {lines}")
        return within
    if not found:
        raise Untranslatable(
            str(path),
            "no schedule of the catalogue is made by a call there: conform list implementations",
        )
    return found


def _api_in(scopes: Scopes, node: ast.Call) -> str | None:
    try:
        full = scopes.full(node.func, star=False)
    except NotLiteral:
        return None
    return _api(full, None) if full else None


def _api(full: str, framework: str | None) -> str | None:
    """The API of the catalogue that a full name stands for.

    `framework` is whose it is where the name alone is not enough; None: then it has to be in it.
    """
    words = full.split(".")
    candidates = [api for api, dotted in _DOTTED.items() if dotted[-1] == words[-1]]
    if framework is None:
        known = words[0] in {"torch", "mindspore"}
        candidates = [api for api in candidates if known and api.startswith(f"{words[0]}.")]
    elif _MINDSPORE & set(words[:-1]):
        candidates = [api for api in candidates if api.startswith("mindspore.")]
    elif "torch" in words[:-1]:
        candidates = [api for api in candidates if api.startswith("torch.")]

    def likeness(api: str) -> tuple[int, bool]:
        return len(set(_DOTTED[api]) & set(words)), api.startswith(f"{framework}.")

    return max(candidates, key=likeness, default=None)


def _calls(
    scopes: Scopes, unsure: dict[ast.Call, NotLiteral]
) -> tuple[dict[ast.Call, str], dict[ast.Call, str]]:
    """The calls that make a schedule, with their APIs, and those that make an optimizer.

    `unsure` is given those that may make one, with the reason for the doubt.
    """
    apis, optimizers = {}, {}
    calls = [node for node in scopes.parents if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        try:
            full = scopes.full(node.func, star=False) or ""
        except NotLiteral as error:
            if ast.unparse(node.func).rpartition(".")[2] in _LAST:
                unsure[node] = error
            continue
        module, _, last = full.rpartition(".")
        if (api := _api(full, None)) is not None:
            apis[node] = api
        elif last in _OPTIMIZERS.get(_package(module), ()):
            optimizers[node] = full
    return apis, optimizers


def _package(module: str) -> str:
    """`torch.optim` of `torch.optim.sgd`, where the classes are too."""
    longest = [known for known in _OPTIMIZERS if f"{module}.".startswith(f"{known}.")]
    return max(longest, key=len, default="")


def _other_uses(
    scopes: Scopes, apis: Mapping[ast.Call, str], unsure: Mapping[ast.Call, NotLiteral]
) -> Iterator[tuple[int, str]]:
    """Where a class of a schedule is used otherwise than by a call that is read."""
    for call, error in unsure.items():
        yield call.lineno, f"`{short(call)}` may make another schedule: {error.what}"
    functions = {node.func for node in apis}
    for function in functions:
        try:
            scopes.full(function)
        except NotLiteral as error:
            yield function.lineno, error.what
    for node in scopes.parents:
        if isinstance(node, ast.Name | ast.Attribute) and node not in functions:
            try:
                api = _api(scopes.full(node, star=False) or "", None)
            except NotLiteral:
                continue
            if api is not None and not _is_asked_for(scopes, node):
                around = short(scopes.parents[node])
                yield node.lineno, f"`{around}` does something else with {short(node)} than call it"


def _is_asked_for(scopes: Scopes, node: ast.AST) -> bool:
    """Whether a class is only named as a type, in an annotation or for `isinstance`."""
    inner, around = node, scopes.parents[node]
    while isinstance(around, ast.Tuple | ast.BinOp | ast.Subscript):
        inner, around = around, scopes.parents[around]
    if isinstance(around, ast.Call):
        return ast.unparse(around.func) == "isinstance" and inner in around.args
    if isinstance(around, ast.AnnAssign):
        return around.annotation is inner
    if isinstance(around, ast.FunctionDef | ast.AsyncFunctionDef):
        return around.returns is inner
    return isinstance(around, ast.arg)


def _parts(node: ast.Call, apis: Mapping[ast.Call, str], names: Names) -> Iterator[ast.Call]:
    """The calls of schedules that are arguments of one, also under names and in lists."""

    def within(part: Any, depth: int) -> Iterator[ast.Call]:
        if depth > 20:
            return
        if isinstance(part, ast.Call) and part in apis:
            yield part
        elif isinstance(part, ast.Name | ast.Attribute):
            try:
                found = names.of(part)
            except NotLiteral:
                return
            if isinstance(found, ast.AST):
                yield from within(found, depth + 1)
        elif isinstance(part, ast.List | ast.Tuple):
            for item in part.elts:
                yield from within(item, depth + 1)

    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        yield from within(argument, 0)
