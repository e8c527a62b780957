"""What a network has learned to see: instruments, arrays in and arrays out. `hubel.report` draws them."""

from hubel.look.subject import Subject, quiet
from hubel.look.unit import Unit

__all__ = ["Subject", "Unit", "quiet"]
