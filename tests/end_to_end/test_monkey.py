"""Some hundred random actions, from a seed: no exception, no word from Qt, and the verdict is the command line's."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import monkey


@pytest.mark.parametrize("seed", [7])
def test_a_monkey_at_the_window_finds_nothing(application: object, tmp_path: Path, seed: int) -> None:
    watch = monkey.Watch()
    monkey.fill(tmp_path / "files")
    with watch.listening():
        hands = monkey.Monkey(tmp_path / "files", seed, watch, with_jobs=False)
        with monkey.answering(hands):
            for number in range(1, 151):
                hands.act()
                if number % 50 == 0:
                    hands.compare(with_process=number == 150)
            hands.close_all()
    assert not watch.found, "\n".join(watch.found)
    assert hands.compared["in process"] and sum(hands.compared.values()) >= 3
