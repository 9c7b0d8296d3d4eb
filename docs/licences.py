"""The licences of everything that requirements.lock pins, in docs/licences.md: `make audit`.

Trainplan is Apache-2.0 and ships none of these packages in its wheel; the bundled folder does, with the libraries among
them as files of their own. A licence that is not known here to go with that is an error.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "licences.md"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)

COMPATIBLE = {
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0", "MIT-CMU",
    "PSF-2.0", "Python-2.0", "Unlicense", "Zlib",
}  # fmt: skip
"""Permissive: may be used and shipped with a notice. `BSD` where the metadata does not say which."""
WITH_REASON = {
    "LGPL-3.0-only": "used as a library, replaceable: separate files in the bundle",
    "MPL-2.0": "file by file: its own files stay under it, unchanged",
    "GPL-2.0-or-later WITH Bootloader-exception": "makes the bundle; its exception leaves the result's licence free",
}
CLASSIFIERS = {
    "MIT License": "MIT", "BSD License": "BSD", "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0", "ISC License (ISCL)": "ISC",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0", "MIT No Attribution License (MIT-0)": "MIT-0",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
}  # fmt: skip
READ = {
    "pyside6-essentials": "LGPL-3.0-only", "shiboken6": "LGPL-3.0-only", "fpdf2": "LGPL-3.0-only",
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
    "pyinstaller-hooks-contrib": "GPL-2.0-or-later WITH Bootloader-exception",
}  # fmt: skip
"""Read in the package's own files, where its metadata offers several or tells them in words of its own."""
ELSEWHERE = {"colorama": "BSD-3-Clause", "macholib": "MIT", "pefile": "MIT", "pywin32-ctypes": "BSD-3-Clause"}
"""Of packages that only another system installs."""
HEAD = """# Licences

Trainplan is under the Apache License 2.0. What it is built with and tested with, as pinned in `requirements.lock`, and
torch, which has a pin of its own; written by `make audit` from the packages' own metadata. All go with Apache-2.0: the
permissive ones with their notice, the others for the reason given.

| package | version | licence | |
|---|---|---|---|
"""


def pinned(lock: str) -> dict[str, tuple[str, str]]:
    """Version and marker by the name of each package that the lock's text pins."""
    return {name: (version, (marker or "").strip()) for name, version, marker in PINNED.findall(lock)}


def licence(name: str) -> str:
    """A package's licence as an SPDX expression. Raises `LookupError` where nothing tells it."""
    if name in READ:
        return READ[name]
    try:
        told = metadata(name)
    except PackageNotFoundError:
        return ELSEWHERE[name]
    if told["License-Expression"]:
        return str(told["License-Expression"])
    classified = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    known = [CLASSIFIERS[one] for one in classified if one in CLASSIFIERS]
    if known:
        return " OR ".join(known)
    return _spdx(str(told["License"] or ""), name)


def _spdx(text: str, name: str) -> str:
    first = text.strip().splitlines()[0] if text.strip() else ""
    found = {"MIT": "MIT", "MIT License": "MIT", "BSD": "BSD", "Apache 2.0": "Apache-2.0"}.get(first, first)
    if not found:
        raise LookupError(f"{name}: no licence in its metadata; read it and add it to READ")
    return found


def problem(name: str, expression: str) -> str:
    """Why a package may not be used with Apache-2.0; blank where it may."""
    if expression in WITH_REASON:
        return ""
    choices = [re.split(r" AND ", one.strip("() ")) for one in expression.split(" OR ")]
    if any(all(part.strip("() ") in COMPATIBLE | WITH_REASON.keys() for part in one) for one in choices):
        return ""
    return f"{name}: {expression} is not among the licences that go with Apache-2.0; read it, and say why or leave it"


def page(lock: str) -> str:
    """The page. Raises `LookupError` with a line for each package that may not be used."""
    rows = {name: (version, licence(name)) for name, (version, _) in pinned(lock).items()}
    wrong = [told for name, (_, expression) in rows.items() if (told := problem(name, expression))]
    if wrong:
        raise LookupError("\n".join(wrong))
    torch = re.search(r"torch==(\S+)", (ROOT / "requirements-torch.txt").read_text("utf-8"))
    rows["torch"] = (torch[1] if torch else "", "BSD-3-Clause")
    lines = (f"| {name} | {version} | {words} | {_reason(words)} |" for name, (version, words) in sorted(rows.items()))
    return HEAD + "\n".join(lines) + "\n"


def _reason(expression: str) -> str:
    return "; ".join(reason for key, reason in WITH_REASON.items() if key in expression)


def main() -> int:
    """Write the page."""
    try:
        text = page((ROOT / "requirements.lock").read_text("utf-8"))
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    PAGE.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
