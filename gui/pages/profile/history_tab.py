"""Every profile of this computer: what it is of, how sure it is, and what can be done with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui import profile_rows
from gui.row_table import RowTable
from gui.style_sheet import mark
from gui.widgets import button, column, label, row

if TYPE_CHECKING:
    from planner.timing.profile_history import Entry

NO_PROFILE = "No profile yet. Run one under Plan, or put the file of another machine's profile into {folder}."


class HistoryTab(QWidget):
    """Emits what to do with the chosen profile; asks before a file is deleted."""

    use = Signal(str)
    compare = Signal(str)
    failed = Signal(str)
    deleted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("History of profiles")
        self._entries: list[Entry] = []
        self._used = ""
        self.table = RowTable("profile.history", "Profiles", profile_rows.HISTORY, bold=lambda one: one["is_used"])
        self.table.chosen.connect(lambda _: self._show_chosen())
        self.table.opened.connect(lambda _: self._use())
        self.take = button("&Use for estimates", "profile.history_use")
        self.take.clicked.connect(self._use)
        self.compare_it = button("Compare", "profile.compare")
        self.compare_it.setToolTip("What changed since the profile before it on the same device")
        self.compare_it.clicked.connect(lambda: self.compare.emit(self.entry.name))
        self.reveal = button("Show &file", "profile.reveal")
        self.reveal.setToolTip("Open the folder that holds the profile")
        self.reveal.clicked.connect(self._reveal)
        self.delete = button("Delete…", "profile.delete")
        self.delete.clicked.connect(lambda: self._ask_delete(True))
        self.sure = button("Delete the file", "profile.delete_sure")
        self.sure.clicked.connect(self._delete)
        self.keep = button("Keep it", "profile.delete_no")
        self.keep.clicked.connect(lambda: self._ask_delete(False))
        self.about = label(wrap=True, size=0.92)
        self.about.setObjectName("profile.history_about")
        actions = row(self.sure, self.keep, self.delete, self.reveal, None, self.compare_it, self.take, spacing=8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        content = column(self.table, self.about, actions, spacing=8)
        content.layout().setStretch(0, 1)
        layout.addWidget(content)
        self._show_chosen()

    def show_entries(self, entries: list[Entry], used: str, folder: Path) -> None:
        """All profiles, the one that the plan names in bold."""
        chosen = self.entry
        if entries != self._entries or used != self._used or not entries:
            self._entries, self._used = entries, used
            self.table.show_rows(profile_rows.history(entries, used), NO_PROFILE.format(folder=folder))
            names = [one.path for one in entries]
            if entries:
                self.table.choose(names.index(chosen.path) if chosen and chosen.path in names else 0)
            self._show_chosen()

    @property
    def entry(self) -> Entry | None:
        """The chosen one."""
        number = self.table.current()
        return self._entries[number] if 0 <= number < len(self._entries) else None

    def _show_chosen(self) -> None:
        entry = self.entry
        self._ask_delete(False)
        readable = entry is not None and entry.profile is not None
        self.take.setEnabled(readable and entry.name != self._used)
        self.compare_it.setEnabled(readable and sum(one.profile is not None for one in self._entries) > 1)
        self.reveal.setEnabled(entry is not None)
        self.delete.setEnabled(entry is not None and not entry.is_shipped)
        self.delete.setToolTip("A shipped profile stays" if entry and entry.is_shipped else "Delete the profile's file")

    def _use(self) -> None:
        if self.entry is not None and self.take.isEnabled():
            self.use.emit(self.entry.name)

    def _reveal(self) -> None:
        if self.entry is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.entry.path.parent)))

    def _ask_delete(self, asking: bool) -> None:
        """The question stands where the buttons were: nothing opens, and no stray Enter loses a file."""
        entry = self.entry
        for widget in (self.sure, self.keep):
            widget.setVisible(asking)
        for widget in (self.delete, self.reveal, self.compare_it, self.take):
            widget.setVisible(not asking)
        if asking and entry is not None:
            used = " The plan's estimates name it." if entry.name == self._used else ""
            mark(self.about, "role", "warning")
            self.about.setText(f"Delete {entry.path.name}? It cannot be brought back.{used}")
            self.keep.setFocus()
            return
        mark(self.about, "role", "error" if entry is not None and entry.profile is None else "muted")
        self.about.setText(profile_rows.about(entry) if entry else "")

    def _delete(self) -> None:
        entry = self.entry
        self._ask_delete(False)
        if entry is None or entry.is_shipped:
            return
        try:
            entry.path.unlink(missing_ok=True)
        except OSError as error:
            self.failed.emit(f"{entry.path}: cannot be deleted ({error.strerror or error})")
        else:
            self.deleted.emit(entry.name)
