"""The window: list of pages, verdict, problems, pages, explanation, task strip; and what the menus do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QAction, QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QLineEdit, QMessageBox

from gui import heap, menus, start
from gui.shell import Shell
from gui.slices import Slices
from gui.theme import switch
from planner import library

if TYPE_CHECKING:
    from gui.chart_view import ChartView
    from gui.document import Document
    from gui.job_queue import Order
    from gui.jobs import Job, Outcome
    from gui.pages.page import Page
    from gui.palette import Entry
    from gui.recovery import Leftover
    from gui.state import State
    from planner.estimate import Figure
    from planner.plan.check import Problem
    from planner.plan.plan import Plan

DRAWN_MS = 20
"""How often it is looked whether the charts on screen are drawn, before other pages are built."""


class Window(Shell):
    """One document with its pages. The frame is there at once; what `gui.start` says follows its first picture."""

    another = Signal()
    """A second window is asked for."""
    document: Document | None = None
    """None until `begin`."""

    def __init__(self, plan: Plan | None = None, path: Path | None = None) -> None:
        super().__init__()
        self.pages: dict[str, Page] = {}
        self._page_key = ""
        self._rest_of_start = start.after_first_paint(self, plan, path)
        self._slices = Slices(self)
        self.painted.connect(self._go_on)
        self.destroyed.connect(heap.give_back_soon)

    def _go_on(self) -> None:
        self._slices.run(self._rest_of_start, lambda _: None, self.notice.say)

    def after_first_paint(self) -> None:
        """The rest of the start in one go, where nobody looks on."""
        for _ in self._rest_of_start:
            pass

    def begin(self, plan: Plan) -> None:
        """Give the frame its document, and show the page that is marked in the list."""
        from gui.document import Document
        from gui.explain import ExplainPanel
        from gui.job_queue import JobQueue
        from gui.launch_files import LaunchFiles
        from gui.palette import Palette
        from gui.plan_files import PlanFiles
        from gui.profile_reader import reader
        from gui.recovery import Autosave
        from gui.state import Estimator

        self.document = Document(plan, self)
        self.estimator = Estimator(self.document)
        self.autosave = Autosave(self.document)
        self.jobs = JobQueue(self)
        self.reader = reader()
        self.files = PlanFiles(self.document, self.estimator, self.settings, self)
        self.launch_files = LaunchFiles(self.document, self.files, self)
        self.explain_panel = ExplainPanel()
        self._split.addWidget(self.explain_panel)
        self.palette_of_commands = Palette(self)
        self.actions_by_name = self._build_menus()
        self.setAcceptDrops(True)
        self._connect()
        self._update_title()
        self.show_page(self.sidebar.selected)

    @property
    def state(self) -> State:
        """What is shown now."""
        return self.estimator.state

    @property
    def job(self) -> Job | None:
        """The running job."""
        return self.jobs.running.job if self.jobs.running else None

    @property
    def charts(self) -> list[ChartView]:
        """Those of the page that is open."""
        return self.page(self._page_key).chart_views

    # What is on screen.

    def _connect(self) -> None:
        self.sidebar.picked.connect(self.show_page)
        self.estimator.state_changed.connect(self._show_state)
        self.document.inputs_reset.connect(lambda: [page.reset(self.document.plan) for page in self.pages.values()])
        self.document.dirty_changed.connect(self._update_title)
        self.document.file_changed.connect(self._update_title)
        for signal in (self.document.changed, self.document.stack.canUndoChanged, self.document.stack.canRedoChanged):
            signal.connect(self._update_history)
        self.verdict.explain.connect(self.explain)
        self.problems.go_to.connect(self.focus_field)
        self.problems.apply.connect(self.apply_suggestion)
        self.files.failed.connect(self.notice.say)
        self.autosave.failed.connect(self.notice.say)
        self.files.noted.connect(lambda text: self.notice.say(text, "information"))
        self.files.done.connect(self.strip.say)
        self.files.write_report.connect(self._start_report)
        self.strip.cancel.connect(self.cancel_job)
        self.jobs.changed.connect(self._show_job)
        self.jobs.ended.connect(self._end_job)
        self.reader.changed.connect(self._show_job)
        self.reader.read.connect(self._end_reading)
        switch().changed.connect(self._repaint)
        QApplication.styleHints().colorSchemeChanged.connect(switch().follow_system)
        self._update_history()

    def build_next_page(self, *, is_drawn: bool = False) -> None:
        """The pages that nobody has asked for yet, one a pass; what is on screen is drawn and painted before them."""
        missing = [page for page in self.page_classes if page.key not in self.pages]
        is_due = any(chart.is_due for chart in self.charts)
        if missing and (is_due or not is_drawn):
            QTimer.singleShot(DRAWN_MS, self, lambda: self.build_next_page(is_drawn=not is_due))
        elif missing:
            self.page(missing[0].key)
            QTimer.singleShot(0, self, lambda: self.build_next_page(is_drawn=True))
        else:
            heap.give_back_soon()

    def page(self, key: str) -> Page:
        """A page, built when it is first needed."""
        if key not in self.pages:
            made = next(entry for entry in self.page_classes if entry.key == key).page(self.document)
            made.explain.connect(self.explain)
            made.help.connect(self.strip.help)
            made.failed.connect(self.notice.say)
            made.done.connect(self.strip.say)
            for edit in made.findChildren(QLineEdit):
                edit.setAcceptDrops(False)  # a file dropped on a field is meant for the window
            if hasattr(made, "run"):
                made.run.connect(lambda arguments: self.start_job(arguments, key))
                made.cancel.connect(lambda: self.cancel_job(key))
            if key == "training":
                made.suggest.connect(self.suggest_layout)
            if key == "model":
                made.load_config.connect(self.files.ask_config)
            if key == "results":
                made.export.connect(self.files.ask_export)
            made.explain_figure.connect(self.explain_figure)
            self.pages[key] = made
            self.stack.addWidget(made)
            self._show_sign(key)
        return self.pages[key]

    def show_page(self, key: str) -> None:
        """Turn to a page; it shows the newest state."""
        if key == self._page_key:
            return
        self._page_key = key
        page = self.page(key)
        page.show_state(self.state)
        self.stack.setCurrentWidget(page)
        self._mark_page(key)
        self.strip.help("")

    def _show_state(self, state: State) -> None:
        self.verdict.show_state(state)
        self.problems.show_problems(state.problems)
        for key in self.pages:
            self._show_sign(key)
        self.page(self._page_key).show_state(state)
        if state.estimate is not None:
            self.explain_panel.follow(state.estimate.figures)
            self.strip.show_basis(state.estimate.kernel_source, state.estimate.machine.device.basis)

    def _show_sign(self, key: str) -> None:
        page, state = self.pages[key], self.state
        if state.estimate is not None or state.problems:  # before the first answer nothing is known to be complete
            self.sidebar.set_sign(key, page.last or page.sign(state))

    def _repaint(self) -> None:
        self._show_state(self.state)

    def _update_title(self) -> None:
        self.setWindowTitle(f"{self.document.title}[*] – Trainplan")
        self.setWindowModified(self.document.is_dirty)

    def _update_history(self) -> None:
        stack = self.document.stack
        self.actions_by_name["undo"].setEnabled(stack.canUndo() or bool(self.document.invalid))
        self.actions_by_name["redo"].setEnabled(stack.canRedo())

    def set_theme(self, name: str) -> None:
        """Switch and remember the look."""
        self.settings.theme = name
        switch().apply(name)

    # Problems and explanations.

    def focus_field(self, path: str) -> None:
        """Turn to the page of a field and put the cursor into it."""
        for page in self.page_classes:
            if path.startswith(page.sections) and self.page(page.key).focus_field(path):
                self.show_page(page.key)
                self.page(page.key).focus_field(path)
                return

    def apply_suggestion(self, problem: Problem) -> None:
        """Do what a problem suggests, as one step that can be undone."""
        self.files.attempt(lambda: self.document.apply(problem.changes, problem.suggestion))

    def explain(self, key: str) -> None:
        """Open a figure's derivation beside the page."""
        estimate = self.state.estimate
        if estimate is not None and key in estimate.figures:
            self.explain_figure(estimate.figures[key], follows=True)

    def explain_figure(self, figure: Figure, *, follows: bool = False) -> None:
        """Open any figure's derivation; one of the plan's follows its changes."""
        was_hidden = self.explain_panel.isHidden()
        self.explain_panel.explain(figure, follows=follows)
        if was_hidden:
            width = self._split.width()
            self._split.setSizes([width - max(320, width // 3), max(320, width // 3)])

    def explain_focused(self) -> None:
        """Explain the card or the table's figure one is on, else the first figure of the verdict."""
        focused = QApplication.focusWidget()
        if hasattr(focused, "explain_current") and getattr(focused, "can_explain", True):  # a chart, a table, a fact
            focused.explain_current()
        else:
            self.explain(focused.key if focused and focused.property("metric") else "time.training")

    # Commands, and what is dropped.

    def _chart(self) -> ChartView | None:
        """The chart one is on, else the first one of the page."""
        focused = QApplication.focusWidget()
        seen = [chart for chart in self.charts if chart.isVisible() and chart.is_drawn]
        found = focused if focused in seen else next(iter(seen), None)
        if found is None:
            self.strip.say("This page shows no chart yet")
        return found

    def export_chart(self) -> None:
        """Write the chart to a file, with the file dialog."""
        if chart := self._chart():
            chart.ask_and_export()

    def copy_chart(self) -> None:
        """Put the chart on the clipboard as an image."""
        if chart := self._chart():
            chart.copy_image()

    def _build_menus(self) -> dict[str, QAction]:
        files = self.files
        acts = {
            "new": files.new, "new_window": self.another.emit, "open": files.ask_open, "load_config": files.ask_config,
            "save": files.save, "save_as": files.ask_save_as, "export": files.ask_export, "quit": self.close,
            "launch": self.launch_files.ask,
            "undo": self.document.undo, "redo": self.document.redo, "palette": self.find, "run": self.run_profile,
            "explain": self.explain_focused, "cancel": self.escape, "export_chart": self.export_chart,
            "copy_chart": self.copy_chart,
        }  # fmt: skip
        made = menus.build(self, acts, [(page.key, page.title) for page in self.page_classes], self.show_page)
        menu = menus.menu_of(self, "&File")
        menus.add_list(menu, "New from e&xample", made["load_config"], self._examples)
        menus.add_list(menu, "Open &recent", made["load_config"], self._recent)
        menus.add_themes(menus.menu_of(self, "&View"), self.settings.theme, self.set_theme)
        return made

    def _examples(self) -> list[tuple[str, menus.Act]]:
        return [(name, lambda name=name: self.files.new(name)) for name in library.names("plans")]

    def _recent(self) -> list[tuple[str, menus.Act]]:
        return [(str(path), lambda path=path: self.files.open(path)) for path in self.settings.recent]

    def find(self) -> None:
        """Open the command palette."""
        self.palette_of_commands.ask(self._entries())

    def _entries(self) -> list[Entry]:
        from gui.palette import Entry

        entries = [
            Entry(action.text().replace("&", ""), action.shortcut().toString(), action.trigger)
            for name, action in self.actions_by_name.items()
            if name != "palette" and action.isEnabled()
        ]
        for page in map(self.page, [one.key for one in self.page_classes]):
            for form in page.forms:
                entries += [
                    Entry(f"{page.title} ▸ {line.spec.title}", path, lambda path=path: self.focus_field(path))
                    for path, line in form.rows.items()
                ]
        if self.state.estimate is not None:
            figures = self.state.estimate.figures.values()
            entries += [
                Entry(f"Explain: {one.label}", one.text, lambda key=one.key: self.explain(key)) for one in figures
            ]
        return entries + [Entry(f"New from example: {name}", "", act) for name, act in self._examples()]

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Files of this machine: one is a plan, a model's config or another program's training config; several, or a
        folder, are plans to compare."""
        urls = event.mimeData().urls()
        if urls and all(url.isLocalFile() for url in urls):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open them, once the drop is over: a question about unsaved edits must not hold the other program."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls()]
        event.acceptProposedAction()
        QTimer.singleShot(0, self, lambda: self._take_dropped(paths))

    def _take_dropped(self, paths: list[Path]) -> None:
        if len(paths) == 1 and not paths[0].is_dir():
            self.files.take(paths[0])
        else:
            self.show_page("compare")
            self.page("compare").open_many(paths)

    def recover(self, leftover: Leftover) -> bool:
        """Take the edits of a crashed run; they count as unsaved. False where one's own are kept instead."""
        if not self.files.may_discard():
            return False
        self.document.replace(leftover.plan, leftover.path, dirty=True)
        self.autosave.write_now()
        return True

    # Jobs.

    def run_profile(self) -> None:
        """Turn to the Profile page and measure."""
        self.show_page("profile")
        self.page("profile").begin()

    def suggest_layout(self) -> None:
        """Turn to the Search page and look for the layout that suits the plan's cluster."""
        page = self.page("search")
        page.suggest()
        self.show_page("search")

    def start_job(self, arguments: list[str], key: str = "profile") -> None:
        """Run the command line in a process of its own for a page, when the jobs before it have ended."""
        page = self.page(key)
        is_automatic = getattr(page, "is_automatic", False)
        self.jobs.put(key, page.job_name(arguments), arguments, page.follow, was_asked=not is_automatic)

    def estimate_again(self) -> None:
        """A profile was measured or read, or offers were fetched: the plan's estimate and the scenarios' may be
        others."""
        for page in self.pages.values():
            page.forget_estimates()
        self.estimator.ask_again()

    def _end_reading(self) -> None:
        if self.job is None:
            self.strip.say("")
        self.estimate_again()

    def _start_report(self, arguments: list[str], path: Path) -> None:
        """Draw the report in a process of its own."""

        def follow(job: Job) -> None:
            job.ended.connect(lambda outcome: outcome.status == "done" and self.strip.say(f"Report written to {path}"))

        self.jobs.put("report", "Report", arguments, follow)

    def _show_job(self) -> None:
        order = self.jobs.running
        if self._is_reading:
            self.strip.show_job(self.reader.doing, self.reader.share, None)
        elif order is None:
            self.strip.show_idle()
        elif not order.job.was_cancelled:
            words = ": ".join(filter(None, (order.name, order.job.doing)))
            if before := self.jobs.waits_for:
                words = f"{order.name}: waits for another window's {before[:1].lower()}{before[1:]}"
            waiting = f"   ·   {self.jobs.waiting} waiting" if self.jobs.waiting else ""
            self.strip.show_job(words + waiting, order.job.share, order.job.left_s)

    def cancel_job(self, key: str = "") -> None:
        """Stop the running job, or the one of a page."""
        order = self.jobs.running
        if not key and self._is_reading:
            self.reader.cancel()
        elif order is not None and key in ("", order.key):
            self.strip.show_stopping()
        self.jobs.cancel(key)

    @property
    def _is_reading(self) -> bool:
        """A long profile is read, and nothing runs that a person asked for."""
        order = self.jobs.running
        return bool(self.reader.doing) and not (order and order.was_asked)

    def _end_job(self, order: Order, outcome: Outcome) -> None:
        key = order.key
        heap.give_back_soon()
        self._show_job()
        if not order.was_asked:
            self.strip.say("")
        elif key != "report" or outcome.status != "done":
            self.strip.say(f"{order.name} {outcome.status}")
        # The page says it where it stands; a measurement's tab one may have left, and points are listed unasked.
        is_said = key == self._page_key if key != "profile" else not order.was_asked
        if outcome.status in ("failed", "crashed") and not is_said:
            again = {"Try again": lambda: (self.show_page(key), self.page(key).begin())} if key in self.pages else {}
            self.notice.say(f"The {order.name.lower()} {outcome.status}: {outcome.message}", actions=again)
        if key in self.pages:
            self._show_sign(key)
        if order.was_asked and not self.isActiveWindow():
            QApplication.alert(self)  # the window's entry in the task bar asks to be looked at
        if key in ("profile", "hardware") and order.was_asked:  # both leave behind what estimates rest on
            for window in QApplication.topLevelWidgets():
                if isinstance(window, Window):
                    window.estimate_again()

    def escape(self) -> None:
        """Esc: the running job, else the explanation, else the notice."""
        if self.job is not None or self.reader.doing:
            self.cancel_job()
        elif self.explain_panel.isVisible():
            self.explain_panel.close_panel()
        else:
            self.notice.hide()

    # Closing.

    def closeEvent(self, event: QCloseEvent) -> None:
        """Ask once about unsaved edits and a running job, then end everything."""
        self._slices.stop()
        if self.document is None:
            return super().closeEvent(event)
        if not self._may_close():
            return event.ignore()
        self.jobs.stop_all()
        if not any(isinstance(one, Window) and one is not self for one in QApplication.topLevelWidgets()):
            self.reader.stop_now()
        self.settings.geometry = self.saveGeometry()
        self.settings.page = self._page_key
        self.settings.flush()
        self.autosave.close()
        return super().closeEvent(event)

    def _may_close(self) -> bool:
        """One question about all that would be lost; none where nothing would."""
        order = self.jobs.running
        runs = f"The {order.name.lower()} that is running is stopped." if order and order.was_asked else ""
        if self.document.is_dirty:
            return self.files.may_discard(runs)
        if not runs:
            return True
        ask = QMessageBox(QMessageBox.Icon.Question, "Trainplan", "Close this window?", parent=self)
        ask.setInformativeText(runs)
        buttons = QMessageBox.StandardButton
        ask.setStandardButtons(buttons.Yes | buttons.No)
        return ask.exec() == buttons.Yes
