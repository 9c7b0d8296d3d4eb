"""Text can be read on every ground that the style sheet puts it on, in both looks."""

from __future__ import annotations

import pytest

from gui.colours import DARK, LIGHT, Theme
from planner.charts.style import contrast

PAIRS = [
    *((text, ground) for text in ("text", "muted", "good", "warning", "bad", "accent")
      for ground in ("surface", "window", "raised")),
    ("on_accent", "accent"), ("text", "accent_soft"), ("accent", "accent_soft"), ("good", "good_soft"),
    ("warning", "warning_soft"), ("bad", "bad_soft"), ("text", "bad_soft"), ("text", "warning_soft"),
    ("text", "border"),
]  # fmt: skip


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_stands_out(look: Theme, text: str, ground: str) -> None:
    assert contrast(getattr(look, text), getattr(look, ground)) >= 4.5
