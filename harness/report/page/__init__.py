"""`index.html`: one self-contained file, for people.

What a reader needs first is plain HTML; everything else is packed data, drawn by the page's script.
"""

from harness.report.page.drawing import render

__all__ = ["render"]
