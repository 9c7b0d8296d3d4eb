"""Trainplan. Without arguments: the desktop app. With a command: the command line (`python main.py --help`)."""

from __future__ import annotations

import os
import sys
import warnings


def main() -> int:
    """Run the app or a command; returns the exit code."""
    if sys.argv[1:] == ["--version"]:
        from planner import __version__

        print(f"trainplan {__version__}")
        return 0
    if not os.environ.get("TRAINPLAN_DEBUG"):  # an overflow is told by the figure that it makes, not by NumPy
        warnings.filterwarnings("ignore", category=RuntimeWarning)
    if not sys.argv[1:]:
        return _app()
    from planner.cli import run

    return run(sys.argv[1:])


def _app() -> int:
    """Open the window; without a screen say so and run the default plan headless, results in `out/`."""
    from gui.screen import has_screen

    if has_screen():
        try:
            from gui.app import run
        except ImportError as error:
            from planner.errors import without_window

            print(without_window(error), file=sys.stderr)
            return 3
        return run(sys.argv[1:])
    from planner.cli import headless

    print(
        "No screen found (DISPLAY and WAYLAND_DISPLAY are empty): running the default plan headless.", file=sys.stderr
    )
    return headless()


if __name__ == "__main__":
    raise SystemExit(main())
