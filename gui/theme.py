"""The theme switch: which look is on, and the palette and style sheet made from its colours."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from gui.colours import DARK, LIGHT, Theme
from gui.style_sheet import style_sheet


class ThemeSwitch(QObject):
    """Knows which look is on, and tells who paints by hand when it changes."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.now = LIGHT
        self.wish = "system"

    def apply(self, wish: str) -> None:
        """Switch the whole application to `light`, `dark`, or what the desktop says (`system`)."""
        self.wish = wish
        self.now = {"light": LIGHT, "dark": DARK}.get(wish) or _system_theme()
        app = QApplication.instance()
        app.setStyleSheet("")  # from one sheet straight to another takes Qt seven times as long
        app.setPalette(palette(self.now))
        app.setStyleSheet(style_sheet(self.now))
        self.changed.emit()

    def follow_system(self) -> None:
        """The desktop changed its look."""
        if self.wish == "system":
            self.apply("system")


@cache
def switch() -> ThemeSwitch:
    """The application's one theme switch."""
    return ThemeSwitch()


def theme() -> Theme:
    """The look that is on."""
    return switch().now


def _system_theme() -> Theme:
    return DARK if QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark else LIGHT


def palette(look: Theme) -> QPalette:
    """A full Fusion palette, so that nothing falls back to the desktop's own colours."""
    role = QPalette.ColorRole
    made = QPalette()
    for name, colour in {
        role.Window: look.window, role.WindowText: look.text, role.Base: look.surface, role.AlternateBase: look.raised,
        role.Text: look.text, role.Button: look.surface, role.ButtonText: look.text, role.BrightText: look.bad,
        role.ToolTipBase: look.raised, role.ToolTipText: look.text, role.PlaceholderText: look.muted,
        role.Highlight: look.accent, role.HighlightedText: look.on_accent, role.Accent: look.accent,
        role.Link: look.accent, role.LinkVisited: look.accent, role.Light: look.raised, role.Midlight: look.raised,
        role.Mid: look.strong_border, role.Dark: look.strong_border, role.Shadow: look.border,
    }.items():  # fmt: skip
        made.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, name, QColor(look.muted))
    made.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(look.strong_border))
    return made


def scaled(font: QFont, factor: float, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """A font of the type scale: a multiple of the base size."""
    made = QFont(font)
    made.setPointSizeF(font.pointSizeF() * factor)
    made.setWeight(weight)
    return made
