"""The pages that are made from the program itself each time that the docs are built: `docs/generated/`.

Formulas from `@formula` and its function's docstring, commands from the parser, files from their JSON Schema, the
validation's figures from the shipped table of published runs.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the docs tell of the tree that they lie in, whatever is installed

import planner  # noqa: E402
from planner import cli, schemas, units, validation  # noqa: E402

TOPICS = {
    "counting": "Counting: parameters, FLOPs, memory",
    "timing": "Timing: kernels, collectives, layer, step",
    "costing": "Costing: goodput, money, energy, serving, post-training",
    "estimate": "Composition: from a step to a training",
    "quality": "Quality: scaling laws, tokenizers",
    "schedule": "Schedule: one step stage by stage",
    "search": "Search: layouts and networks",
    "scenarios": "Scenarios: what limits, what would change",
    "validation": "Validation: published numbers made comparable",
}
"""Rooms of `planner` by the title of their page. The others have no formula of their own."""
WITH_TORCH = "planner.quality.ladder"
EMPHASIS = re.compile(r"(?<![\w*])\*(\w[^*\n]*\w)\*(?![\w*])")
SIGNS = re.compile(r"([*<$]|(?<=\w)_(?=\w)|\[(?=\d))")
CITES = re.compile(r"arXiv|et al\.|\bequation\b|§")
SYMBOLS = {
    "L": "layers", "h": "hidden size", "a": "attention heads", "k": "key/value heads", "d": "size of a head",
    "f": "width of the feed-forward block", "V": "vocabulary", "s": "sequence length",
    "b": "micro-batch, sequences", "T": "tokens of a micro-batch on a rank", "m": "micro-batches of a step",
    "t": "tensor-parallel degree", "p": "pipeline stages", "v": "virtual stages a rank", "n": "ranks of a group",
    "g": "ranks that share a state", "N": "parameters", "D": "training tokens", "C": "training compute, FLOP",
    "ℓ": "loss, nats a token", "α": "latency, or a law's exponent", "β": "bandwidth, or a law's exponent",
}  # fmt: skip
FORMULAS = """# Formulas

Every formula of the planner, one page a room of the code, written from the code itself when these pages were built:
the expression, the function that computes it with the names of its numbers, what it counts and leaves out, and its
source. Inside everything is SI. A formula takes a number or an array and gives back the same; what the window opens
when a figure is clicked, and the column *formula* of the CSV report, are these lines.

"""


def write(folder: Path) -> None:
    """Write every generated page into a folder, those that changed only."""
    pages = {**formulas(), "commands.md": commands(), "formats.md": formats(), "validation.md": published()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table; bars within cells are escaped."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    written = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]
    return "\n".join([written[0], "|" + "---|" * len(lines[0]), *written[1:]]) + "\n"


def formulas() -> dict[str, str]:
    """The formulas' pages: one a room and the list of them."""
    pages = {f"formulas-{room}.md": _room(room, title) for room, title in TOPICS.items()}
    listed = "".join(f"formulas-{room}\n" for room in TOPICS)
    symbols = table(("symbol", "meaning"), SYMBOLS.items())
    pages["formulas.md"] = (
        f"{FORMULAS}```{{toctree}}\n:maxdepth: 1\n\n{listed}```\n\n## Symbols\n\n"
        f"Where a formula's own text does not say otherwise:\n\n{symbols}"
    )
    return pages


def _room(room: str, title: str) -> str:
    parts = [f"# {title}\n"]
    for module in _modules(room):
        marked = [one for one in _functions(module) if hasattr(one, "expression")]
        cited = [one for one in _functions(module) if one not in marked and CITES.search(one.__doc__ or "")]
        if marked or cited:
            path = module.__name__.replace(".", "/") + ".py"
            parts.append(f"## {path}\n\n{_prose(module)}\n")
            parts += map(_formula, marked)
            parts += map(_method, cited)
    return "\n".join(parts)


def _modules(room: str) -> Iterator[ModuleType]:
    top = importlib.import_module(f"planner.{room}")
    yield top
    if hasattr(top, "__path__"):
        for found in pkgutil.iter_modules(top.__path__, f"planner.{room}."):
            if not found.name.startswith(WITH_TORCH):
                yield importlib.import_module(found.name)


