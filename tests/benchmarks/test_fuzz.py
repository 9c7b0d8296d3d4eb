"""A few hundred inputs of the fuzzer, and each input that once broke a reader."""

from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = "fuzz"


@pytest.fixture(scope="module")
def fuzz(script: ModuleType) -> ModuleType:
    return script


def test_no_damaged_file_breaks_a_reader(fuzz: ModuleType) -> None:
    fuzz.LONGEST_S = 60.0  # no test fails on a clock
    findings = fuzz.fuzz(420, seed=20261123)
    assert not findings.broken, fuzz.report(findings)
    assert len(findings.inputs) >= 30 and sum(findings.inputs.values()) == 420


def test_every_reader_takes_a_file_that_is_whole(
    fuzz: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path))
    for reader in fuzz.readers().values():
        path = tmp_path / reader.place
        path.parent.mkdir(exist_ok=True)
        for seed in reader.seeds:
            path.write_bytes(seed)
            reader.read(path)
            path.unlink(missing_ok=True)  # a ladder takes its own away


def test_the_same_seed_gives_the_same_inputs(fuzz: ModuleType) -> None:
    seeds = [b'{"a": [1, {"b": 2.5}], "c": "x"}', b"a,b\n1,2\n"]
    once, again = ([fuzz.damaged(dice, seeds) for _ in range(200)] for dice in (random.Random(3), random.Random(3)))
    assert once == again and len(set(once)) > 100


def test_a_break_and_a_hang_are_found(fuzz: ModuleType, tmp_path: Path) -> None:
    findings = fuzz.Findings()
    fuzz.LONGEST_S = 0.05
    for name, read in (("breaks", lambda path: [][1]), ("hangs", _for_ever)):
        fuzz._one(name, fuzz.Reader([b""], "x", read), b"content", tmp_path, findings)
    assert [where.split(" in ")[0] for where in findings.broken] == ["breaks: IndexError", "hangs: HangError"]


def _for_ever(_: Path) -> None:
    while True:
        pass
