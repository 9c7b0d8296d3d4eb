"""Long profiles: what is kept of one, and what is worked out in another process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from planner import cli
from planner.errors import InputError, NotReadError
from planner.plan import file, shipped
from planner.plan.workload import workload
from planner.timing import digest, handover, profile, reading
from planner.timing.digest import Digest
from planner.timing.profile import Profile
from planner.timing.reading import ComparisonOf, DigestOf, File, FitOf, SharesOf, Wanted


def longer(whole: Profile, times: int) -> Profile:
    """The same rows again and again at more sequences, each time as much longer."""
    rows = []
    for factor in range(1, times + 1):
        for row in whole.rows:
            seconds = {
                name: getattr(row, name) * factor for name in ("median_s", "lower_quartile_s", "upper_quartile_s")
            }
            work = {name: getattr(row, name) * factor for name in ("batch", "flops", "bytes")}
            rows.append(row.model_copy(update={**seconds, **work, "samples_s": ()}))
    return whole.model_copy(update={"rows": tuple(rows)})


@pytest.fixture(scope="module")
def long(gpt2_profile: Profile) -> Profile:
    return longer(gpt2_profile, 100)


@pytest.fixture
def kept(user_folder: Path, gpt2_profile: Profile) -> File:
    (user_folder / "measured").mkdir()
    profile.save(gpt2_profile, user_folder / "measured" / "mine.json")
    return File.of(user_folder / "measured" / "mine.json")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Wanted]]:
    """What another process is asked for, every file being too long to be read here."""
    found: list[Wanted] = []
    monkeypatch.setattr(reading, "LIGHT_BYTES", 0)
    reading.read_elsewhere(found.append)
    yield found
    reading.read_elsewhere(None)


def test_of_many_rows_those_are_kept_that_a_chart_can_tell_apart(long: Profile) -> None:
    found = Digest.of(long)
    kept = found.content.rows
    assert found.rows == len(long.rows) > 2 * len(kept) > digest.MOST_DRAWN / 4
    assert set(kept) <= set(long.rows)
    for operation in {row.operation for row in long.rows}:
        rates = [[row.flops_per_s for row in rows if row.operation == operation] for rows in (long.rows, kept)]
        tokens = [[row.tokens for row in rows if row.operation == operation] for rows in (long.rows, kept)]
        assert max(rates[0]) == max(rates[1])
        assert max(tokens[1]) >= 0.9 * max(tokens[0])


def test_of_few_rows_all_are_kept(gpt2_profile: Profile) -> None:
    assert Digest.of(gpt2_profile).content == gpt2_profile


def test_the_head_is_read_without_the_rows(user_folder: Path, long: Profile) -> None:
    profile.save(long, path := user_folder / "long.json")
    told = digest.head(path)
    assert "rows" not in told and told["device"]["name"] == long.device.name
    path.write_text('{"device": 3,\n "rows": [', "utf-8")
    assert digest.head(path) == {"device": 3}  # that it ends too early is found with the rows
    path.write_text('{"device": nothing,\n "rows": [', "utf-8")
    with pytest.raises(InputError, match=r"long\.json"):
        digest.head(path)


@pytest.mark.parametrize("what", ["digest", "fit", "shares", "comparison", "damaged"])
def test_another_process_hands_over_the_answer_to_the_last_digit(
    what: str, kept: File, asked: list[Wanted], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted: Any = {
        "digest": DigestOf(kept), "fit": FitOf(kept, shipped.accelerator("CPU"), "fp32"),
        "shares": SharesOf(kept, "width"), "comparison": ComparisonOf(kept, kept),
        "damaged": FitOf(kept, shipped.accelerator("CPU"), "bf16"),
    }[what]  # fmt: skip
    for _ in range(2):
        with pytest.raises(NotReadError, match="'mine' is being read"):
            reading.answer(wanted)
    assert set(asked) == {wanted}
    reading.read_elsewhere(None)
    code = cli.run(["read-profile", json.dumps(handover.encode(wanted))])
    *progress, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [one["event"] for one in progress] == ["progress"] * len(progress)
    expected = reading.worked_out(wanted)
    if what == "damaged":
        assert code == 2 and last["message"] == str(expected)
        return
    found = handover.decode(last["found"])
    assert json.dumps(handover.encode(found)) == json.dumps(handover.encode(expected))  # a NaN equals none
    if what == "fit":
        w = workload(file.load("gpt2"))
        assert found.half_widths(w) == expected.half_widths(w)


def test_what_the_app_does_not_ask_for_is_refused() -> None:
    for text in ("{}", "[1]", '{"$": "Path", "of": "x"}', "x", '{"$": "File", "of": {"path": 1}}'):
        assert cli.run(["read-profile", text]) == 2


def test_an_answer_that_cannot_be_had_is_told_again_without_reading(kept: File, asked: list[Wanted]) -> None:
    wanted = DigestOf(kept)
    reading.adopt(wanted, InputError("torn"))
    for _ in range(2):
        with pytest.raises(InputError, match="torn"):
            reading.answer(wanted)
    reading.forget(wanted)
    with pytest.raises(NotReadError):
        reading.answer(wanted)
