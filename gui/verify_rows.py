"""What a verification tells, as rows and words for the page. No Qt."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from gui.row_table import Column
from gui.tables import short_band
from planner import units

FIGURES = [
    Column("what", "Figure", is_words=True),
    Column("predicted", "≈ Predicted"),
    Column("measured", "● Measured"),
    Column(
        "error", "Error", partial(units.percent, sign=True), "Predicted ÷ measured − 1", tone=lambda one: one["tone"]
    ),
    Column("band", "80 % band", is_words=True),
    Column("note", "Note", is_words=True),
]


def figures(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of a result, their quantities as texts."""
    return [
        {
            "what": one["what"].removeprefix("step: ").capitalize(), "predicted": _show(one["predicted"], one["unit"]),
            "measured": _show(one["measured"], one["unit"]), "band": _band(one), "error": one["error"],
            "note": one["note"] or None, "tone": "bad" if one["inside_band"] is False else "",
            "is_headline": not one["what"].startswith("step: "),
        }
        for one in result["rows"]
    ]  # fmt: skip


def verdict(result: Mapping[str, Any]) -> str:
    """What was trained, and by how much its step's time and memory were missed."""
    shape = f"{result['layers']} layers, {result['micro_batch']} × {result['sequence_length']:,} tokens"
    told = [
        f"{one['what']} {units.percent(one['error'], sign=True)}" for one in result["rows"]
        if one["error"] is not None and one["what"] in ("step time", "memory allocated")
    ]  # fmt: skip
    return f"{result['model']} ({shape}) on {result['device']}: {', '.join(told)} against {result['steps']} real steps"


def event_in_words(told: Mapping[str, Any]) -> str:
    """What a running verification is at; empty for what is told otherwise."""
    kind = told.get("event")
    if kind == "started":
        return f"{told['model']}, {told['layers']} layers on {told['device']} in {told['dtype']}"
    if kind == "predicted":
        low, high = (units.show_duration(value) for value in told["step_time_band_s"])
        return f"Predicted: {units.show_duration(told['step_time_s'])} a step ({low} – {high}). Training for real…"
    if kind == "step":
        what = "Warming up" if told["warm_up"] else "Training"
        return f"{what}: step {told['number']} of {told['of']}, {units.show_duration(told['seconds'])}"
    return f"Measuring what the prediction needs: {told['doing']}" if kind == "progress" and told.get("doing") else ""


def _show(value: float | None, unit: str) -> str | None:
    return None if value is None else units.show(value, unit)


def _band(one: Mapping[str, Any]) -> str | None:
    if one["low"] is None or one["high"] is None:
        return None
    return short_band(f"{units.show(one['low'], one['unit'])} – {units.show(one['high'], one['unit'])}")
