"""Carry codecarbon's carbon intensities over into `profiles/grids.json`.

    pip download codecarbon==3.3.2 --no-deps && unzip codecarbon-*.whl -d codecarbon
    python benchmarks/carry_grids.py codecarbon/codecarbon/data --version 3.3.2

Rows of other sources stay as they are. Countries, states of the US, provinces of China, bidding zones of Norway and
Sweden, and the regions of Google's cloud are codecarbon's own figures in kg a kWh; a region of another cloud is the
grid of the place where that cloud says it is (`PLACES`).
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner import library
from planner.writing import write_atomically

KG_A_POUND = 0.45359237
_FILED = "2026-10"
"""When codecarbon 3.3.2 was packed: the table of the clouds' regions names no year."""
OLDEST = 2021
"""Years before are left out."""
PLACES = {
    "aws us-east-1": "us-virginia", "aws us-east-2": "us-ohio", "aws us-west-1": "us-california",
    "aws us-west-2": "us-oregon", "aws ca-central-1": "canada", "aws sa-east-1": "brazil", "aws eu-west-1": "ireland",
    "aws eu-west-2": "united-kingdom", "aws eu-west-3": "france", "aws eu-central-1": "germany",
    "aws eu-central-2": "switzerland", "aws eu-north-1": "sweden-se3", "aws eu-south-1": "italy",
    "aws eu-south-2": "spain", "aws ap-northeast-1": "japan", "aws ap-northeast-2": "south-korea",
    "aws ap-southeast-1": "singapore", "aws ap-southeast-2": "australia", "aws ap-southeast-3": "indonesia",
    "aws ap-south-1": "india", "aws me-central-1": "united-arab-emirates", "aws il-central-1": "israel",
    "aws af-south-1": "south-africa",
    "azure eastus": "us-virginia", "azure eastus2": "us-virginia", "azure centralus": "us-iowa",
    "azure northcentralus": "us-illinois", "azure southcentralus": "us-texas", "azure westus": "us-california",
    "azure westus2": "us-washington", "azure westus3": "us-arizona", "azure canadacentral": "canada",
    "azure brazilsouth": "brazil", "azure northeurope": "ireland", "azure westeurope": "netherlands",
    "azure uksouth": "united-kingdom", "azure francecentral": "france", "azure germanywestcentral": "germany",
    "azure switzerlandnorth": "switzerland", "azure norwayeast": "norway-no1", "azure swedencentral": "sweden-se3",
    "azure polandcentral": "poland", "azure italynorth": "italy", "azure spaincentral": "spain",
    "azure japaneast": "japan", "azure koreacentral": "south-korea", "azure southeastasia": "singapore",
    "azure australiaeast": "australia", "azure centralindia": "india", "azure uaenorth": "united-arab-emirates",
    "azure israelcentral": "israel", "azure southafricanorth": "south-africa",
}  # fmt: skip
"""Regions of clouds and the grids of their places, as the clouds' own lists of regions tell them."""


def rows_of(folder: Path, version: str) -> Iterator[dict[str, Any]]:
    """Every row that codecarbon's data make."""
    source = f"codecarbon {version} (MIT), "
    infra = folder / "private_infra"
    for one in _read(infra / "global_energy_mix.json").values():
        if one["year"] >= OLDEST and one["carbon_intensity"]:
            name = one["country_name"]
            told = f"{source}global_energy_mix.json, {name}"
            yield _row(library.slug(name), one["carbon_intensity"] / 1000, told, one["year"])
    states = _read(infra / "2023" / "usa_emissions.json")
    year = states["_source"]["year"]
    for name, one in states.items():
        if not name.startswith("_"):
            told = f"{source}usa_emissions.json: EPA eGRID{year}, total output emission rate of the state"
            yield _row(f"us-{library.slug(name)}", one["emissions"] * KG_A_POUND / 1000, told, year)
    for one in _read(infra / "2023" / "china_provincial_emissions.json")["data"].values():
        told = f"{source}china_provincial_emissions.json: MEE and NBS of China, CO2 only, {one['description']}"
        yield _row(f"china-{library.slug(one['description'])}", one["emission_factor"] / 1000, told, one["year"])
    for zone, one in _read(infra / "nordic_emissions.json")["data"].items():
        if land := {"SE": "sweden", "NO": "norway"}.get(zone[:2]):
            told = f"{source}nordic_emissions.json: ENTSO-E generation of the bidding zone, {one['description']}"
            yield _row(f"{land}-{zone.lower()}", one["emission_factor"] / 1000, told, one["year"])
    with (folder / "cloud" / "impact.csv").open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            name = row["region"].replace("cenrtal", "central")  # as codecarbon writes me-central1
            told = f"{source}cloud/impact.csv: {row['source']}, {row['city']}; the date is that of the file"
            yield _row(f"{row['provider']} {name}", float(row["impact"]) / 1000, told, _FILED)


def with_places(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """And the regions of the clouds that publish no intensity, by the grid of their place."""
    placed = {
        region: {**rows[place], "region": region, "source": f"grid of its place, {place}: {rows[place]['source']}"}
        for region, place in PLACES.items()
    }
    return rows | placed


def _row(region: str, kg: float, source: str, year: int | str) -> dict[str, Any]:
    return {"region": region, "kg_per_kwh": round(kg, 6), "source": source, "as_of": str(year), "confidence": "seen"}


def _read(path: Path) -> dict[str, Any]:
    return library.read_json(path)


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="codecarbon's folder data")
    parser.add_argument("--version", required=True, help="of codecarbon")
    options = parser.parse_args()
    target = library.SHIPPED / "grids.json"
    table = library.read_json(target)
    kept = [row for row in table["rows"] if "codecarbon" not in row["source"]]
    made = with_places({row["region"]: row for row in rows_of(options.folder, options.version)})
    rows = [*kept, *(made[name] for name in sorted(made))]
    lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
    content = f'{{\n  "notes": {json.dumps(table["notes"], ensure_ascii=False)},\n  "rows": [\n{lines}\n  ]\n}}\n'
    write_atomically(target, content)
    lost = {row["region"] for row in table["rows"]} - {row["region"] for row in rows}
    print(f"{len(rows)} regions; no longer there: {', '.join(sorted(lost)) or 'none'}")


if __name__ == "__main__":
    main()
