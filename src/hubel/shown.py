"""Shown: what a notebook asks a value for, answered by `hubel.report.notebook`.

This is the one exception to the order of the packages: the answer comes from above, by an import while the
program runs, which the import contracts do not see.
"""

from __future__ import annotations

import importlib


class Shown:
    """A value that shows itself as HTML in a notebook.

    Every class of such values has a function in `hubel.report.notebook`, which is imported only when asked.
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        html: str = importlib.import_module("hubel.report.notebook").html(self)
        return html
