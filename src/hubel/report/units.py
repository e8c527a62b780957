"""Numbers as text, always with their unit."""

from __future__ import annotations

from fractions import Fraction


def count(number: int) -> str:
    """Returns a whole number with separators of thousands: `60,965,224`."""
    return f"{number:,}"


def plain(number: int | Fraction) -> int | float:
    """Returns a number that JSON can hold."""
    return number if isinstance(number, int) else float(number)


def short(number: float) -> str:
    """Returns a number with three digits and a prefix: `61 M`, `1.43 G`."""
    for scale, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * scale:  # what rounds up to 1000 takes the next prefix
            return f"{number / scale:.3g} {prefix}"
    return f"{number:.3g}"


def memory(size: int) -> str:
    """Returns bytes in decimal and in binary units: `60.95 MB (58.13 MiB)`."""
    for power, prefix in ((3, "G"), (2, "M"), (1, "k")):
        if size >= 0.999995 * 1000**power:  # what rounds up to 1,000.00 takes the next prefix
            decimal, binary = size / 1000**power, size / 1024**power
            return f"{decimal:,.2f} {prefix}B ({binary:,.2f} {prefix.upper()}iB)"
    return f"{size} bytes"


def duration(seconds: float) -> str:
    """Returns a duration: `8.2 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
