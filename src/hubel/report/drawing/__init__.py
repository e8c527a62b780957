"""Steps to a picture of the network: `layout` says what stands where, `draw` paints it."""

from hubel.report.drawing.layout import layout
from hubel.report.drawing.paint import draw

__all__ = ["draw", "layout"]
