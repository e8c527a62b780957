"""Shown: what a notebook asks a value for, answered by `hubel.report.notebook`."""

from __future__ import annotations

import importlib


class Shown:
    """A value that shows itself as HTML in a notebook.

    The drawing lives in the report, above the rooms of the values, and so is imported only when asked for.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = importlib.import_module("hubel.report.notebook").html(self)
        return html
