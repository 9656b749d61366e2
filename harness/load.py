"""From YAML files to cases. Every problem is found in one pass and said with file, line and key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from harness.case import Case, CaseFile, KnownDivergence
from harness.case_files import MAX_BYTES, duplicate_names, files_below, shown
from harness.errors import InvalidCases, Problem, did_you_mean
from harness.reference import FAMILIES

MAX_DEPTH = 12

Location = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded:
    """What some case files hold."""

    cases: tuple[Case, ...]
    known_divergences: tuple[KnownDivergence, ...]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML's safe loader with the plain scalars of YAML 1.2.

    `1e-3` is a number; `1:30`, `yes` and `2026-01-01` are texts, and nothing is octal.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}


_PLAIN: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "tag:yaml.org,2002:null": (r"^(~|null|)$", "~n", lambda _: None),
    "tag:yaml.org,2002:bool": (r"^(true|false)$", "tf", lambda text: text == "true"),
    "tag:yaml.org,2002:int": (r"^[-+]?[0-9]+$", "-+0123456789", int),
    "tag:yaml.org,2002:float": (
        r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan)$",
        "-+.0123456789",
        lambda text: float(text.replace(".inf", "inf").replace(".nan", "nan")),
    ),
}
for _tag, (_pattern, _first, _) in _PLAIN.items():
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), [*_first])
_Loader.yaml_implicit_resolvers.setdefault("", []).append(
    ("tag:yaml.org,2002:null", re.compile(r"^$"))
)


def case_schema() -> dict[str, Any]:
    """The JSON Schema of a case file, for completion in editors."""
    schema = CaseFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def schema_text() -> str:
    """The text of `cases/schema.json`."""
    return json.dumps(case_schema(), indent=2, ensure_ascii=False) + "\n"


def load(paths: Iterable[Path]) -> Loaded:
    """Load every case file at or below `paths`.

    Raises:
        InvalidCases: with every problem of every file, one bad file hiding no other's.
    """
    loaded, problems = check(paths)
    if problems:
        raise InvalidCases(problems)
    return loaded


def check(paths: Iterable[Path]) -> tuple[Loaded, list[Problem]]:
    """Load what can be loaded, and collect what is wrong with the rest."""
    problems: list[Problem] = []
    parts = [load_file(path, problems) for path in files_below(paths, problems)]
    cases = tuple(case for part in parts for case in part.cases)
    divergences = tuple(record for part in parts for record in part.known_divergences)
    problems += duplicate_names(cases) + duplicate_names(divergences)
    return Loaded(cases, divergences), sorted(problems)


def load_file(path: Path, problems: list[Problem]) -> Loaded:
    """What one file holds; `problems` gets what is wrong with it."""
    file = _load_file(path, problems)
    if file is None:
        return Loaded((), ())
    cases = (*file.cases, *_expanded(file, problems))
    return Loaded(cases, tuple(file.known_divergences))


def _expanded(file: CaseFile, problems: list[Problem]) -> Iterator[Case]:
    """The cases that the validations of a file stand for."""
    for validation in file.validations:
        for content in validation.expanded():
            try:
                (case,) = CaseFile.model_validate({"format": 1, "cases": [content]}).cases
            except ValidationError as error:
                detail = error.errors(include_url=False)[0]
                key = _key(tuple(part for part in detail["loc"][3:]))
                what, remedy = _wording(detail, detail["loc"][-1], CaseFile)
                where = f"{content['name']}: {key}"
                problems.append(Problem(validation.file, validation.line, where, what, remedy))
                break
            case.located(validation.file, validation.line)
            yield case


def _load_file(path: Path, problems: list[Problem]) -> CaseFile | None:
    source = Source(shown(path))
    file = source.model(path, CaseFile)
    if file is not None:
        for group in ("cases", "validations", "known_divergences"):
            for index, item in enumerate(getattr(file, group)):
                item.located(source.file, source.lines[(group, index)])
    problems += source.problems
    return file


@dataclass
class Source:
    """One file's text, with the line of everything in it."""

    file: str
    manual: str = "cases/README.md"
    """Where the format is told."""
    lines: dict[Location, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, line: int, key: str, what: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, line, key, what, remedy))

    def model(self, path: Path, kind: type[M]) -> M | None:
        """What the file holds, or None where there are problems."""
        try:
            data = self.parse(path)
            return None if data is None else kind.model_validate(data)
        except OSError as error:
            self.problem(1, "", f"cannot be read: {error.strerror}", "make it a readable file")
        except ValidationError as error:
            self.explain(error, kind)
        return None

    def parse(self, path: Path) -> Any:
        """Plain values; None where there are problems.

        Raises:
            OSError: the file cannot be read.
        """
        if path.stat().st_size > MAX_BYTES:
            self.problem(1, "", f"larger than {MAX_BYTES:,} bytes", "split it, a file a behaviour")
            return None
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError as error:
            self.problem(1, "", f"not UTF-8 at byte {error.start}", "save it as UTF-8")
            return None
        try:
            if self._refuses_structure(text):
                return None
            node = yaml.compose(text, Loader=_Loader)
            data = None if node is None else self._construct(node, ())
            if data is None:
                self.problem(1, "", "empty", "begin with 'format: 1'")
            return data
        except yaml.YAMLError as error:
            mark: yaml.Mark | None = getattr(error, "problem_mark", None)
            what = getattr(error, "problem", None) or str(error)
            self.problem(
                mark.line + 1 if mark is not None else 1, "", f"not YAML: {what}", "mend the syntax"
            )
            return None

    def _refuses_structure(self, text: str) -> bool:
        """Refuse what no case needs and what could blow up, before anything is built."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            if isinstance(event, yaml.AliasEvent):
                self.problem(line, "", f"alias *{event.anchor}", "write the value out")
                return True
            tag = getattr(event, "tag", None)
            if tag is not None:
                self.problem(line, "", f"tag {tag!r}", "write the plain value")
                return True
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    self.problem(line, "", f"nested deeper than {MAX_DEPTH}", "flatten it")
                    return True
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
        return False

    def _construct(self, node: yaml.Node, location: Location) -> Any:
        self.lines.setdefault(location, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            return [
                self._construct(item, (*location, index)) for index, item in enumerate(node.value)
            ]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problem(line, _key(location), "not a plain key", "write a word and a colon")
                continue
            key = _scalar(key_node)
            if key in result:
                first = self.lines[(*location, key)]
                self.problem(
                    line, _key((*location, key)), f"given already in line {first}", "remove one"
                )
                continue
            self.lines[(*location, key)] = line
            result[key] = self._construct(value_node, (*location, key))
        return result

    def explain(self, error: ValidationError, kind: type[BaseModel]) -> None:
        """Turn pydantic's errors into problems, each at the line of the nearest key there is."""
        for detail in error.errors(include_url=False):
            location: Location = ()
            path = detail["loc"]
            if path[:1] == ("cases",):  # the third part is the kind of case, and no key
                path = (*path[:2], *path[3:])
            for part in path:
                if (*location, part) in self.lines:
                    location = (*location, part)
            leaf = detail["loc"][-1] if detail["loc"] else ""
            key = (*location, leaf) if detail["type"] == "missing" else location
            what, remedy = _wording(detail, leaf, kind, self.manual)
            self.problem(self.lines.get(location, 1), _key(key), what, remedy)


