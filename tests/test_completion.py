"""The shell's completion, in a real bash."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from planner import cli


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_command_and_an_option_and_a_choice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["completion", "bash"]) == 0
    script = tmp_path / "completion.sh"
    script.write_text(capsys.readouterr().out)
    asked = """
    source "$1"
    function=$(complete -p trainplan | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
    for line in "trainplan esti" "trainplan export --t" "trainplan export --to tor"; do
        COMP_WORDS=($line); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=(); "$function"; echo "${COMPREPLY[@]}"
    done
    """
    done = subprocess.run(["bash", "-c", asked, "bash", str(script)], capture_output=True, text=True, check=False)
    assert [line.strip() for line in done.stdout.splitlines()] == ["estimate", "--to", "torchtitan"], done.stderr
