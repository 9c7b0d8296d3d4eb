"""Parse and print quantities. Inside the planner everything is SI base units; prefixes exist only here.

`parse("2T")` → 2e12, `parse("80 GiB", "B")` → 85899345920, `parse("312 TFLOP/s", "FLOP/s")` → 3.12e14. The
field writes `7B` for parameters and `4k` for tokens and mixes binary and decimal prefixes, which no quantity library
reads as meant, so the reading is done here; SI printing is QuantiPhy's.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import Any

from planner.errors import InputError, shorten

HOUR_S = 3600.0
DAY_S = 86400.0
GB = 1e9
GIB = 2.0**30

_SCALE_TO_UNIT: dict[str, dict[str, float]] = {
    "s": {"": 1, "s": 1, "sec": 1, "second": 1, "seconds": 1, "min": 60, "minute": 60, "minutes": 60, "h": HOUR_S,
          "hour": HOUR_S, "hours": HOUR_S, "d": DAY_S, "day": DAY_S, "days": DAY_S, "week": 7 * DAY_S,
          "weeks": 7 * DAY_S, "month": 30.4375 * DAY_S, "months": 30.4375 * DAY_S, "year": 365.25 * DAY_S,
          "years": 365.25 * DAY_S},
    "B": {"": 1, "B": 1, "byte": 1, "bytes": 1, "bit": 0.125, "b": 0.125},
    "B/s": {"": 1, "B/s": 1, "b/s": 0.125, "bit/s": 0.125, "bps": 0.125},
    "bit/s": {"": 1, "b/s": 1, "bit/s": 1, "bps": 1, "B/s": 8},
    "FLOP": {"": 1, "FLOP": 1, "FLOPs": 1, "FLOPS": 1},
    "FLOP/s": {"": 1, "FLOP/s": 1, "FLOPS": 1, "FLOPs": 1, "FLOPs/s": 1, "flop/s": 1},
    "W": {"": 1, "W": 1},
    "kWh": {"": 1, "kWh": 1, "Wh": 1e-3, "J": 1 / 3.6e6},
    "kg/kWh": {"": 1, "kg/kWh": 1, "g/kWh": 1e-3, "kgCO2e/kWh": 1, "gCO2e/kWh": 1e-3, "t/MWh": 1},
    "kg": {"": 1, "kg": 1, "g": 1e-3, "t": 1e3, "tonne": 1e3, "tonnes": 1e3, "tCO2e": 1e3, "kgCO2e": 1},
    "USD": {"": 1, "USD": 1, "$": 1},
    "USD/h": {"": 1, "USD/h": 1, "$/h": 1, "/h": 1, "$/hour": 1, "/hour": 1, "USD/hour": 1, "$/hr": 1, "/hr": 1,
              "USD/hr": 1},
    "tokens": {"": 1, "tokens": 1, "token": 1, "tok": 1},
    "GPU-hours": {"": 1, "GPU-hours": 1, "GPU-hour": 1, "GPUh": 1, "GPU-h": 1},
    "%": {"": 1, "%": 1},
    "fraction": {"": 1, "%": 0.01},
}  # fmt: skip
"""What may stand behind a number where a field has this unit, and what it multiplies the number by."""

_PREFIX = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21,
           "Y": 1e24, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30,
           "Ti": 2.0**40, "Pi": 2.0**50}  # fmt: skip
_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_NUMBER = re.compile(r"([+-]?(?:\d[\d,_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?)\s*(.*)", re.DOTALL)
_LONGEST_TEXT = 80


def parse(text: str, unit: str = "") -> float:
    """The number a person wrote, in `unit`'s base.

    Takes thousands separators, SI and binary prefixes, the counting words and prefixes of the field (`7B` parameters,
    `2 trillion`), and a currency sign in front. Raises `InputError` that quotes the text and shows an example.
    """
    words = text.strip().replace("\N{NO-BREAK SPACE}", " ").replace("−", "-").replace("μ", "µ")
    if len(words) > _LONGEST_TEXT:
        raise InputError(f"{shorten(words)!r} is too long for a number; write it like {_example(unit)}")
    match = _NUMBER.fullmatch(words.removeprefix("$").strip())
    if not match:
        raise InputError(f"{shorten(words)!r} is not a number; write it like {_example(unit)}")
    number = float(match[1].replace(",", "").replace("_", ""))
    value = number * _scale(match[2].strip(), unit, words)
    if not math.isfinite(value):
        raise InputError(f"{shorten(words)!r} is not a finite number; write it like {_example(unit)}")
    return value


def _scale(suffix: str, unit: str, words: str) -> float:
    known = _SCALE_TO_UNIT.get(unit, {"": 1.0, unit: 1.0})
    if suffix in known:
        return known[suffix]
    word, _, rest = suffix.partition(" ")
    if word.lower() in _WORDS and rest.strip() in known:
        return _WORDS[word.lower()] * known[rest.strip()]
    for length in (2, 1):
        prefix, rest = suffix[:length], suffix[length:].strip()
        if prefix in _PREFIX and rest in known:
            return _PREFIX[prefix] * known[rest]
    raise InputError(f"{shorten(words)!r}: unknown unit or prefix {shorten(suffix)!r}; write it like {_example(unit)}")


def _example(unit: str) -> str:
    return {"tokens": "2T", "B": "80 GiB", "B/s": "2 TB/s", "bit/s": "200 Gb/s", "FLOP/s": "312 TFLOP/s",
            "FLOP": "1e24", "USD/h": "$4/h", "USD": "$2M", "s": "90 days", "fraction": "0.25 or 25%",
            "kg/kWh": "0.385", "W": "400", "GPU-hours": "3.3M"}.get(unit, "4096 or 4k")  # fmt: skip


@cache
def _quantity_type() -> Any:
    from quantiphy import Quantity

    Quantity.set_prefs(spacer="\N{NO-BREAK SPACE}", map_sf=Quantity.map_sf_to_greek, prec=2, output_sf="TGMkmunpEPZY")
    return Quantity


def show(value: float, unit: str = "", digits: int = 3) -> str:
    """A quantity for the screen: SI prefix, `digits` significant figures, the unit the reader expects."""
    if value is None or math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if unit == "s":
        return show_duration(value)
    if unit == "USD":
        return f"{'-' if value < 0 else ''}${_scaled(abs(value), _COUNTING, digits)}"
    if unit == "USD/h":
        return f"${value:,.2f}/h"
    if unit in ("fraction", "%"):
        return f"{_plain(value * 100 if unit == 'fraction' else value, digits)}{_PERCENT}"
    if unit == "B":
        return show_bytes(value, digits)
    if unit in _SCALES:
        return _scaled(value, _SCALES[unit], digits, "\N{NO-BREAK SPACE}")
    if unit in _WITHOUT_PREFIX:
        return f"{_plain(value, digits)}\N{NO-BREAK SPACE}{unit}"
    if unit == "GPU-hours":
        return f"{value:,.0f}" if abs(value) >= 100 else _plain(value, digits)
    if unit in ("", "parameters", "tokens", "sequences", "GPUs", "layers", "steps", "tokens/s"):
        return f"{_scaled(value, _COUNTING, digits)}{chr(160) + unit if unit else ''}"
    return str(_quantity_type()(value, unit).render(prec=max(0, digits - 1), strip_zeros=False))


def percent(share: float, decimals: int = 1, *, sign: bool = False) -> str:
    """A share of one with fixed decimals, so that a column lines up: `31.9 %`; with `sign` `+4.0 %`, `−4.5 %`."""
    return f"{100 * share:{'+' if sign else ''}.{decimals}f}{_PERCENT}".replace("-", "−")


def show_change(ratio: float) -> str:
    """A value over another, less 1: `+12.0 %`, `−4.5 %`; from three times on, and down to a third, `× 6,395`, `÷ 40.2`.

    `=` where it is less than a tenth of a percent when rounded, nothing where it is unknown."""
    if math.isnan(ratio):
        return ""
    if abs(ratio) < 0.0005:
        return "="
    factor = 1 + ratio
    if factor >= FACTOR_FROM or 0 < factor <= 1 / FACTOR_FROM:
        grows = factor > 1
        return f"{'×' if grows else '÷'}\N{NO-BREAK SPACE}{_plain(factor if grows else 1 / factor, 3)}"
    return percent(ratio, sign=True)


def show_duration(seconds: float) -> str:
    """`12.3 ms`, `4.21 s`, `3.40 h`, `21.4 days`."""
    if not seconds:
        return "0\N{NO-BREAK SPACE}s"
    scales = [(scale, name) for scale, name, least in _DURATIONS if abs(seconds) >= scale * least]
    return _scaled(seconds, scales[:1] or [(1e-9, "ns")], 3, "\N{NO-BREAK SPACE}")


def show_bytes(value: float, digits: int = 3) -> str:
    """Binary prefixes, as memory is sold and reported by tools: `79.2 GiB`."""
    if abs(value) < 1023.5:
        return f"{value:.0f}\N{NO-BREAK SPACE}B"
    return _scaled(value, _BINARY, digits, "\N{NO-BREAK SPACE}")


FACTOR_FROM = 3.0
"""A change by this factor reads more easily as a factor than as a percentage."""
_PERCENT = "\N{NO-BREAK SPACE}%"
"""As the SI has it (brochure, 9th edition, 5.4.7)."""
_WITHOUT_PREFIX = ("kg/kWh", "1/day")
"""`0.0277 kg/kWh`, not `27.7 mkg/kWh`."""
_COUNTING = [(1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k"), (1.0, "")]
"""From ten thousand on thousands are `k`; a four-digit number is read as it stands."""
_BINARY = [(2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")]
_SCALES = {
    "kg": [(1e3, "t"), (1.0, "kg")], "kWh": [(1e6, "GWh"), (1e3, "MWh"), (1.0, "kWh")],
    "W": [(1e6, "MW"), (1e3, "kW"), (1.0, "W")],
}  # fmt: skip
_DURATIONS = [(DAY_S, "days", 2), (HOUR_S, "h", 2), (60.0, "min", 2), (1.0, "s", 1), (1e-3, "ms", 1), (1e-6, "µs", 1)]


def _scaled(value: float, scales: list[tuple[float, str]], digits: int, space: str = "") -> str:
    """The value in the largest scale that it reaches once it is rounded, so that 999,999 is `1.00M`, not `1,000k`."""
    rounded = float(f"{value:.{digits - 1}e}")
    least, name = next((pair for pair in scales if abs(rounded) >= pair[0]), scales[-1])
    scale = 1e3 if name == "k" else least
    if scale == 1 and float(value).is_integer():
        return f"{value:,.0f}{space}{name}"
    return f"{_plain(value / scale, digits)}{space}{name}"


def _plain(value: float, digits: int) -> str:
    """Significant figures, never as an exponent; whole digits are all shown."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    return f"{value:,.{decimals}f}"
