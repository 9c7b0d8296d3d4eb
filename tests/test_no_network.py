"""Nothing is fetched unless it is asked for, and no home folder is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import planner

WITHOUT_NETWORK = """
import sys
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print("NETWORK", event, arguments, file=sys.stderr, flush=True)
        import os; os._exit(77)
sys.addaudithook(hook)
"""
COMMAND = "from planner import cli; raise SystemExit(cli.run(sys.argv[1:]))"
WINDOW = """
from gui.app import make_application
from gui.window import Window
application = make_application(["trainplan"])
window = Window(None)
window.show()
window.after_first_paint()
for _ in range(50): application.processEvents()
import os; os._exit(0)
"""


def outcome(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    root = Path(planner.__file__).parents[1]
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(root), "MPLBACKEND": "agg", "HOME": "/nonexistent",
        "QT_QPA_PLATFORM": "offscreen", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_NETWORK + code, *arguments], cwd=folder, env=environment, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [["estimate", "gpt2"], ["search", "gpt2", "--gpus", "8"], ["validate"], ["prices"]]
)
def test_a_command_opens_no_connection_and_needs_no_home(tmp_path: Path, arguments: list[str]) -> None:
    done = outcome(tmp_path, COMMAND, *arguments)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_the_window_starts_without_a_connection(tmp_path: Path) -> None:
    done = outcome(tmp_path, WINDOW)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


def test_a_connection_would_be_seen(tmp_path: Path) -> None:
    done = outcome(tmp_path, "import socket; socket.create_connection(('127.0.0.1', 9))")
    assert done.returncode == 77 and "NETWORK" in done.stderr
