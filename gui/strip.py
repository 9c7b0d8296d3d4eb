"""The strip below the pages: help for the field one is in, and the running job with phase, bar, ETA and Cancel."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar

from gui.widgets import button, elided, label, plain
from planner import units


class TaskStrip(QFrame):
    """One line, always there, so that nothing jumps when a job begins."""

    cancel = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("strip")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(18, 4, 12, 4)
        layout.setSpacing(12)
        self.setMinimumHeight(40)
        self.text = elided(role="muted", size=0.92)
        self.text.setObjectName("strip.text")
        self.bar = QProgressBar()
        self.bar.setObjectName("strip.bar")
        self.bar.setAccessibleName("Progress")
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(180)
        self.left = label(role="muted", size=0.92)
        self.stop = button("Cancel", "strip.cancel")
        self.stop.setToolTip("Stop the running job (Esc)")
        self.stop.clicked.connect(self.cancel)
        self.basis = label(role="muted", size=0.92)
        self.basis.setObjectName("strip.basis")
        layout.addWidget(self.text, 1)
        layout.addWidget(self.basis)
        for widget in (self.bar, self.left, self.stop):
            layout.addWidget(widget)
        self._message = QTimer(self, singleShot=True, interval=8000)
        self._message.timeout.connect(lambda: self.text.setText(""))
        self._is_running = False
        self.show_idle()

    def help(self, text: str) -> None:
        """Say what the field is that one is in."""
        if not self._is_running:
            self._message.stop()
            self.text.setText(text)

    def show_basis(self, source: str, basis: str) -> None:
        """Say where the kernels' times come from."""
        self.basis.setText(f"Kernel times: {source}")
        self.basis.setToolTip(plain(basis))

    def say(self, text: str) -> None:
        """Report something that was done; it goes away by itself."""
        self.text.setText(text)
        self._message.start()

    def show_job(self, phase: str, share: float | None, left_s: float | None) -> None:
        """Show the running job: `share` done from 0 to 1, or None while that is not known."""
        self._is_running = True
        self._message.stop()
        self.text.setText(phase)
        self.bar.setRange(0, 0 if share is None else 1000)
        self.bar.setValue(round(1000 * (share or 0)))
        self.left.setText(f"{units.show_duration(left_s)} left" if left_s is not None else "")
        self.basis.hide()
        for widget in (self.bar, self.left, self.stop):
            widget.show()
        self.stop.setEnabled(True)

    def show_stopping(self) -> None:
        """The person asked to stop; the process is ending."""
        self.text.setText("Stopping…")
        self.stop.setEnabled(False)

    def show_idle(self) -> None:
        """No job."""
        self._is_running = False
        self.basis.show()
        for widget in (self.bar, self.left, self.stop):
            widget.hide()
