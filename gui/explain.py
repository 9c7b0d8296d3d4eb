"""The panel that opens a number into its derivation: formula in symbols, the numbers put in, the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHeaderView, QTreeWidget, QTreeWidgetItem, QVBoxLayout

from gui.widgets import KIND_SIGNS, button, chip, label, plain, row
from planner.reports import derivation
from planner.reports.derivation import Step
from planner.reports.influence import influences

if TYPE_CHECKING:
    from planner.estimate import Figure

QUIET_MS = 60
MOST = 6
"""Inputs that are told of those that would change the figure, the strongest first."""


class ExplainPanel(QFrame):
    """Shows one figure; follows it when the plan changes."""

    closed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("explain")
        self.setAccessibleName("Explanation of a number")
        self.key = ""
        self._figure: Figure | None = None
        self._follows = True
        layout = QVBoxLayout(self)
        layout.setContentsMargins(16, 12, 14, 12)
        layout.setSpacing(6)
        self._title = label(role="muted", wrap=True)
        close = button("Close", "explain.close", flat=True)
        close.clicked.connect(self.close_panel)
        self._value = label(size=1.6, bold=True)
        self._value.setObjectName("explain.value")
        self._chip = chip("estimated")
        self._band = label(role="muted")
        self._formula = label(wrap=True)
        self._formula.setObjectName("explain.formula")
        font = self._formula.font()
        font.setStyleHint(font.StyleHint.Monospace)
        font.setFamily("monospace")
        self._formula.setFont(font)
        self._inputs = label(wrap=True)
        self._source = label(role="muted", size=0.92, wrap=True)
        self._changes = label(wrap=True, size=0.92)
        self._changes.setObjectName("explain.changes")
        self._changes.hide()
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self.show_changes)
        self.tree = self._make_tree()
        self.copy = button("Copy as Markdown", "explain.copy")
        self.copy.clicked.connect(self._copy)
        layout.addWidget(row(self._title, None, close))
        layout.addWidget(row(self._value, self._chip, None))
        for widget in (self._band, self._formula, self._inputs, self._source):
            if widget is not self._band:
                widget.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            layout.addWidget(widget)
        layout.addWidget(self._changes)
        layout.addWidget(label("Derivation", bold=True))
        layout.addWidget(self.tree, 1)
        layout.addWidget(row(self.copy, None))
        self.setMinimumWidth(300)
        self.hide()

    def explain(self, figure: Figure, *, follows: bool = True) -> None:
        """Open a figure; `follows`: it is the plan's, and changes with it."""
        self._follows = follows
        self.key, self._figure = figure.key, figure
        self._title.setText(figure.label)
        self._chip.setText(KIND_SIGNS.get(figure.kind, figure.kind))
        self._chip.setProperty("chip", figure.kind)
        self._chip.style().polish(self._chip)
        self._band.setText(f"80 % band: {figure.band_text}" if figure.band_text else "")
        self._band.setVisible(bool(figure.band_text))
        self.tree.clear()
        first = derivation.root(figure)
        item = _item(first)
        self.tree.addTopLevelItem(item)
        item.setExpanded(True)
        self.tree.setCurrentItem(item)
        self._value.setText(figure.text)
        self.copy.setText("Copy as Markdown")
        self._quiet.start()
        self.show()

    def show_changes(self) -> None:
        """What would change the figure: asked once the hand rests, since it computes the derivation again and again."""
        found = influences(self._figure.node) if self._figure is not None else []
        self._changes.setText(f"A tenth more of {',  '.join(one.text for one in found[:MOST])}" if found else "")
        self._changes.setVisible(bool(found))

    def follow(self, figures: dict[str, Figure]) -> None:
        """The plan changed: show the same figure anew."""
        if self._follows and self.isVisible() and self.key in figures and figures[self.key] is not self._figure:
            self.explain(figures[self.key])

    def close_panel(self) -> None:
        """Hide."""
        self.hide()
        self.closed.emit()

    def _make_tree(self) -> QTreeWidget:
        tree = QTreeWidget()
        tree.setObjectName("explain.tree")
        tree.setAccessibleName("Derivation")
        tree.setHeaderLabels(["What", "Value"])
        tree.header().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        tree.header().setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        tree.header().setStretchLastSection(False)
        tree.setUniformRowHeights(True)
        tree.itemExpanded.connect(_grow)
        tree.currentItemChanged.connect(
            lambda item, _: item and self._show_step(item.data(0, Qt.ItemDataRole.UserRole))
        )
        return tree

    def _show_step(self, line: Step) -> None:
        node, figure = line.node, self._figure
        is_root = node is None or figure is None or node is figure.node
        expression = node.expression if node else (figure.formula if figure and line.name == figure.label else "")
        source = node.source if node else (figure.source if figure and line.name == figure.label else "an input")
        shown = expression != (node.name if node else "")
        name = line.name if not is_root or node is None else derivation.words(node.name)
        told = expression if " = " in expression else f"{name} = {expression}"  # some formulas name what they give
        self._formula.setText(told if expression and shown else line.name)
        inputs = derivation.inputs_line(node) if node else ""
        self._inputs.setText(f"with {inputs}" if inputs else f"= {line.text}")
        self._source.setText(f"Source: {source}" if source else "")

    def _copy(self) -> None:
        if self._figure is not None:
            QGuiApplication.clipboard().setText(f"{derivation.markdown(self._figure)}{changes(self._figure)}")
            self.copy.setText("Copied")


def changes(figure: Figure) -> str:
    """What would change a figure, as the end of its Markdown; empty where nothing does."""
    found = influences(figure.node)
    return f"\nA tenth more of, by itself: {', '.join(one.text for one in found)}.\n" if found else ""


def _item(line: Step) -> QTreeWidgetItem:
    item = QTreeWidgetItem([line.name, line.text])
    item.setData(0, Qt.ItemDataRole.UserRole, line)
    item.setToolTip(0, plain(line.node.source) if line.node else "")
    item.setTextAlignment(1, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    if line.children:
        item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
    return item


def _grow(item: QTreeWidgetItem) -> None:
    """Children are made when a line is opened: a derivation may be deep."""
    if not item.childCount():
        for child in item.data(0, Qt.ItemDataRole.UserRole).children:
            item.addChild(_item(child))
