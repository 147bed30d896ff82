"""Numbers as a person reads them: three digits and an engineering prefix."""

from __future__ import annotations

import math

_PREFIXES = {
    -18: "a", -15: "f", -12: "p", -9: "n", -6: "u", -3: "m",
    0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E",
}  # fmt: skip


def prefix(largest: float) -> tuple[float, str]:
    """The factor and prefix that bring a number between 1 and 1000, for a whole axis or column.

    0.0123 gives (0.001, "m"). Zero and what is not finite keep their scale.
    """
    if largest == 0 or not math.isfinite(largest):
        return 1.0, ""
    # rounded to three digits first, so that 999.96 us becomes 1.00 ms
    exponent = int(f"{abs(largest):.2e}".split("e")[1]) // 3 * 3
    exponent = min(max(exponent, -18), 18)
    return float(f"1e{exponent}"), _PREFIXES[exponent]


def engineering(value: float | None, unit: str = "", digits: int = 3) -> str:
    """Return e.g. ``12.3 ms``; a dash for None, the plain word for what is not finite."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return str(value)
    factor, letter = prefix(value)
    text = _rounded(value / factor, digits)
    return f"{text} {letter}{unit}".rstrip()


def plain(value: float | None, digits: int = 4) -> str:
    """Return a number without a unit, such as a metric: counts whole, others to so many digits."""
    if value is None:
        return "–"
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    text = f"{value:.{digits}g}"
    return f"{float(text):,.0f}" if "e+" in text and abs(value) < 1e15 else text


def rate(per_second: float | None) -> str:
    """Return a rate such as ``14.3 k/s``; slow ones without a prefix, since ``m/s`` is a speed."""
    if per_second is None:
        return "–"
    if per_second < 1:
        return f"{_rounded(per_second, 3)} /s"
    return engineering(per_second, "/s")


def percent(share: float | None) -> str:
    """Return a share of one as a percentage with three digits, small ones in full: ``0.0123 %``."""
    if share is None:
        return "–"
    return f"{_rounded(100 * share, 3)} %"


def _rounded(value: float, digits: int) -> str:
    """So many significant digits without an exponent, where that stays short."""
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e6:
        return f"{value:.{digits - 1}e}"
    places = digits - 1 - int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    return f"{value:.{max(places, 0)}f}"
