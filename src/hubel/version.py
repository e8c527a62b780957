"""The version of hubel, in the one place that says it."""

__version__ = "0.5.0"
