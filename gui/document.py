"""The document: one frozen plan, its history, its file, and what is typed but not valid yet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from planner.errors import InputError
from planner.plan import file
from planner.plan.plan import Plan
from planner.plan.section import PlanError


class Document(QObject):
    """Holds the plan. Every change goes through an undo command that keeps the old and the new frozen plan."""

    changed = Signal()
    """The plan, or the set of invalid inputs, is another one."""
    inputs_reset = Signal()
    """Typed text that never became part of the plan was discarded."""
    dirty_changed = Signal(bool)
    file_changed = Signal()

    def __init__(self, plan: Plan, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.plan = plan
        self.path: Path | None = None
        self.invalid: dict[str, str] = {}
        self.stack = QUndoStack(self)
        self.stack.cleanChanged.connect(self._tell_dirty)

    @property
    def is_dirty(self) -> bool:
        """There are edits that are not in the file."""
        return not self.stack.isClean()

    @property
    def title(self) -> str:
        """The plan's or its file's name."""
        return self.path.stem if self.path else self.plan.name

    def try_set(self, path: str, value: Any, visit: int = 0) -> str:
        """Set one field; the reason why not, else an empty string.

        visit: a number for one stay in the field: edits of one visit become one step of the history.
        """
        try:
            plan = file.with_settings(self.plan, [(path, value)])
        except PlanError as error:
            return next((message for where, message in error.problems if where == path), error.problems[0][1])
        except InputError as error:
            return str(error)
        was_invalid = self.invalid.pop(path, None) is not None
        if plan != self.plan:
            self.stack.push(EditCommand(self, plan, f"change of {path}", (path, visit)))
        elif was_invalid:
            self.changed.emit()
        return ""

    def mark_invalid(self, path: str, message: str) -> None:
        """A field holds text that is no value; the plan keeps its last good one."""
        if self.invalid.get(path) != message:
            self.invalid[path] = message
            self.changed.emit()

    def apply(self, changes: dict[str, Any], label: str) -> None:
        """Set several fields as one step. Raises `InputError` and changes nothing where they make no plan."""
        plan = file.with_settings(self.plan, list(changes.items()))
        for path in changes:
            self.invalid.pop(path, None)
        self.change(plan, label)

    def change(self, plan: Plan, label: str) -> None:
        """Make it another plan as one step of the history."""
        if plan != self.plan:
            self.stack.push(EditCommand(self, plan, label, None))
        self.inputs_reset.emit()

    def replace(self, plan: Plan, path: Path | None = None, *, dirty: bool = False) -> None:
        """Begin anew with another plan: no history, no invalid inputs."""
        self.plan, self.path, self.invalid = plan, path, {}
        self.stack.clear()
        if dirty:
            self.stack.resetClean()
        self.file_changed.emit()
        self.inputs_reset.emit()
        self.changed.emit()

    def undo(self) -> None:
        """Discard what is typed but invalid; where there is none, take the last edit back."""
        if not self._discard_invalid():
            self.stack.undo()
            self.inputs_reset.emit()

    def redo(self) -> None:
        """Do again what was undone."""
        self._discard_invalid()
        self.stack.redo()
        self.inputs_reset.emit()

    def save(self, path: Path) -> None:
        """Write the plan file. Raises `InputError`; the document then stays as it was, and dirty."""
        file.save(self.plan, path)
        self.path = path
        self.stack.setClean()
        self.file_changed.emit()

    def open(self, path: Path) -> None:
        """Read a plan file. Raises `InputError` and changes nothing where it is none."""
        self.replace(file.load(path), path)

    def _tell_dirty(self, is_clean: bool) -> None:
        self.dirty_changed.emit(not is_clean)

    def _discard_invalid(self) -> bool:
        if not self.invalid:
            return False
        self.invalid = {}
        self.inputs_reset.emit()
        self.changed.emit()
        return True

    def show_plan(self, plan: Plan) -> None:
        """Make `plan` the current one; called by the history only."""
        self.plan = plan
        self.changed.emit()


class EditCommand(QUndoCommand):
    """One step of the history. Commands with the same key (field and visit) merge into one."""

    MERGEABLE = 1

    def __init__(self, document: Document, plan: Plan, label: str, key: tuple[str, int] | None) -> None:
        super().__init__(label)
        self.document, self.old, self.new, self.key = document, document.plan, plan, key

    def id(self) -> int:
        """Qt merges only commands of one id, and never those of -1."""
        return -1 if self.key is None else self.MERGEABLE

    def mergeWith(self, other: QUndoCommand) -> bool:
        """Take over the result of a later edit of the same visit; a visit that ends where it began leaves no step."""
        if not isinstance(other, EditCommand) or other.key != self.key:
            return False
        self.new = other.new
        self.setObsolete(self.new == self.old)
        return True

    def redo(self) -> None:
        """Show the new plan."""
        self.document.show_plan(self.new)

    def undo(self) -> None:
        """Show the old plan."""
        self.document.show_plan(self.old)
