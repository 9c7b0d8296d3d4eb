"""Two full looks, light and dark: the colours by what they are for, the palette and the style sheet made from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from gui.style_sheet import style_sheet


@dataclass(frozen=True)
class Theme:
    """Colours by purpose. Text on its ground has a contrast of at least 4.5:1 in both looks."""

    name: str
    window: str
    surface: str
    raised: str
    border: str
    strong_border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_soft: str
    good: str
    good_soft: str
    warning: str
    warning_soft: str
    bad: str
    bad_soft: str


LIGHT = Theme(
    name="light", window="#f4f6f8", surface="#ffffff", raised="#eef1f5", border="#e1e6ec", strong_border="#b9c3cf",
    text="#17202b", muted="#566273", accent="#2557c7", on_accent="#ffffff", accent_soft="#e6eefc", good="#15703f",
    good_soft="#e3f4ea", warning="#8a5a00", warning_soft="#fdf2d8", bad="#b3261e", bad_soft="#fce9e7",
)  # fmt: skip
DARK = Theme(
    name="dark", window="#13161b", surface="#1b1e23", raised="#252a33", border="#2d343e", strong_border="#4a5462",
    text="#e7eaef", muted="#9fabba", accent="#8ab0ff", on_accent="#0f1726", accent_soft="#233253", good="#5fce93",
    good_soft="#17352a", warning="#e9bd5b", warning_soft="#3a2f16", bad="#ff8f86", bad_soft="#432322",
)  # fmt: skip


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
