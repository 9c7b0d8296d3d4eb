"""The app is killed with unsaved edits; the next start offers them back."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EDIT_AND_WAIT = """
import sys, time
from gui.app import make_application
from gui.window import Window
app = make_application(["trainplan"])
window = Window()
window.show()
window.after_first_paint()
window.document.try_set("recipe.tokens", "1.4T")
window.autosave.write_now()
print("saved", flush=True)
time.sleep(60)
"""


def killed_with_unsaved_edits() -> None:
    process = subprocess.Popen([sys.executable, "-c", EDIT_AND_WAIT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline().strip() == "saved"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_unsaved_edits_of_a_killed_app_come_back(open_window: Callable[..., object], user_folder: Path) -> None:
    killed_with_unsaved_edits()
    window = open_window()
    assert "Unsaved changes" in window.recovery_bar.text
    assert window.document.plan.recipe.tokens == 2_000_000_000_000
    window.findChild(object, "recovery.recover").click()
    assert window.document.plan.recipe.tokens == 1_400_000_000_000
    assert window.isWindowModified()
    assert not window.recovery_bar.isVisible()


def test_what_a_running_window_keeps_aside_is_not_offered_to_another(open_window: Callable[..., object]) -> None:
    first = open_window()
    first.document.try_set("recipe.tokens", "1.4T")
    first.autosave.write_now()
    assert not open_window().recovery_bar.isVisible()


def test_a_window_closed_in_good_order_leaves_nothing(open_window: Callable[..., object], user_folder: Path) -> None:
    window = open_window()
    window.document.try_set("recipe.tokens", "1.4T")
    window.autosave.write_now()
    assert list((user_folder / "recovery").glob("*.json"))
    window.document.undo()
    window.close()
    assert not list((user_folder / "recovery").glob("*.json"))
