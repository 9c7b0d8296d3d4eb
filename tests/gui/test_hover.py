"""Words beside the point under the pointer: they come, stay inside the figure, and leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import shiboken6
from matplotlib.figure import Figure
from PySide6.QtCore import QPoint, QRect, QSize

from gui.hover import beside
from gui.linked_chart import LinkedChart
from planner.charts import pareto
from planner.charts.scatter import nearest

DAY_S = 86400.0


class Rows:
    """What the chart is made from: three made layouts."""

    against = "memory_bytes"
    rows: tuple[pareto.Mark, ...] = ()


@pytest.fixture
def chart(application: object, qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[LinkedChart]:
    from planner.charts import contents

    marks = tuple(
        pareto.Mark("8 × A100", f"tp {tp} · a layout whose words are long enough to fill more than one line of a box",
                    days * DAY_S, 1e5, memory * 2.0**30, 1e4)
        for tp, days, memory in ((1, 10.0, 70.0), (2, 20.0, 50.0), (4, 40.0, 30.0))
    )  # fmt: skip
    data = pareto.Data(marks=marks, against="memory_bytes")
    monkeypatch.setattr(contents, "pareto", lambda chart, source: data)
    made = LinkedChart("pareto", "Layouts")
    made.resize(420, 320)
    made.show_data(Rows())
    made.show()
    made.draw_now()
    made._canvas.draw()
    yield made
    if shiboken6.isValid(made):
        shiboken6.delete(made)


def place(chart: LinkedChart, index: int) -> QPoint:
    axes = chart._canvas.figure.axes[0]
    x, y = axes.transData.transform(pareto.points(chart._data)[index])
    ratio = chart._canvas.device_pixel_ratio
    return QPoint(round(x / ratio), round(chart._canvas.height() - y / ratio))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_point_under_the_pointer_tells_of_itself_inside_the_figure(
    chart: LinkedChart, qtbot: Any, index: int
) -> None:
    qtbot.mouseMove(chart._canvas, QPoint(2, 2))
    qtbot.mouseMove(chart._canvas, place(chart, index))
    qtbot.waitUntil(lambda: chart._hover.index == index)
    assert f"tp {2**index}" in chart._hover.text and "8 × A100" in chart._hover.text
    assert chart._canvas.rect().contains(chart._hover._box)
    assert not chart._hover._box.contains(place(chart, index))


def test_a_chart_that_was_closed_takes_a_last_leave_event(chart: LinkedChart, qtbot: Any, capfd: Any) -> None:
    chart._hover.tell(1)
    pane, callbacks = chart._hover, chart._canvas.callbacks
    shiboken6.delete(chart)
    assert not shiboken6.isValid(pane)
    for event in ("axes_leave_event", "figure_leave_event"):
        callbacks.process(event, None)
    assert capfd.readouterr().err == ""  # matplotlib prints what a callback raises while an event loop runs


def test_the_words_leave_no_trace_and_are_not_exported(chart: LinkedChart, qtbot: Any, tmp_path: Path) -> None:
    assert chart._hover.isHidden()
    before = chart.grab().toImage()
    qtbot.mouseMove(chart._canvas, place(chart, 1))
    qtbot.waitUntil(lambda: chart._hover.index == 1)
    assert chart.grab().toImage() != before
    chart.export(tmp_path / "hovered.png")
    qtbot.mouseMove(chart._canvas, QPoint(2, 2))
    qtbot.waitUntil(lambda: chart._hover.index is None)
    assert chart._hover.isHidden() and chart._hover.text == ""
    chart.export(tmp_path / "plain.png")
    assert (tmp_path / "hovered.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_other_data_end_the_words(chart: LinkedChart, qtbot: Any) -> None:
    qtbot.mouseMove(chart._canvas, place(chart, 0))
    qtbot.waitUntil(lambda: chart._hover.index == 0)
    chart.show_data(Rows())
    chart.draw_now()
    assert chart._hover.index is None


@pytest.mark.parametrize("at", [(0, 0), (300, 0), (0, 200), (300, 200), (150, 100)])
def test_words_stay_in_the_room_that_there_is(at: tuple[int, int]) -> None:
    room = QSize(300, 200)
    for size in (QSize(80, 40), QSize(280, 150)):
        assert QRect(QPoint(0, 0), room).contains(beside(QPoint(*at), size, room))


def test_marks_win_over_the_line_they_lie_on_and_rows_need_no_aim() -> None:
    axes = Figure(figsize=(4, 3), dpi=100).add_subplot()
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    points = [(50.0, 50.0), *((float(x), 50.0) for x in range(101))]
    x, y = axes.transData.transform((51, 50))
    assert nearest(axes, points, x, y) == 52 and nearest(axes, points, x, y, leading=1) == 0
    far = axes.transData.transform((90, 58))
    assert nearest(axes, points, *far, leading=1) is None
    assert nearest(axes, [(5.0, 20.0), (5.0, 60.0)], *far, along="y") == 1