def _functions(module: ModuleType) -> list[Callable[..., Any]]:
    """Its own public functions, in the order of the source."""
    own = [one for one in vars(module).values() if inspect.isfunction(one) and one.__module__ == module.__name__]
    own = [one for one in own if not one.__name__.startswith("_")]
    return sorted(own, key=lambda one: inspect.unwrap(one).__code__.co_firstlineno)


def _formula(function: Any) -> str:
    unit = f", in {function.unit}" if function.unit else ", a pure number"
    return (
        f"### {function.__name__}\n\n```text\n{function.expression}\n```\n\n`{_call(function)}`{unit}\n\n"
        f"{_prose(function)}\n\n*Source:* {function.source}.\n"
    )


def _method(function: Any) -> str:
    return f"### {function.__name__}\n\n`{_call(function)}`\n\n{_prose(function)}\n"


def _call(function: Callable[..., Any]) -> str:
    given = inspect.signature(function).parameters.values()
    names = (one.name if one.default is one.empty else f"{one.name}={one.default}" for one in given)
    return f"{function.__name__}({', '.join(names)})"


def _prose(documented: object) -> str:
    """A docstring as Markdown: what its signs would mean there is meant as it stands."""
    text = (inspect.getdoc(documented) or "").strip()
    outside = re.split(r"(`[^`]*`)", EMPHASIS.sub(r"_\1_", text))
    return "".join(part if part.startswith("`") else SIGNS.sub(r"\\\1", part) for part in outside)


def commands() -> str:
    """Every command with its options, as `--help` tells them."""
    parser = cli.command_parser(["search"])
    found = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    helped = {choice.dest: choice.help for choice in found._choices_actions}
    parts = [
        "# Commands\n\nAfter an installation the program is called `trainplan`; in a checkout it is `python main.py`. "
        "Without a command it opens the window. Tables and JSON go to stdout, everything else to stderr. Exit codes: 0 "
        "done (a plan that does not fit is an answer), 2 wrong input (every problem on its own line, field path "
        "first), 3 something is missing on this machine, 130 cancelled.\n"
    ]
    for name, command in found.choices.items():
        if name not in helped:  # the app's own way to long profiles
            continue
        parts.append(f"## {name}\n\n{_sentence(command.description or helped[name])}\n")
        rows = [(_spelled(one), _sentence(_helped(one, command))) for one in command._actions if one.dest != "help"]
        parts.append(table(("argument", "meaning"), rows) if rows else "It takes no arguments.\n")
    return "\n".join(parts)


def _spelled(action: argparse.Action) -> str:
    values = "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.metavar or action.dest
    if not action.option_strings:
        return f"`{values}`"
    return f"`{', '.join(action.option_strings)}{'' if action.nargs == 0 else f' {values}'}`"


