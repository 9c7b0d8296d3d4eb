"""What an installation holds: every data file, and the packages that the docs name."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NOT_INSTALLED = ("*.py", "*.pyc", "bundle.spec", "trainplan.desktop", "trainplan.metainfo.xml")
"""The last two go to the desktop's own places, as data-files."""
ASKED_FOR = {"bitsandbytes", "shiboken6"}
"""One used where it is there, and told to be missing where it is not; one that is a part of PySide6."""


def test_every_data_file_of_the_packages_reaches_the_wheel() -> None:
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    files = [path for room in ("planner", "gui", "profiles") for path in (ROOT / room).rglob("*") if path.is_file()]
    data = [path for path in files if not any(fnmatch(path.name, one) for one in NOT_INSTALLED)]
    assert len(data) > 100
    assert not [path for path in data if not any(fnmatch(path.name, one) for one in patterns)]


def test_what_is_imported_is_declared() -> None:
    project = PROJECT["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    declared = {_normal(re.split(r"[<>=!\[ ;]", one)[0]) for one in [*project["dependencies"], *extras]}
    homes = packages_distributions()
    files = [ROOT / "main.py", *(ROOT / "planner").rglob("*.py"), *(ROOT / "gui").rglob("*.py")]
    nodes = (node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    used = {module.partition(".")[0] for node in nodes for module in _imported(node)}
    used -= sys.stdlib_module_names | {"main", "planner", "gui", *ASKED_FOR}
    assert "numpy" in used
    assert not [module for module in used if not declared & set(map(_normal, homes.get(module, [module])))]


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []


def test_the_docs_list_for_a_node_without_a_window_is_what_is_needed_less_qt() -> None:
    needed = {re.split(r"[<>=!\[ ;]", one)[0] for one in PROJECT["project"]["dependencies"]} - {"PySide6-Essentials"}
    listed = re.search(r"^pip install (fpdf2 .*)$", (ROOT / "docs" / "install.md").read_text("utf-8"), re.MULTILINE)
    assert listed and set(listed[1].split()) == needed
