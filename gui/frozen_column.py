"""The first column of a tree, kept in sight while the others are scrolled sideways."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtWidgets import QAbstractItemView, QFrame, QHeaderView, QTreeView, QTreeWidget

FRAME = 1
"""Pixels of the line round a view; its right one parts the names from the figures."""


class FrozenColumn(QTreeView):
    """A second view of the same lines that lies above the first column. Keys, clicks and the wheel are the tree's."""

    def __init__(self, tree: QTreeWidget) -> None:
        super().__init__(tree)
        self._tree = tree
        self.setObjectName(f"{tree.objectName()}.frozen")
        self.setAccessibleName(f"{tree.accessibleName()}: names")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setModel(tree.model())
        self.setSelectionModel(tree.selectionModel())
        self.setSelectionBehavior(tree.selectionBehavior())
        self.setIndentation(tree.indentation())
        self.setUniformRowHeights(True)
        self.setVerticalScrollMode(tree.verticalScrollMode())
        for side in (self.setHorizontalScrollBarPolicy, self.setVerticalScrollBarPolicy):
            side(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        tree.verticalScrollBar().valueChanged.connect(self.verticalScrollBar().setValue)
        tree.horizontalScrollBar().valueChanged.connect(self._place)
        tree.header().sectionResized.connect(self._place)
        tree.expanded.connect(self.expand)
        tree.collapsed.connect(self.collapse)
        tree.installEventFilter(self)
        tree.viewport().installEventFilter(self)
        self.hide()

    def follow(self) -> None:
        """The tree has other lines or columns."""
        for number in range(1, self._tree.columnCount()):
            self.setColumnHidden(number, True)
        for number in range(self._tree.topLevelItemCount()):
            self.setExpanded(self.model().index(number, 0), self._tree.topLevelItem(number).isExpanded())
            self.setFirstColumnSpanned(number, self.rootIndex(), True)
        self._place()

    def covers(self, x: int) -> bool:
        """Whether a place of the tree's viewport is under the names."""
        return not self.isHidden() and x < self._tree.columnWidth(0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Stay where the column is when the tree has another size."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show):
            self._place()
        return False

    def _place(self, *_: object) -> None:
        """Over the first column; not needed while that is in sight by itself."""
        tree, width = self._tree, self._tree.columnWidth(0)
        self.setColumnWidth(0, width)
        self.header().setFixedHeight(tree.header().height())
        lines = tree.viewport().geometry().adjusted(0, -tree.header().height(), 0, 0)
        lines.setWidth(width)
        self.setGeometry(lines.adjusted(-FRAME, -FRAME, FRAME, FRAME))
        self.setVisible(tree.horizontalScrollBar().value() > 0)
        self.verticalScrollBar().setValue(tree.verticalScrollBar().value())
        self.raise_()
