"""What the machine may refuse: a home, a look into it, a folder to write in, the folder one stands in."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

import planner
from planner import library

MAIN = Path(planner.__file__).parents[1] / "main.py"
ROOTS_WAY = ("dac_override", "dac_read_search")
"""By these capabilities root may read and write whatever the modes of files say."""


def as_a_user() -> list[str]:
    """What goes before a command so that folders refuse it, also where the tests run as root."""
    if os.geteuid():
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root, whom no folder refuses, and no setpriv to be less than root")
    without = ",".join(f"-{name}" for name in ROOTS_WAY)
    return ["setpriv", f"--bounding-set={without}", f"--inh-caps={without}"]


def run(arguments: list[str], folder: Path, home: Path | None) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"} | ({"HOME": str(home)} if home else {})
    return subprocess.run(
        [*as_a_user(), sys.executable, str(MAIN), *arguments], cwd=folder, env=environment, capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that failed said."""
    told = [line for line in done.stderr.splitlines() if not line.startswith("warning")]
    assert done.returncode == 2 and len(told) == 1, done.stderr
    return told[0]


def test_a_closed_home_is_told_and_the_shipped_plans_serve(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o000)
    done = run(["plans"], tmp_path, home)
    assert done.returncode == 0 and "llama-2-7b" in done.stdout
    assert done.stderr.splitlines() == [
        f"warning: your own files in {home}/.local/share/trainplan are not read: permission denied"
    ]


def test_a_home_and_a_folder_that_cannot_be_written_are_told_by_the_path(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    assert one_sentence(run(["estimate", "gpt2", "--csv", "a.csv"], home, home)).startswith("a.csv: cannot be written")


def test_a_folder_that_is_gone_from_under_one_is_told_where_something_is_written(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    inside = ["bash", "-c", 'rmdir "$PWD"; exec "$@"', "bash", sys.executable, str(MAIN)]
    written = [*inside, "estimate", "gpt2", "--csv", "a.csv"]
    assert "a.csv: cannot be written" in one_sentence(
        subprocess.run(written, cwd=gone, capture_output=True, text=True, check=False)
    )


def test_who_has_no_home_has_a_folder_that_nobody_can_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container under a number that no list of users has."""

    def nobody(_: int) -> NoReturn:
        raise KeyError

    for name in ("HOME", "TRAINPLAN_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    folder = library.user_folder()
    assert "llama-2-7b" in library.names("plans") and "set HOME" in library.why_not_kept()
    with pytest.raises(OSError):
        folder.mkdir(parents=True)


def test_a_folder_below_a_file_is_no_place_to_keep_anything(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not library.why_not_kept()
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path / "file" / "trainplan"))
    assert library.why_not_kept().startswith(f"{tmp_path / 'file'} cannot be written; ")
