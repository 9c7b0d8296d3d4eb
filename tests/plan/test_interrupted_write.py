"""A process killed at every step of a write: the old file or the new one, never a mixture. And other faults."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.plan import file
from planner.writing import write_atomically

ROOT = Path(__file__).resolve().parents[2]
STEPS = ["open", "write", "flush", "fsync", "chmod", "replace"]
KILLED_AT = """
import os, sys, signal, tempfile
from pathlib import Path
from planner.writing import write_atomically

step, when, path = sys.argv[1:4]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Stream:
    def __init__(self, inner): self.inner = inner
    def __enter__(self): return self
    def __exit__(self, *_): self.inner.close()
    def fileno(self): return self.inner.fileno()
    def write(self, raw):
        if step == "write" and when == "before": die()
        self.inner.write(raw[: len(raw) // 2])
        self.inner.flush()
        if step == "write" and when == "amid": die()
        self.inner.write(raw[len(raw) // 2 :])
        if step == "write": self.inner.flush(); die()
    def flush(self):
        if step == "flush" and when == "before": die()
        self.inner.flush()
        if step == "flush": die()

def deadly(owner, name):
    real = getattr(owner, name)
    def call(*args, **kwargs):
        if when == "before": die()
        made = real(*args, **kwargs)
        die()
    setattr(owner, name, call)

if step == "open": deadly(tempfile, "mkstemp")
elif step == "fsync": deadly(os, "fsync")
elif step == "chmod": deadly(Path, "chmod")
elif step == "replace": deadly(Path, "replace")
else:
    real = os.fdopen
    os.fdopen = lambda *args: Stream(real(*args))
write_atomically(Path(path), "new" * 100_000)
"""
OLD, NEW = "old" * 50_000, "new" * 100_000


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
@pytest.mark.parametrize(
    ("step", "when"), [*((step, when) for step in STEPS for when in ("before", "after")), ("write", "amid")]
)
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path, step: str, when: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(OLD)
    root = Path(file.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED_AT, step, when, str(path)], cwd=root, check=False, timeout=60)
    assert done.returncode == -9
    assert path.read_text() == (NEW if (step, when) == ("replace", "after") else OLD)
    write_atomically(path, NEW)  # what the killed process left beside it is in nobody's way
    assert path.read_text() == NEW


def test_a_file_larger_than_the_disk_takes_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    code = (
        "import resource, signal, sys; from pathlib import Path; from planner.writing import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "from planner.errors import InputError\n"
        "try: write_atomically(Path(sys.argv[1]), 'new' * 100_000)\n"
        "except InputError as error: print(error)\n"
    )
    root = Path(file.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert "cannot be written" in done.stdout and str(path) in done.stdout
    assert path.read_text() == "old" and [one.name for one in tmp_path.iterdir()] == ["plan.json"]


def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    """Root's `--csv /dev/full` had left a file there instead of the device."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match="is a device or a pipe"):
            write_atomically(tmp_path / name, "x")
    assert (tmp_path / "pipe").is_fifo() and {one.name for one in tmp_path.iterdir()} == {"pipe", "link"}


def test_a_link_to_a_file_that_is_not_there_yet_stays_a_link(tmp_path: Path) -> None:
    link = tmp_path / "a.json"
    link.symlink_to(tmp_path / "target.json")
    write_atomically(link, "new")
    assert link.is_symlink() and (tmp_path / "target.json").read_text() == "new"


SAVES = """
import sys
from pathlib import Path
from planner.plan import file

plan = file.load("gpt2")
for number in range(40):
    file.save(plan.model_copy(update={"notes": f"{sys.argv[2]}-{number} " * 400}), Path(sys.argv[1]))
"""


def test_a_plan_that_two_processes_save_is_whole_whenever_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    file.save(file.load("gpt2"), path)
    writers = [subprocess.Popen([sys.executable, "-c", SAVES, str(path), who], cwd=ROOT) for who in ("a", "b")]
    while any(one.poll() is None for one in writers):
        file.load(path)
    assert [one.returncode for one in writers] == [0, 0]
    assert file.load(path).notes.split()[-1] in ("a-39", "b-39") and list(tmp_path.iterdir()) == [path]
