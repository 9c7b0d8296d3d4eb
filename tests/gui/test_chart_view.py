"""A chart under keyboard and mouse: point by point, closer and back, another scale, the derivation, out of the app."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtWidgets import QApplication

from gui import chart_cursor
from gui.chart_view import ChartView
from planner.estimate import Estimate, estimate
from planner.plan import file
from planner.quality.budget import Training
from planner.quality.frontier import frontier

Key = Qt.Key
Open = Callable[[str, Any], ChartView]


@pytest.fixture(scope="module")
def answer() -> Estimate:
    return estimate(file.load("llama-2-7b"))


@pytest.fixture
def open_chart(application: object, qtbot: Any) -> Open:
    def open_one(name: str, source: Any) -> ChartView:
        made = ChartView(name, name.replace("_", " "))
        qtbot.addWidget(made)
        made.resize(520, 380)
        made.show_data(source)
        made.show()
        made.draw_now()
        made._canvas.draw()
        return made

    return open_one


@pytest.fixture
def memory(open_chart: Open, answer: Estimate) -> ChartView:
    return open_chart("memory_breakdown", answer)


@pytest.fixture
def sizes(open_chart: Open, answer: Estimate) -> ChartView:
    from planner.charts.contents import Quality

    return open_chart("size_against_perplexity", Quality(frontier(training=Training.of(answer))))


def limits(chart: ChartView) -> tuple[tuple[float, float], tuple[float, float]]:
    axes = chart._canvas.figure.axes[0]
    return axes.get_xlim(), axes.get_ylim()


def middle(chart: ChartView) -> QPoint:
    axes = chart._canvas.figure.axes[0]
    x, y = axes.transAxes.transform((0.5, 0.5))
    return QPoint(round(x), round(chart._canvas.height() - y))


def turn_wheel(chart: ChartView, notches: int, at: QPoint) -> None:
    canvas = chart._canvas
    event = QWheelEvent(
        QPointF(at), QPointF(canvas.mapToGlobal(at)), QPoint(), QPoint(0, 120 * notches), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)


def test_arrow_keys_go_from_part_to_part_and_the_reader_is_told(
    memory: ChartView, answer: Estimate, qtbot: Any
) -> None:
    whole = memory.toolTip()
    assert memory.accessibleDescription() == whole
    qtbot.keyClick(memory, Key.Key_Home)
    assert memory._hover.index == 0 and "Total" in memory.accessibleDescription()
    qtbot.keyClick(memory, Key.Key_Down)
    first = answer.memory_parts[0]
    said = memory.accessibleDescription()
    assert first.label in said and first.text in said and first.source in said and first.kind in said
    qtbot.keyClick(memory, Key.Key_End)
    last = memory._hover.index
    qtbot.keyClick(memory, Key.Key_Down)
    assert memory._hover.index == last == len(memory._hover.points) - 1


def test_enter_and_a_click_open_the_derivation_of_the_part(memory: ChartView, answer: Estimate, qtbot: Any) -> None:
    asked: list[object] = []
    memory.explain.connect(asked.append)
    qtbot.keyClick(memory, Key.Key_Home)
    qtbot.keyClick(memory, Key.Key_Return)
    qtbot.keyClick(memory, Key.Key_Down)
    qtbot.keyClick(memory, Key.Key_F1)
    assert asked == ["memory.total", answer.memory_parts[0].key]
    x, y = memory._canvas.figure.axes[0].transData.transform(memory._hover.points[2])
    qtbot.mouseClick(
        memory._canvas, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(memory._canvas.height() - y))
    )
    assert asked[2:] == [answer.memory_parts[1].key]


def test_up_and_down_change_the_series_and_left_and_right_go_along_it() -> None:
    points = [(3.0, 9.0), (1.0, 5.0), (2.0, 5.0), (1.0, 7.0), (2.5, 7.0)]
    series = [[0], [1, 2], [3, 4]]
    assert chart_cursor.move(Key.Key_Right, None, points, series) == 0
    assert chart_cursor.move(Key.Key_Down, 0, points, series) == 2
    assert chart_cursor.move(Key.Key_Left, 2, points, series) == 1
    assert chart_cursor.move(Key.Key_Down, 1, points, series) == 3
    assert chart_cursor.move(Key.Key_End, 3, points, series) == 4
    assert chart_cursor.move(Key.Key_Up, 4, points, series) == 2
    assert chart_cursor.move(Key.Key_Right, None, [], []) is None


def test_what_waits_is_answered_between_drawing_a_chart_and_painting_it(
    memory: ChartView, answer: Estimate, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from planner.charts import memory_breakdown as module

    told: list[str] = []
    waits = QTimer(singleShot=True, interval=1)
    waits.timeout.connect(lambda: told.append("answered"))
    draw = module.draw

    def draw_while_something_waits(*what: Any) -> None:
        waits.start()
        draw(*what)
        told.append("drawn")

    monkeypatch.setattr(module, "draw", draw_while_something_waits)
    memory._canvas.mpl_connect("draw_event", lambda _: told.append("painted"))
    memory.show_data(dataclasses.replace(answer))
    qtbot.waitUntil(lambda: "painted" in told)
    assert told == ["drawn", "answered", "painted"]
    assert not memory.is_due


def test_a_chart_keeps_its_picture_while_it_is_resized(memory: ChartView, qtbot: Any) -> None:
    painted: list[int] = []
    memory._canvas.mpl_connect("draw_event", lambda _: painted.append(memory.width()))
    memory._settle.setInterval(10**8)  # the hand that resizes does not rest
    for width in (600, 640, 680, 720):
        memory.resize(width, 380)
        qtbot.wait(20)
    assert painted == []
    memory._settle.start(1)
    qtbot.waitUntil(lambda: bool(painted))
    assert painted == [720]


def test_the_wheel_zooms_where_the_pointer_is_and_a_double_click_shows_all(sizes: ChartView, qtbot: Any) -> None:
    whole = limits(sizes)
    axes = sizes._canvas.figure.axes[0]
    at = middle(sizes)
    before = axes.transData.inverted().transform((at.x(), sizes._canvas.height() - at.y()))
    turn_wheel(sizes, 3, at)
    after = axes.transData.inverted().transform((at.x(), sizes._canvas.height() - at.y()))
    assert sizes.is_zoomed and after == pytest.approx(before, rel=1e-6)
    assert whole[0][0] < limits(sizes)[0][0] and limits(sizes)[0][1] < whole[0][1]
    sizes.draw_now()
    qtbot.mouseDClick(sizes._canvas, Qt.MouseButton.LeftButton, pos=middle(sizes))
    sizes.draw_now()
    assert not sizes.is_zoomed and limits(sizes) == (pytest.approx(whole[0]), pytest.approx(whole[1]))


def test_keys_zoom_and_dragging_moves_what_is_seen_within_the_whole(sizes: ChartView, qtbot: Any) -> None:
    whole = limits(sizes)
    for _ in range(4):
        qtbot.keyClick(sizes, Key.Key_Plus)
    near = limits(sizes)
    at = middle(sizes)
    qtbot.mousePress(sizes._canvas, Qt.MouseButton.LeftButton, pos=at)
    qtbot.mouseMove(sizes._canvas, at + QPoint(40, 0))
    qtbot.mouseRelease(sizes._canvas, Qt.MouseButton.LeftButton, pos=at + QPoint(40, 0))
    assert limits(sizes)[0][0] < near[0][0] and limits(sizes)[1] == pytest.approx(near[1])
    for _ in range(12):
        qtbot.keyClick(sizes, Key.Key_Minus)
    assert not sizes.is_zoomed and limits(sizes)[0] == pytest.approx(whole[0])
    qtbot.keyClick(sizes, Key.Key_Plus)
    qtbot.keyClick(sizes, Key.Key_0)
    assert not sizes.is_zoomed


def test_shift_and_dragging_zooms_into_the_box(sizes: ChartView, qtbot: Any) -> None:
    axes, height = sizes._canvas.figure.axes[0], sizes._canvas.height()
    corners = [axes.transAxes.transform(at) for at in ((0.25, 0.25), (0.75, 0.6))]
    box = axes.transData.inverted().transform(corners)
    start, end = (QPoint(round(x), round(height - y)) for x, y in corners)
    qtbot.mousePress(sizes._canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, pos=start)
    qtbot.mouseMove(sizes._canvas, end)
    assert not sizes._hover.band.isEmpty()
    qtbot.mouseRelease(sizes._canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ShiftModifier, pos=end)
    assert sizes._hover.band.isEmpty()
    assert limits(sizes)[0] == pytest.approx(box[:, 0], rel=0.02) and limits(sizes)[1] == pytest.approx(
        box[:, 1], rel=0.02
    )


def test_the_cursor_brings_a_point_outside_into_view(sizes: ChartView, qtbot: Any) -> None:
    qtbot.keyClick(sizes, Key.Key_Home)
    qtbot.keyClick(sizes, Key.Key_Down)
    qtbot.keyClick(sizes, Key.Key_Home)
    for _ in range(6):
        qtbot.keyClick(sizes, Key.Key_Plus)
    qtbot.keyClick(sizes, Key.Key_End)
    (left, right), (low, high) = limits(sizes)
    x, y = sizes._hover.points[sizes._hover.index]
    assert left <= x <= right and low <= y <= high


def test_an_axis_of_numbers_may_be_linear_and_rows_and_bars_may_not(
    sizes: ChartView, memory: ChartView, qtbot: Any
) -> None:
    assert sizes.can_switch("x") and sizes.is_log("x")
    qtbot.keyClick(sizes, Key.Key_X)
    assert not sizes.is_log("x") and sizes.is_log("y")
    sizes.show_data(type(sizes._source)(sizes._source.frontier))
    sizes.draw_now()
    assert not sizes.is_log("x"), "other data keep the scale"
    qtbot.keyClick(sizes, Key.Key_X)
    assert sizes.is_log("x")
    assert not memory.can_switch("x") and not memory.can_switch("y")


def test_other_data_are_seen_whole(memory: ChartView, qtbot: Any) -> None:
    qtbot.keyClick(memory, Key.Key_Plus)
    assert memory.is_zoomed
    memory.show_data(estimate(file.load("llama-2-70b")))
    memory.draw_now()
    assert not memory.is_zoomed


def test_it_is_copied_and_exported_as_it_is_seen(memory: ChartView, tmp_path: Path, qtbot: Any) -> None:
    qtbot.keyClick(memory, Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().image().size() == memory._canvas.grab().toImage().size()
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("csv", b"part,bytes")):
        memory.export(tmp_path / f"chart.{kind}")
        assert (tmp_path / f"chart.{kind}").read_bytes().startswith(start)


def test_a_button_opens_the_menu_whose_lines_name_their_keys(memory: ChartView, qtbot: Any) -> None:
    from gui.chart_menu import menu

    qtbot.keyClick(memory, Key.Key_Home)
    lines = [action.text() for action in menu(memory).actions() if action.text()]
    assert lines[0] == "Explain this number\tF1" and "Copy image\tCtrl+C" in lines and "Export SVG…" in lines
    assert memory.more.accessibleName() and memory.more.objectName()
