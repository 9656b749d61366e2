"""What a page is put together from: its templates, scripts and style."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def environment(package: str) -> Environment:
    """For the templates of a package, which it keeps compiled; what they are given is escaped."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def read(name: str, package: str = "harness.report.page") -> str:
    """A file of a package."""
    return (files(package) / name).read_text("utf-8")


def digest(text: str) -> str:
    """For the page's own content security policy: no script and no style but these."""
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
