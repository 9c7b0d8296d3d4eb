"""Small parts that several pages use."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocument
from PySide6.QtWidgets import QApplication, QLabel

from gui.log_slider import LogSlider
from gui.widgets import elided, plain
from planner.plan import file

WHERE = "llama-2-7b on 256 × A100-80GB-SXM"


def test_a_line_without_room_ends_in_an_ellipsis_and_stays_whole_for_a_reader(application: object) -> None:
    made = elided(WHERE)
    made.resize(120, 24)
    assert made.shown.endswith("…") and made.shown != WHERE
    assert made.text() == WHERE
    made.resize(made.fontMetrics().horizontalAdvance(WHERE) + 10, 24)
    assert made.shown == WHERE


def test_a_tip_shows_what_looks_like_html_as_it_stands(application: object) -> None:
    for text in ("<b>bold</b>", "a < b", "one\ntwo <i>", "&amp;<img src=x>", "plain & simple"):
        shown = plain(text)
        page = QTextDocument()
        page.setHtml(shown) if shown.startswith("<span>") else page.setPlainText(shown)
        assert page.toPlainText() == text


def test_a_value_beyond_a_slider_leaves_its_handle_at_the_end(application: object) -> None:
    slider = LogSlider(1.0, 1000.0)
    told = []
    for value in (float("inf"), 1e300, 1e-300, 0.0, float("nan"), 10.0):
        slider.show_value(value)
        told.append(slider.value())
    assert told == [150, 150, 0, 0, 0, 50]


def test_names_from_files_are_nowhere_taken_for_html(open_window: Callable[..., object]) -> None:
    name = "<b>x</b><img src=y>"
    changes = [("name", name), ("model.name", name), ("cluster.accelerator.name", name)]
    window = open_window(file.with_settings(file.load("gpt2"), changes))
    for key in ("compare", "profile"):
        window.show_page(key)
    assert not [tip for one in QApplication.allWidgets() if "<b>x" in (tip := one.toolTip())]
    labels = [one for one in QApplication.allWidgets() if isinstance(one, QLabel) and "<b>x" in one.text()]
    assert labels and all(one.textFormat() == Qt.TextFormat.PlainText for one in labels)
