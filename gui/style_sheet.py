"""The style sheet: spacing, corners and states. Colours come from the theme, sizes from the font."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import Any

from gui.colours import Theme

ICONS = Path(__file__).parent / "icons"


def style_sheet(look: Theme) -> str:
    """The whole application's style sheet in one look."""
    colours = {name: value for name, value in vars(look).items() if name != "name"}
    return _TEMPLATE.substitute(colours, icons=ICONS.as_posix(), look=look.name)


def mark(editor: Any, name: str, value: str) -> None:
    """Set a property that the style sheet looks at, and repaint only where it changed."""
    if editor.property(name) != value:
        editor.setProperty(name, value)
        editor.style().unpolish(editor)
        editor.style().polish(editor)


_TEMPLATE = Template("""
QWidget { color: $text; }
QMainWindow, QDialog, QScrollArea, QScrollArea > QWidget > QWidget, #page { background: $window; }
QScrollArea { border: none; }
QToolTip { background: $raised; color: $text; border: 1px solid $strong_border; padding: 5px 7px; }

QMenuBar { background: $surface; border-bottom: 1px solid $border; padding: 2px 6px; }
QMenuBar::item { padding: 5px 10px; border-radius: 5px; background: transparent; }
QMenuBar::item:selected { background: $raised; }
QMenu { background: $surface; border: 1px solid $strong_border; padding: 5px; }
QMenu::item { padding: 6px 28px 6px 14px; border-radius: 4px; }
QMenu::item:selected { background: $accent_soft; color: $text; }
QMenu::item:disabled { color: $muted; }
QMenu::separator { height: 1px; background: $border; margin: 5px 8px; }

#sidebar { background: $surface; border: none; border-right: 1px solid $border; outline: none; padding: 10px 8px; }

QFrame#card, QFrame[card="true"] { background: $surface; border: 1px solid $border; border-radius: 9px; }
QFrame[metric="true"] { background: $surface; border: 1px solid $border; border-radius: 9px; }
QFrame[metric="true"]:hover { border-color: $strong_border; }
QFrame[metric="true"]:focus { border: 1px solid $accent; background: $accent_soft; }

QLabel { background: transparent; }
QLabel[role="muted"], QLabel[role="hint"] { color: $muted; }
QLabel[role="error"] { color: $bad; }
QLabel[role="warning"] { color: $warning; }
QLabel[role="good"] { color: $good; }
QLabel[figure="true"]:hover { color: $accent; }
QLabel[figure="true"]:focus { color: $accent; background: $accent_soft; border-radius: 4px; }
QLabel[chip="measured"] {
    background: $good_soft; color: $good; border: 1px solid $good; border-radius: 8px; padding: 1px 7px; }
QLabel[chip="calibrated"] {
    background: $good_soft; color: $good; border: 1px dashed $good; border-radius: 8px; padding: 1px 7px; }
QLabel[chip="published"] {
    background: transparent; color: $accent; border: 1px solid $accent; border-radius: 8px; padding: 1px 7px; }
QLabel[chip="estimated"] {
    background: $raised; color: $muted; border: 1px solid $raised; border-radius: 8px; padding: 1px 7px; }
QLabel[chip="assumed"] {
    background: transparent; color: $muted; border: 1px dashed $strong_border; border-radius: 8px; padding: 1px 7px; }

QLineEdit, QComboBox, QPlainTextEdit, QTextEdit {
    background: $surface; border: 1px solid $strong_border; border-radius: 6px; padding: 4px 8px;
    selection-background-color: $accent; selection-color: $on_accent; placeholder-text-color: $muted;
    min-height: 1.35em; }
QLineEdit:hover, QComboBox:hover { border-color: $muted; }
QLineEdit:focus, QComboBox:focus, QPlainTextEdit:focus, QTextEdit:focus {
    border: 1px solid $accent; background: $accent_soft; }
QLineEdit[invalid="true"], QComboBox[invalid="true"] { border: 1px solid $bad; background: $bad_soft; }
QLineEdit[problem="warning"], QComboBox[problem="warning"] { border: 1px solid $warning; }
QLineEdit[problem="error"], QComboBox[problem="error"] { border: 1px solid $bad; }
QLineEdit:disabled, QComboBox:disabled { color: $muted; background: $raised; border-color: $border; }
QComboBox { padding-right: 24px; }
QComboBox QLineEdit { border: none; background: transparent; padding: 0; min-height: 0; }
QComboBox::drop-down { subcontrol-origin: padding; subcontrol-position: center right; width: 22px; border: none; }
QComboBox::down-arrow { image: url($icons/chevron-down-$look.svg); width: 12px; height: 12px; }
QComboBox QAbstractItemView { background: $surface; border: 1px solid $strong_border; padding: 4px; outline: none;
    selection-background-color: $accent_soft; selection-color: $text; }
QComboBox QAbstractItemView::item { min-height: 1.7em; padding: 2px 6px; }

QCheckBox { spacing: 8px; background: transparent; padding: 4px 2px; }
QCheckBox::indicator {
    width: 16px; height: 16px; border: 1px solid $strong_border; border-radius: 4px; background: $surface; }
QCheckBox::indicator:hover { border-color: $accent; }
QCheckBox::indicator:focus { border: 1px solid $accent; background: $accent_soft; }
QCheckBox::indicator:checked { background: $accent; border-color: $accent; image: url($icons/check-$look.svg); }
QCheckBox:focus { color: $accent; }

QPushButton {
    background: $surface; border: 1px solid $strong_border; border-radius: 6px; padding: 5px 14px; min-height: 1.35em; }
QPushButton:hover { background: $raised; }
QPushButton:pressed { background: $border; }
QPushButton:focus { border: 1px solid $accent; }
QPushButton:disabled { color: $muted; border-color: $border; background: $raised; }
QPushButton[primary="true"] { background: $accent; color: $on_accent; border-color: $accent; font-weight: 600; }
QPushButton[primary="true"]:hover { border-color: $text; }
QPushButton[primary="true"]:focus { border: 1px solid $text; }
QPushButton[primary="true"]:disabled { background: $raised; color: $muted; border-color: $border; }
QPushButton[flat="true"] {
    background: transparent; border: 1px solid transparent; color: $accent; padding: 4px 8px; text-align: left; }
QPushButton[flat="true"]:hover { background: $accent_soft; }
QPushButton[flat="true"]:focus { border: 1px solid $accent; }

QTabWidget::pane { border: none; }
QTabBar { background: transparent; }
QTabBar::tab {
    background: transparent; color: $muted; padding: 7px 16px; border: none; border-bottom: 2px solid transparent; }
QTabBar::tab:selected { color: $text; border-bottom: 2px solid $accent; font-weight: 600; }
QTabBar::tab:hover { color: $text; }
QTabBar::tab:focus { color: $accent; }

QTreeView, QTableView, QListWidget {
    background: $surface; alternate-background-color: $window; border: 1px solid $border; border-radius: 6px;
    gridline-color: $border; outline: none; selection-background-color: $accent_soft; selection-color: $text; }
QTreeView::item, QTableView::item, QListWidget::item { padding: 5px 6px; border: none; }
QTreeView::item:selected, QTableView::item:selected, QListWidget::item:selected {
    background: $accent_soft; color: $text; }
QTreeView:focus, QTableView:focus { border: 1px solid $accent; }
QTreeView::branch { background: transparent; }
QTreeView::branch:has-children:closed { image: url($icons/chevron-right-$look.svg); }
QTreeView::branch:has-children:open { image: url($icons/chevron-down-$look.svg); }
QHeaderView { background: $surface; border: none; }
QHeaderView::section {
    background: $surface; color: $muted; border: none; border-bottom: 1px solid $border;
    padding: 6px 6px; font-weight: 600; }
QTableCornerButton::section { background: $surface; border: none; }

QProgressBar { background: $raised; border: none; border-radius: 4px; max-height: 8px; min-height: 8px; }
QProgressBar::chunk { background: $accent; border-radius: 4px; }

QSlider { min-height: 22px; background: transparent; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: $strong_border; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: $accent; }
QSlider::handle:horizontal {
    width: 14px; height: 14px; margin: -6px 0; border-radius: 8px; border: 1px solid $accent; background: $surface; }
QSlider::handle:horizontal:hover { background: $accent_soft; }
QSlider::handle:horizontal:focus { background: $accent; }
QSlider::groove:horizontal:disabled, QSlider::sub-page:horizontal:disabled { background: $border; }

QSplitter::handle { background: transparent; }
QScrollBar:vertical { background: transparent; width: 12px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 2px; }
QScrollBar::handle { background: $strong_border; border-radius: 4px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: $muted; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

#verdict { background: $surface; border: none; border-bottom: 1px solid $border; }
#verdict[tone="good"] { border-left: 4px solid $good; }
#verdict[tone="bad"] { border-left: 4px solid $bad; }
#verdict[tone="stale"] { border-left: 4px solid $strong_border; }
#problems { background: $warning_soft; border: none; border-bottom: 1px solid $border; }
#problems[tone="bad"] { background: $bad_soft; }
QFrame[notice="error"] { background: $bad_soft; border-bottom: 1px solid $bad; }
QFrame[notice="information"] { background: $accent_soft; border-bottom: 1px solid $border; }
#strip { background: $surface; border: none; border-top: 1px solid $border; }
#explain { background: $surface; border: none; border-left: 1px solid $border; }
""")
