"""Numbers as an engineer would type them into a field, and the quiet line beside the field that says them in full.

What `editable` writes, `units.parse` reads back to the very same number.
"""

from __future__ import annotations

from planner import units
from planner.errors import InputError

_DECIMAL = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_COUNT = ((1e12, "T"), (1e9, "B"), (1e6, "M"))
_BINARY = ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_PREFIXED_UNITS = ("B/s", "bit/s", "FLOP/s", "FLOP")
_SHORT = 6


def editable(value: float | None, unit: str) -> str:
    """The shortest text that reads back to `value`; empty for None."""
    if value is None:
        return ""
    for scale, suffix in _scales(unit):
        if abs(value) >= scale:
            number = f"{value / scale:.12g}"
            text = f"{number} {suffix}" if unit in _PREFIXED_UNITS or unit == "B" else f"{number}{suffix}"
            if len(number.replace(".", "")) <= _SHORT and _reads_back(text, unit, value):
                return text
    return _plain(value)


def beside(value: float | None, unit: str) -> str:
    """What stands beside the field: the unit, or the value in full where the field shows a short form."""
    if value is None:
        return "" if unit == "fraction" else unit
    if unit == "fraction":
        return units.show(value, "fraction")
    if unit == "s":
        return f"s = {units.show_duration(value)}" if abs(value) >= 120 or 0 < abs(value) < 1 else "s"
    if unit == "B":
        return f"= {value:,.0f} B" if abs(value) >= 1024 else unit
    if unit in _PREFIXED_UNITS:
        return ""
    if editable(value, unit) != _plain(value):
        return f"= {value:,.0f} {unit}".rstrip()
    return unit


def is_half_typed(text: str) -> bool:
    """A beginning that may yet become a number: a sign, `2.`, `1e`, `1e-`."""
    words = text.strip().removeprefix("$")
    return words in ("", "-", "+", ".") or words[-1:] in ".eE,_" or words[-2:].lower() in ("e-", "e+")


def _scales(unit: str) -> tuple[tuple[float, str], ...]:
    if unit == "B":
        return (*_BINARY, *((scale, f"{prefix}B") for scale, prefix in _DECIMAL))
    if unit in _PREFIXED_UNITS:
        return tuple((scale, f"{prefix}{unit}") for scale, prefix in _DECIMAL)
    if unit in ("", "tokens", "sequences", "GPUs", "layers", "USD"):
        return _COUNT
    return ()


def _reads_back(text: str, unit: str, value: float) -> bool:
    try:
        return units.parse(text, unit) == value
    except InputError:
        return False


def _plain(value: float) -> str:
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}" if abs(value) >= 10_000 else str(int(value))
    return repr(float(value))
