"""Small parts that several pages use."""

from __future__ import annotations

from gui.widgets import elided

WHERE = "llama-2-7b on 256 × A100-80GB-SXM"


def test_a_line_without_room_ends_in_an_ellipsis_and_stays_whole_for_a_reader(application: object) -> None:
    made = elided(WHERE)
    made.resize(120, 24)
    assert made.shown.endswith("…") and made.shown != WHERE
    assert made.text() == WHERE
    made.resize(made.fontMetrics().horizontalAdvance(WHERE) + 10, 24)
    assert made.shown == WHERE