def _helped(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    return (action.help or "one JSON object").replace("%(default)s", str(action.default))


def _sentence(text: str) -> str:
    told = text[:1].upper() + text[1:]
    return (told if told.endswith((".", "?", "!")) else f"{told}.").replace("$", r"\$").replace("*", r"\*")


def formats() -> str:
    """The user's files, field by field, from their schemas."""
    made = schemas.schemas()
    listed = table(
        ("folder", "what a file is", "schema"),
        ((f"`{kind}/`", _first(one["description"]), f"[{kind}.schema.json](../schemas/{kind}.schema.json)")
         for kind, one in made.items()),
    )  # fmt: skip
    parts = [
        "# File formats\n\nYour own files lie in one folder, in the same form as the shipped ones of `profiles/`; "
        "`trainplan doctor` names it and `TRAINPLAN_HOME` moves it. A file of yours wins over a shipped one of the "
        'same name. All are JSON; a quantity is a plain number in the unit below or a text such as `"2T"` or '
        '`"400 Gbit/s"`. A field without a default must be there; an unknown field is an error. '
        "`trainplan schemas DIR` writes the schemas for an editor that completes and checks.\n\n" + listed
    ]
    told: set[str] = set()
    for kind, one in made.items():
        parts.append(f"## {kind}\n\n{_sentence(one['description'])}\n\n{_fields(one)}")
        for name, part in one.get("$defs", {}).items():
            if name not in told and part.get("properties"):
                told.add(name)
                parts.append(f"### {name}\n\n{_sentence(part.get('description', ''))}\n\n{_fields(part)}")
    return "\n".join(parts)


def _first(text: str) -> str:
    return _sentence(re.split(r"(?<=\.)\s", text.strip())[0])


def _fields(schema: dict[str, Any]) -> str:
    rows = [
        (f"`{name}`", _type(field), field.get("unit", ""), _default(name, field, schema), _about(field))
        for name, field in schema["properties"].items()
    ]
    return table(("field", "type", "unit", "default", "meaning"), rows)


def _type(field: dict[str, Any]) -> str:
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "anyOf" in field:
        kinds = list(dict.fromkeys(_type(one) for one in field["anyOf"]))
        return " or ".join(kind for kind in kinds if kind != "text" or len(kinds) == 1 or "object" in kinds)
    if "enum" in field:
        return ", ".join(f"`{one}`" for one in field["enum"])
    bounds = [
        f"{sign} {units.show(field[key])}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">")) if key in field
    ]  # fmt: skip
    words = {"string": "text", "array": "list", "object": "object", "boolean": "true or false", "null": "null"}
    return " ".join([words.get(field.get("type", ""), field.get("type", "any")), *bounds])


def _default(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    if name in schema.get("required", []):
        return "**needed**"
    value = field.get("default")
    return "" if value in ("", None) or isinstance(value, dict | list) else f"`{value}`"


def _about(field: dict[str, Any]) -> str:
    title, told = field.get("title", ""), field.get("description", "")
    return _sentence(f"{title}: {told}" if title and told else told or title)


def published() -> str:
    """The validation report: the shipped published runs against today's predictions."""
    result = validation.validate(None)
    header = ("", "n", "mean error", "median", "90th percentile", "bias", "inside the 80 % band")
    metrics = table(header, (_score(name, one) for name, one in result.by_metric.items()))
    sources = table(header, (_score(name, one) for name, one in [*result.by_source.items(), ("all", result.summary)]))
    devices = table(header, (_score(name, one) for name, one in result.by_gpu.items()))
    fits = table(("of the configurations", "n"), ((key.replace("_", " "), n) for key, n in result.fits.items()))
    furthest = sorted((row for row in result.rows if row["error"] is not None), key=lambda row: -abs(row["error"]))
    worst = (
        (f"`{row['id']}`", row["source"], f"`{row['metric']}`", units.percent(row["error"], 0, sign=True))
        for row in furthest[:10]
    )
    skipped = [row for row in result.rows if row["skipped"]]
    reasons = table(("run", "why it is not scored"), sorted({(row["id"], row["skipped"]) for row in skipped}))
    return VALIDATION.format(
        runs=len({row["id"] for row in result.rows}), metrics=metrics, sources=sources, devices=devices, fits=fits,
        furthest=table(("run", "source", "metric", "error"), worst),
        skipped=len(skipped), reasons=reasons, version=planner.__version__,
    )  # fmt: skip


def _score(name: str, one: dict[str, Any]) -> tuple[str, ...]:
    shares = (units.percent(one[key]) for key in ("mape", "median_abs_error", "p90_abs_error"))
    inside = "" if one.get("within_band") is None else units.percent(one["within_band"], 0)
    return (f"`{name}`", str(one["n"]), *shares, units.percent(one["bias"], sign=True), inside)


VALIDATION = """# Validation report

`trainplan validate` of version {version}, run when these pages were built: {runs} published runs of the shipped table
(`profiles/runs.csv`, each with its source) against the predictions of this version. An error is predicted over
published, less one; the mean and the percentiles are of its size. Take a source's rows out of the fit, and the median
source is missed by 15 %: the 80 % bands are made of those errors, which is why more than 80 % of the fitted rows lie
inside them.

```sh
trainplan validate                      # the same on your machine, run by run
trainplan validate --runs mine.csv      # a table of your own
```

## By metric

{metrics}
## Step time by source

{sources}
## Step time by accelerator

{devices}
## Does it fit?

{fits}
## Furthest off

{furthest}
## On the larger tables

The shipped table holds at most 12 rows of a source. The constants were fitted and scored on whole tables:

```{{include}} ../../README.md
:start-after: "## How near it comes"
:end-before: "## More"
:relative-docs: docs/
```

## Not scored

{skipped} rows cannot be expressed or lack a number, and say so:

{reasons}"""


if __name__ == "__main__":
    write(ROOT / "docs" / "generated")
