"""A machine without a single font, whose user has no folder to write in: the window opens, can be read, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WINDOW = """
import os, sys
from PySide6.QtGui import QFontInfo
from gui.app import make_application
from gui.window import Window
application = make_application(["trainplan"])
window = Window()
window.show()
window.after_first_paint()
for _ in range(50): application.processEvents()
print(QFontInfo(application.font()).family())
print(window.recovery_bar.text)
sys.stdout.flush()
os._exit(0)
"""
NO_FONTS = '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig></fontconfig>'


def test_the_window_opens_without_fonts_and_without_a_folder_to_write_in(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "fonts.conf").write_text(NO_FONTS)
    bare = {
        "QT_QPA_PLATFORM": "offscreen", "QT_QPA_FONTDIR": str(tmp_path / "none"),
        "FONTCONFIG_FILE": str(tmp_path / "fonts.conf"), "FONTCONFIG_PATH": str(tmp_path / "none"),
        "TRAINPLAN_HOME": str(tmp_path / "fonts.conf" / "below a file"),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", WINDOW], cwd=ROOT, env={**os.environ, **bare}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    family, bar = done.stdout.splitlines()
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert family == "DejaVu Sans"  # which the charts bring with them
    assert "fonts.conf cannot be written; mend that, or set TRAINPLAN_HOME" in bar
