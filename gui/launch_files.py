"""Other programs' files in the File menu: launch files of the plan out, their training configs in."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QDir, QObject
from PySide6.QtWidgets import QFileDialog, QWidget

from gui.document import Document
from gui.plan_files import PlanFiles
from planner.errors import InputError
from planner.plan.check import check

FILTERS = {
    "torchtitan TOML (*.toml)": ("torchtitan", False, ".toml"),
    "Megatron-LM script (*.sh)": ("megatron", False, ".sh"),
    "DeepSpeed JSON (*.json)": ("deepspeed", False, ".json"),
    "nanotron YAML (*.yaml)": ("nanotron", False, ".yaml"),
    "Slurm batch script (*.sbatch)": ("slurm", False, ".sbatch"),
    "SkyPilot task (*.sky.yaml)": ("skypilot", False, ".sky.yaml"),
    "Slurm: profile and verify that cluster (*.sbatch)": ("slurm", True, ".sbatch"),
    "SkyPilot: profile and verify that cluster (*.sky.yaml)": ("skypilot", True, ".sky.yaml"),
}
"""What the dialog offers: (format, whether it measures, the name's ending)."""


class LaunchFiles(QObject):
    """Writes the document's plan for an engine or a scheduler; what it could not say becomes a note."""

    def __init__(self, document: Document, files: PlanFiles, window: QWidget) -> None:
        super().__init__(window)
        self._document, self._files, self._window = document, files, window

    def ask(self) -> None:
        """Export, with the file dialog; its list of types chooses the engine."""
        proposal = str(Path(QDir.homePath()) / self._document.title)
        name, chosen = QFileDialog.getSaveFileName(
            self._window, "Export launch files", proposal, ";;".join(FILTERS), next(iter(FILTERS))
        )
        if name:
            self.export(Path(name), chosen)

    def export(self, path: Path, chosen: str) -> bool:
        """Write the files; False where nothing was written, and the bar says why."""
        return self._files.attempt(lambda: self._write(path, *FILTERS.get(chosen, next(iter(FILTERS.values())))))

    def _write(self, path: Path, name: str, measure: bool, ending: str) -> None:
        from planner.interchange import formats  # only who exports waits for YAML and TOML

        wrong = [str(problem) for problem in check(self._document.plan) if problem.severity == "error"]
        if wrong:
            raise InputError(f"Nothing was exported: {wrong[0]}")
        written = formats.render(self._document.plan, name, measure=measure)
        paths = formats.save(written, path if path.suffix else path.with_name(path.name + ending))
        self._files.done.emit(f"Wrote {', '.join(one.name for one in paths)} into {path.parent}")
        if written.notes:
            self._files.noted.emit("; ".join(written.notes))
