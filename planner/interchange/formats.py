"""The formats by name: which can be read, which written, and which one a file is."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType

from planner import library
from planner.errors import InputError, UnknownNameError
from planner.interchange import adoption, deepspeed, megatron, nanotron, skypilot, slurm, torchtitan
from planner.interchange.content import Written
from planner.plan.file import FORMAT
from planner.plan.plan import Plan
from planner.writing import write_atomically

READERS: dict[str, ModuleType] = {
    "torchtitan": torchtitan, "megatron": megatron, "deepspeed": deepspeed, "nanotron": nanotron,
}  # fmt: skip
WRITERS: dict[str, ModuleType] = {**READERS, "slurm": slurm, "skypilot": skypilot}
MEASURERS = ("slurm", "skypilot")
"""Those that can start Trainplan's own measurements instead of the training."""
_LARGEST_FILE = 2**19


def read(path: Path, name: str | None, base: Plan) -> tuple[Plan, list[str]]:
    """(the plan of a training config laid over `base`, notes on what was ignored or assumed). name: the format, None to
    tell it from the content. Raises `InputError` that names the file."""
    text = _text(path)
    known = name or recognized(path, text)
    if known is None:
        raise InputError(
            f"{path}: no training config that is known ({', '.join(READERS)}); name its format with --from"
        )
    if known not in READERS:
        raise UnknownNameError("format", known, READERS)
    with library.naming(path):
        return adoption.adopt(READERS[known].read(text), base, path.stem)


def recognized(path: Path, text: str) -> str | None:
    """The format of a file's content, None where it is none of them (a plan or a model's config, for example)."""
    ending = path.suffix.lower()
    likely = [key for key, module in READERS.items() if ending in module.NAMES]
    return next((key for key in likely if READERS[key].matches(text)), None)


def is_training_config(path: Path) -> bool:
    """Whether a file is one of the formats; False for what cannot be read, which its own reader will say."""
    try:
        text = _text(path)
    except InputError:
        return False
    return f'"{FORMAT}"' not in text and recognized(path, text) is not None


def render(plan: Plan, name: str, *, measure: bool = False) -> Written:
    """The launch file of a plan. Raises `InputError` naming each field that the engine cannot do."""
    if name not in WRITERS:
        raise UnknownNameError("format", name, WRITERS)
    if measure and name not in MEASURERS:
        raise InputError(f"--measure: only {' and '.join(MEASURERS)} start a job; choose one of them")
    written: Written = WRITERS[name].write(plan, measure=True) if measure else WRITERS[name].write(plan)
    return written


def save(written: Written, path: Path) -> list[Path]:
    """Write a launch file and what goes beside it, each whole or not at all; the paths. A file that is already beside
    it with another content is not replaced."""
    for name, text in written.beside.items():
        other = path.parent / name
        if os.path.lexists(other) and not _holds(other, text):
            raise InputError(f"{other}: is in the way, and its content differs; choose another folder")
    write_atomically(path, written.text)
    for name, text in written.beside.items():
        write_atomically(path.parent / name, text)
    return [path, *(path.parent / name for name in written.beside)]


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode("utf-8")
    except OSError:
        return False


def _text(path: Path) -> str:
    return library.read_text(path, _LARGEST_FILE)
