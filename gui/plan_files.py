"""The document's files: open, save, take what is dropped, export; what goes wrong is said, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QDir, QObject, Qt, Signal
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from gui.document import Document
from gui.settings import Settings
from gui.state import Estimator
from planner import library
from planner.errors import InputError, TrainplanError
from planner.plan import file

DEFAULT_PLAN = "llama-2-7b"
PLAN_FILES = "Trainplan plan (*.json)"
OPENED_FILES = "Plan or training config (*.json *.toml *.yaml *.yml *.sh *.args *.txt)"
CONFIG_FILES = "Hugging Face config (*.json)"
REPORTS = {".csv": "Table, one row a figure (*.csv)", ".html": "Web page (*.html)", ".pdf": "Paper (*.pdf)"}


class PlanFiles(QObject):
    """What the File menu does to one window's document."""

    failed = Signal(str)
    done = Signal(str)
    noted = Signal(str)
    """Something to know that is no failure, such as what a config held that was ignored."""
    write_report = Signal(list, Path)
    """Arguments of the command line that write a report, and where to: it is drawn in a process of its own."""

    def __init__(self, document: Document, estimator: Estimator, settings: Settings, window: QWidget) -> None:
        super().__init__(window)
        self._document, self._estimator, self._settings, self._window = document, estimator, settings, window

    # In.

    def new(self, name: str = DEFAULT_PLAN) -> None:
        """Begin with a shipped plan."""
        if self.may_discard():
            self.attempt(lambda: self._document.replace(file.load(name)))

    def open(self, path: Path) -> None:
        """Open a plan file; where it is none, say so and keep the present plan."""
        if self.may_discard() and self.attempt(lambda: self._document.open(path)):
            self._settings.remember(path)

    def ask_open(self) -> None:
        """Open, with the file dialog."""
        name, _ = QFileDialog.getOpenFileName(self._window, "Open plan", str(self._folder()), OPENED_FILES)
        if name:
            self.take(Path(name))

    def ask_config(self) -> None:
        """Take the model of a Hugging Face config, with the file dialog."""
        name, _ = QFileDialog.getOpenFileName(self._window, "Load model config", str(self._folder()), CONFIG_FILES)
        if name:
            self.load_model(Path(name))

    def load_model(self, path: Path) -> None:
        """Take the model of a config, as one step of the history; what was ignored or derived anew is told."""

        def take() -> None:
            from planner.plan.derive import with_model  # only who takes a model from elsewhere waits for it

            plan, notes = with_model(self._document.plan, str(path))
            self._document.change(plan, f"model of {path.name}")
            self.done.emit(f"{plan.model.name} taken from {path.name}")
            if notes:
                self.noted.emit("; ".join(notes))

        self.attempt(take)

    def adopt(self, path: Path) -> None:
        """Take another program's training config, as one step of the history: its model, recipe and layout over the
        present plan's machines and prices; what was ignored or kept is told."""
        from planner.interchange import formats

        plan, notes = formats.read(path, None, self._document.plan)
        self._document.change(plan, f"plan of {path.name}")
        self.done.emit(f"{path.name} taken over the present machines and prices")
        self.noted.emit("; ".join(notes))

    def take(self, path: Path) -> None:
        """Open a plan, a model's config or a training config; anything else is refused by name."""

        def told_apart() -> None:
            from planner.interchange import formats

            if formats.is_training_config(path):
                return self.adopt(path)
            content = library.read_json(path)
            if content.get("format") == file.FORMAT:
                self.open(path)
            elif "model_type" in content or "architectures" in content:
                self.load_model(path)
            else:
                raise InputError(
                    f"{path}: neither a plan, a Hugging Face config.json nor a training config (torchtitan, "
                    "Megatron-LM, DeepSpeed, nanotron)"
                )
            return None

        self.attempt(told_apart)

    # Out.

    def save(self) -> bool:
        """Save where the plan is from; ask where it is new."""
        return self.save_to(self._document.path) if self._document.path else self.ask_save_as()

    def save_to(self, path: Path) -> bool:
        """Save; what cannot be written is said in a bar, and nothing is lost."""
        if not self.attempt(lambda: self._document.save(path)):
            return False
        self._settings.remember(path)
        self.done.emit(f"Saved to {path}")
        return True

    def ask_save_as(self) -> bool:
        """Save, with the file dialog."""
        proposal = str(self._folder() / f"{self._document.title}.json")
        name, _ = QFileDialog.getSaveFileName(self._window, "Save plan", proposal, PLAN_FILES)
        return bool(name) and self.save_to(_with_suffix(name, ".json"))

    def ask_export(self) -> None:
        """Export the report, with the file dialog; the name's ending chooses its form."""
        if self._estimator.state.blocking:
            self.failed.emit(f"Nothing was exported: {self._estimator.state.blocking}")
            return
        proposal = str(self._folder() / f"{self._document.title}-cost-report.csv")
        name, chosen = QFileDialog.getSaveFileName(self._window, "Export report", proposal, ";;".join(REPORTS.values()))
        if name:
            ending = next((ending for ending, words in REPORTS.items() if words == chosen), ".csv")
            self.export(_with_suffix(name, ending))

    def export(self, path: Path) -> bool:
        """Write the report: CSV at once, HTML and PDF by a job. False where nothing will be written."""
        state = self._estimator.update_now()
        if state.blocking or state.estimate is None:
            self.failed.emit(f"Nothing was exported: {state.blocking}")
            return False
        ending = path.suffix.lower()
        if ending in (".html", ".pdf"):
            return self.attempt(lambda: self._order_report(path, ending.lstrip(".")))
        from planner.reports import csv_report

        if not self.attempt(lambda: csv_report.write([state.estimate], path)):
            return False
        self.done.emit(f"Cost report written to {path}")
        return True

    def _order_report(self, path: Path, option: str) -> None:
        """The plan as it is now, kept aside for the process that draws the report."""
        folder = library.user_folder() / "reports"
        folder.mkdir(parents=True, exist_ok=True)
        plan = folder / "plan-of-last-report.json"
        file.save(self._document.plan, plan)
        self.write_report.emit(["estimate", str(plan), f"--{option}", str(path)], path)

    # What all of them share.

    def attempt(self, act: Callable[[], object]) -> bool:
        """Do it; a failure becomes a message, and False."""
        try:
            act()
        except TrainplanError as error:
            self.failed.emit(str(error))
            return False
        except OSError as error:
            self.failed.emit(f"{error.filename or 'file'}: {error.strerror or error}")
            return False
        return True

    def may_discard(self, also: str = "") -> bool:
        """Ask about unsaved edits; True where they are saved, given up or none. `also`: what else ends then."""
        if not self._document.is_dirty:
            return True
        ask = QMessageBox(
            QMessageBox.Icon.Question, "Trainplan", f"Save the changes to {self._document.title}?", parent=self._window
        )
        ask.setTextFormat(Qt.TextFormat.PlainText)  # the title is a file's name
        ask.setInformativeText(f"They are lost otherwise. {also}".strip())
        buttons = QMessageBox.StandardButton
        ask.setStandardButtons(buttons.Save | buttons.Discard | buttons.Cancel)
        answer = ask.exec()
        return self.save() if answer == buttons.Save else answer == buttons.Discard

    def _folder(self) -> Path:
        return self._document.path.parent if self._document.path else Path(QDir.homePath())


def _with_suffix(name: str, suffix: str) -> Path:
    path = Path(name)
    return path if path.suffix else path.with_suffix(suffix)
