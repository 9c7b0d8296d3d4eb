"""Price lists of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner.costing.quote import quote
from planner.errors import InputError
from planner.estimate import estimate
from planner.plan import file, offers

ROW = {"accelerator": "A100-80GB-SXM", "usd_per_gpu_hour": "$1.10/h", "provider": "our cluster", "as_of": "2026-11-20"}


def write(folder: Path, **data: object) -> Path:
    path = folder / "prices" / "ours.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"name": "ours", "rows": [ROW], **data}))
    return path


def test_an_own_default_wins_over_the_shipped_price_and_others_are_taken_by_name(user_folder: Path) -> None:
    shipped = offers.default("A100-80GB-SXM")
    write(user_folder)
    plan = file.load("llama-2-7b")
    assert offers.default("A100-80GB-SXM") == shipped
    assert quote(plan.replace(**{"prices.offer": "our cluster"})).usd_per_gpu_hour == 1.1
    write(user_folder, rows=[{**ROW, "default": True, "source": "contract"}])
    own = quote(plan)
    assert own.usd_per_gpu_hour == 1.1 and own.told().startswith("our cluster: contract (2026-11-20")


@pytest.mark.parametrize(("row", "said"), [
    ({"usd_per_gpu_hour": -1}, "rows.0.usd_per_gpu_hour"), ({"price": 2}, "rows.0.price"),
    ({"as_of": "May"}, "2026-11-23"), ({"purchase": "stolen"}, "rows.0.purchase"),
])  # fmt: skip
def test_a_broken_list_names_file_field_and_what_is_wrong(user_folder: Path, row: dict[str, object], said: str) -> None:
    path = write(user_folder, rows=[{**ROW, **row}])
    with pytest.raises(InputError) as raised:
        offers.read_list(path)
    assert str(path) in str(raised.value) and said in str(raised.value)


@pytest.mark.parametrize("spoilt", ["prices/ours.json", offers.KEPT])
def test_a_list_that_cannot_be_read_is_left_out_and_named_until_a_plan_asks_for_what_it_may_hold(
    user_folder: Path, spoilt: str
) -> None:
    good = user_folder / "prices" / "good.json"
    good.parent.mkdir()
    good.write_text(json.dumps({"name": "good", "rows": [{**ROW, "provider": "elsewhere"}]}))
    before = estimate(file.load("llama-2-7b"))
    (user_folder / spoilt).write_text('{"name": "ours", "rows": [')
    after = estimate(file.load("llama-2-7b"))
    assert after.json["cost_usd"] == before.json["cost_usd"]
    told = [one.message for one in after.problems if one.path == "prices.offer"]
    assert [str(user_folder / spoilt) in one for one in told] == ([] if spoilt == offers.KEPT else [True])
    assert not [one for one in before.problems if one.path == "prices.offer"]
    taken = estimate(file.load("llama-2-7b").replace(**{"prices.offer": "elsewhere"}))
    assert taken.price.usd_per_gpu_hour == 1.1
    with pytest.raises(InputError, match="in no price list that can be read") as raised:
        estimate(file.load("llama-2-7b").replace(**{"prices.offer": "our cluster"}))
    assert str(user_folder / spoilt) in str(raised.value)
