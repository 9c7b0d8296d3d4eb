"""Forms made from a section of the plan: a row for each pydantic field, from its title, description, unit and type."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Protocol, Union, get_args, get_origin

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from gui.derived import Fact
from gui.fields import CheckField, ComboField, SearchField, TextField
from gui.quantity_text import beside, is_half_typed
from gui.state import State
from gui.style_sheet import mark
from gui.widgets import label, sentence
from planner.plan.plan import OPTIONAL, Plan
from planner.plan.post_training import Ranged
from planner.plan.section import Section, unit_of

QUIET_MS = 400
"""An invalid input is marked after this time without a key."""

EDITOR_WIDTH = 330
NARROWEST_EDITOR = 120
LABEL_WIDTH = 148


class Editor(Protocol):
    """Who takes the edits: the document."""

    plan: Plan

    def try_set(self, path: str, value: Any, visit: int = 0) -> str:
        """Set a field; the reason why not, else an empty string."""

    def mark_invalid(self, path: str, message: str) -> None:
        """Remember that a field holds no value."""


@dataclass(frozen=True)
class FieldSpec:
    """What a form needs to know of one field."""

    path: str
    title: str
    description: str
    unit: str
    advanced: bool
    kind: Literal["number", "words", "choice", "check", "name"]
    choices: tuple[Any, ...] = ()
    is_optional: bool = False


Names = dict[str, Callable[[], list[str]]]
"""For fields that hold the name of something shipped: where the names come from, by field name."""


def specs(section: type[Section], prefix: str, names: Names | None = None) -> list[FieldSpec]:
    """The fields of a section that a form can show; sections inside it only where `names` offers their names."""
    found = []
    for name, info in section.model_fields.items():
        annotation, optional = _plain_type(info.annotation)
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        kind, choices = _kind(annotation), get_args(annotation) if get_origin(annotation) is Literal else ()
        if names and name in names:
            kind, choices = "name", tuple(names[name]())
        if kind:
            found.append(
                FieldSpec(
                    f"{prefix}.{name}", info.title or name, info.description or "", unit_of(section, name),
                    bool(extra.get("advanced")), kind, choices, optional,
                )
            )  # fmt: skip
    return found


def _plain_type(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return members[0], len(members) < len(get_args(annotation))
    return annotation, False


def _kind(annotation: Any) -> Any:
    if get_origin(annotation) is Literal:
        return "choice"
    return {bool: "check", int: "number", float: "number", str: "words", Ranged: "number"}.get(annotation, "")


class Row:
    """One field on the screen: label, editor, and the message below."""

    def __init__(self, spec: FieldSpec, editor: Editor, told: Callable[[FieldSpec], None]) -> None:
        self.spec, self._editor = spec, editor
        self._visit, self._told = 0, told
        self.input = self._make_input()
        self.input.setObjectName(spec.path)
        self.input.setAccessibleName(spec.title)
        self.input.setAccessibleDescription(spec.description)
        self.input.setToolTip(f"<b>{spec.title}</b><br>{spec.description}<br><span>{spec.path}</span>")
        self.label = QLabel(spec.title)
        self.label.setBuddy(self.input)
        self.label.setWordWrap(True)
        self.label.setToolTip(self.input.toolTip())
        self.message = label(wrap=True)
        self.message.setObjectName(f"{spec.path}.message")
        self.message.hide()
        self._value: Any = None
        self._at_entry: Any = None
        self._is_invalid = False
        self._quiet = QTimer(self.input, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._after_quiet)

    def show(self, state: State, value: Any, blank: Fact) -> None:
        """Show the plan's value, unless the person is typing this very value in another form."""
        changed, self._value = value != self._value, value
        if isinstance(self.input, TextField):
            self.input.setPlaceholderText(blank[0])
            if (
                changed
                and not (self.input.hasFocus() and self.input.isModified())
                and self.spec.path not in state.invalid
            ):
                self.input.show_value(value)
        elif changed:
            self.input.show_value(value)
        if self.spec.kind == "number":
            self.input.show_suffix(blank[1] if value is None and blank[1] else beside(value, self.spec.unit))
        self._is_invalid = self.spec.path in state.invalid
        self._show_problem(state)

    def reset(self, value: Any) -> None:
        """Forget what is typed."""
        self._quiet.stop()
        self._value = value
        self.input.show_value(value)

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        """All parts of the row."""
        return self.label, self.input, self.message

    def _make_input(self) -> Any:
        spec = self.spec
        if spec.kind == "check":
            made: Any = CheckField()
            made.chosen.connect(self._set)
        elif spec.kind == "choice":
            blank = [("automatic", None)] if spec.is_optional else []
            made = ComboField([*blank, *((str(choice), choice) for choice in spec.choices)])
            made.chosen.connect(self._set)
        elif spec.kind == "name":
            made = SearchField(list(spec.choices))
            made.chosen.connect(self._set)
            made.typed_unknown.connect(self._set)
        else:
            made = TextField(spec.unit, is_number=spec.kind == "number")
            made.typed.connect(self._typing)
            made.left.connect(self._leave)
            made.entered.connect(self._enter)
        made.setMinimumWidth(NARROWEST_EDITOR)
        made.setMaximumWidth(EDITOR_WIDTH)
        made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        return made

    def _enter(self) -> None:
        self._visit += 1
        self._at_entry = self._value_now()
        self._told(self.spec)

    def _set(self, value: Any) -> None:
        message = self._editor.try_set(self.spec.path, value, 0)
        if message:
            self._editor.mark_invalid(self.spec.path, message)

    def _typing(self, text: str) -> None:
        message = (
            ""
            if self._is_unchanged(text)
            else self._editor.try_set(self.spec.path, self._typed_value(text), self._visit)
        )
        if message:
            self._quiet.start()
        else:
            self._quiet.stop()

    def _after_quiet(self) -> None:
        text = self.input.text()
        if self.spec.kind == "number" and is_half_typed(text) and self.input.hasFocus():
            return
        self._take(text)

    def _leave(self, text: str) -> None:
        self._quiet.stop()
        if self.input.isModified() or self._is_invalid:
            self.input.setModified(False)
            if self._take(text):
                self.input.show_value(self._value_now())
        self._visit += 1

    def _take(self, text: str) -> bool:
        message = self._editor.try_set(self.spec.path, self._typed_value(text), self._visit)
        if message:
            # `6x4` was the valid `6` on its way: the plan goes back to what it was before the visit.
            self._editor.try_set(self.spec.path, self._at_entry, self._visit)
            self._editor.mark_invalid(self.spec.path, message)
        return not message

    def _typed_value(self, text: str) -> Any:
        return None if self.spec.is_optional and not text.strip() else text

    def _is_unchanged(self, text: str) -> bool:
        return self.spec.kind == "number" and is_half_typed(text) and not (self.spec.is_optional and not text.strip())

    def _value_now(self) -> Any:
        return value_at(self._editor.plan, self.spec.path)

    def _show_problem(self, state: State) -> None:
        mine = [problem for problem in state.problems if problem.path == self.spec.path]
        severity = mine[0].severity if mine else ""
        mark(self.input, "invalid", "true" if self._is_invalid else "false")
        mark(self.input, "problem", severity)
        text = f"{'✕' if severity == 'error' else '!'} {sentence(mine[0].message)}" if mine else ""
        if text != self.message.text():
            self.message.setText(text)
        if mine:
            mark(self.message, "role", severity)
        self.message.setVisible(bool(mine))
        self.input.setAccessibleDescription(f"{text}. {self.spec.description}" if mine else self.spec.description)


