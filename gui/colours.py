"""Two full looks, light and dark: the colours by what they are for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours by purpose. Text on its ground has a contrast of at least 4.5:1 in both looks."""

    name: str
    window: str
    surface: str
    raised: str
    border: str
    strong_border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_soft: str
    good: str
    good_soft: str
    warning: str
    warning_soft: str
    bad: str
    bad_soft: str


LIGHT = Theme(
    name="light", window="#f4f6f8", surface="#ffffff", raised="#eef1f5", border="#e1e6ec", strong_border="#b9c3cf",
    text="#17202b", muted="#566273", accent="#2557c7", on_accent="#ffffff", accent_soft="#e6eefc", good="#15703f",
    good_soft="#e3f4ea", warning="#8a5a00", warning_soft="#fdf2d8", bad="#b3261e", bad_soft="#fce9e7",
)  # fmt: skip
DARK = Theme(
    name="dark", window="#13161b", surface="#1b1e23", raised="#252a33", border="#2d343e", strong_border="#4a5462",
    text="#e7eaef", muted="#9fabba", accent="#8ab0ff", on_accent="#0f1726", accent_soft="#233253", good="#5fce93",
    good_soft="#17352a", warning="#e9bd5b", warning_soft="#3a2f16", bad="#ff8f86", bad_soft="#432322",
)  # fmt: skip
