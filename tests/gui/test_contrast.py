"""Every pair of text and ground that the app shows keeps WCAG's 4.5:1, in both looks."""

from __future__ import annotations

import pytest

from gui.colours import DARK, LIGHT, Theme
from planner.charts.style import contrast

GROUNDS = ("window", "surface", "raised", "accent_soft")
PAIRS = [
    *((text, ground) for text in ("text", "muted") for ground in GROUNDS),
    *((tone, ground) for tone in ("good", "warning", "bad", "accent") for ground in ("window", "surface")),
    *((tone, f"{tone}_soft") for tone in ("good", "warning", "bad", "accent")),
    *((tone, "accent_soft") for tone in ("good", "bad", "warning")),
    *(("text", f"{tone}_soft") for tone in ("good", "warning", "bad")),
    ("on_accent", "accent"),
]  # fmt: skip


def test_the_measure_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("look", [LIGHT, DARK], ids=lambda look: look.name)
@pytest.mark.parametrize(("text", "ground"), PAIRS)
def test_text_is_readable_on_its_ground(look: Theme, text: str, ground: str) -> None:
    assert contrast(getattr(look, text), getattr(look, ground)) >= 4.5