def value_at(plan: Any, path: str) -> Any:
    """The value of a field by its path: of a named thing (accelerator, fabric) its name, of a figure with a range the
    figure; of a section that the plan lacks its default."""
    value = plan
    for depth, part in enumerate(path.split(".")):
        value = value[int(part)] if isinstance(value, tuple) else getattr(value, part)
        if value is None and depth == 0 and part in OPTIONAL:
            value = OPTIONAL[part]()
    if isinstance(value, Ranged):
        return value.value
    return value.name if isinstance(value, Section) else value


class Form(QFrame):
    """A card with the rows of a section; the advanced ones folded away."""

    focused = Signal(object)
    """The field that the person is in."""

    def __init__(self, title: str, fields: Iterable[FieldSpec], editor: Editor) -> None:
        super().__init__()
        self.setProperty("card", "true")
        self.rows = {spec.path: Row(spec, editor, self.focused.emit) for spec in fields}
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnMinimumWidth(0, LABEL_WIDTH)
        self._grid.setColumnStretch(1, 100)
        self._grid.setColumnStretch(2, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(18, 14, 18, 14)
        outer.setSpacing(8)
        heading = QLabel(title)
        heading.setProperty("heading", "true")
        font = heading.font()
        font.setBold(True)
        heading.setFont(font)
        outer.addWidget(heading)
        outer.addLayout(self._grid)
        self._add_rows([row for row in self.rows.values() if not row.spec.advanced])
        self._advanced = [row for row in self.rows.values() if row.spec.advanced]
        self._fold = QPushButton()
        self._fold.setProperty("flat", "true")
        self._fold.setObjectName(f"{title.lower().replace(' ', '_')}.advanced")
        self._fold.setAccessibleName(f"Advanced fields of {title}")
        self._fold.setCheckable(True)
        self._fold.toggled.connect(self._show_advanced)
        if self._advanced:
            self._grid.addWidget(self._fold, self._grid.rowCount(), 0, 1, 3, Qt.AlignmentFlag.AlignLeft)
            self._add_rows(self._advanced)
        self._show_advanced(False)

    def show_state(self, state: State, blanks: dict[str, Fact]) -> None:
        """Show the plan's values and the problems of this form's fields."""
        for path, row in self.rows.items():
            row.show(state, value_at(state.plan, path), blanks.get(path, ("", "")))
        self._show_messages_of_folded()

    def reset(self, plan: Any) -> None:
        """Forget what is typed in any row."""
        for path, row in self.rows.items():
            row.reset(value_at(plan, path))

    def focus(self, path: str) -> bool:
        """Put the cursor into a field of this form; False where it has none of that path."""
        row = self.rows.get(path) or next((row for own, row in self.rows.items() if path.startswith(f"{own}.")), None)
        if row is None:
            return False
        if row.spec.advanced:
            self._fold.setChecked(True)
        row.input.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if isinstance(row.input, TextField):
            row.input.selectAll()
        _scroll_to(row.input)
        return True

    def _add_rows(self, rows: list[Row]) -> None:
        for row in rows:
            line = self._grid.rowCount()
            self._grid.addWidget(row.label, line, 0)
            self._grid.addWidget(row.input, line, 1)
            self._grid.addWidget(row.message, line + 1, 1, 1, 2)

    def _show_advanced(self, shown: bool) -> None:
        for row in self._advanced:
            for widget in (row.label, row.input):
                widget.setVisible(shown)
        self._fold.setText(f"{'▾' if shown else '▸'}  Advanced ({len(self._advanced)})")
        self._show_messages_of_folded()

    def _show_messages_of_folded(self) -> None:
        for row in self._advanced:
            row.message.setVisible(bool(row.message.text()) and self._fold.isChecked())


def _scroll_to(widget: QWidget) -> None:
    """Bring a field, and the message below it, into view."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QScrollArea):
        parent = parent.parentWidget()
    if parent is not None:
        parent.ensureWidgetVisible(widget, 0, 90)
