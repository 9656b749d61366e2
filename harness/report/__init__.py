"""Reports: one module per format. They draw verdicts and judge nothing.

`model` is the published content of `report.json`; the other formats are drawn from it.
"""

from __future__ import annotations

from harness.report.write import FILES, ensure_writable, write

__all__ = ["FILES", "ensure_writable", "write"]