def _scalar(node: yaml.ScalarNode) -> Any:
    if node.tag not in _PLAIN:
        return node.value
    try:
        return _PLAIN[node.tag][2](node.value)
    except ValueError:  # of more digits than Python reads
        problem = f"a number of {len(node.value)} digits"
        raise yaml.MarkedYAMLError(None, None, problem, node.start_mark) from None


def _key(location: Location) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


_REMEDIES = {
    "float_type": "write a number, without quotes",
    "int_type": "write a whole number, without quotes",
    "bool_type": "write true or false",
    "string_type": "write a text (in quotes where it looks like a number)",
    "list_type": "write a list",
    "dict_type": "write keys and values",
    "finite_number": "write a finite number",
    "literal_error": "use one of the values named",
}


def _wording(
    detail: Any, leaf: str | int, model: type[BaseModel], manual: str = "cases/README.md"
) -> tuple[str, str]:
    """What is wrong and what to do, in the words of the format."""
    kind = detail["type"]
    message = detail["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return "missing", f"add '{leaf}:'"
    if kind == "extra_forbidden":
        return "unknown key", f"remove it{did_you_mean(str(leaf), _known_keys(model) - {leaf})}"
    if kind in {"union_tag_not_found", "union_tag_invalid"}:
        return (
            "neither a known family nor a surface",
            f"give 'family:' ({', '.join(sorted(FAMILIES))}) or 'surface:'",
        )
    message = message[0].lower() + message[1:]
    if kind == "value_error":
        return message, f"see {manual} for the format"
    given = detail.get("input")
    shown = f", got {given!r}" if isinstance(given, str | int | float | bool) else ""
    return message + shown, _REMEDIES.get(kind, f"see {manual} for the format")


def _known_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    models = [schema, *schema.get("$defs", {}).values()]
    return {key for model in models for key in model.get("properties", {})}
