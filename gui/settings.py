"""What the app remembers between starts, as an INI file in the user's folder."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings

from planner.library import user_folder

RECENT_FILES = 10


class Settings:
    """Window geometry, page, look and recent files. Each read is safe against a broken file."""

    def __init__(self) -> None:
        folder = user_folder()
        self._store = QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat)

    @property
    def theme(self) -> str:
        """`light`, `dark` or `system`."""
        wish = str(self._store.value("theme", "system"))
        return wish if wish in ("light", "dark") else "system"

    @theme.setter
    def theme(self, wish: str) -> None:
        self._store.setValue("theme", wish)

    @property
    def page(self) -> str:
        """Key of the page that was open last."""
        return str(self._store.value("page", "results"))

    @page.setter
    def page(self, key: str) -> None:
        self._store.setValue("page", key)

    @property
    def geometry(self) -> QByteArray:
        """The window's place and size, empty on the first start."""
        value = self._store.value("geometry")
        return value if isinstance(value, QByteArray) else QByteArray()

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.setValue("geometry", value)

    @property
    def recent(self) -> list[Path]:
        """Plan files opened or saved lately, newest first, as far as they still exist."""
        value = self._store.value("recent", [])
        names = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return [path for path in map(Path, map(str, names)) if _is_file(path)]

    def remember(self, path: Path) -> None:
        """Put a file on top of the recent ones."""
        path = path.resolve()
        others = [str(known) for known in self.recent if known != path]
        self._store.setValue("recent", [str(path), *others][:RECENT_FILES])

    def flush(self) -> None:
        """Write now."""
        self._store.sync()


def _is_file(path: Path) -> bool:
    """Whether a remembered name still is one; a broken settings file may hold what no file can be called."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
