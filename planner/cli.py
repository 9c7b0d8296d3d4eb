"""The command line: `python main.py COMMAND`. Tables go to stdout, everything else to stderr.

Each command imports what it needs only when it runs, so that the light ones answer at once. Exit codes: 0 done,
2 wrong input, 3 something is missing on this machine, 130 cancelled.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from planner import __version__, library
from planner.errors import InputError, TrainplanError, shorten, without_window

if TYPE_CHECKING:
    from planner.estimate import Estimate
    from planner.plan.plan import Plan
    from planner.scenarios.command import Answer

DEFAULT_PLAN = "llama-2-7b"
READABLE = ("torchtitan", "megatron", "deepspeed", "nanotron")
"""Engines whose training configs are read as plans."""
CONFIG_ENDINGS = (".toml", ".json", ".yaml", ".yml", ".sh", ".args", ".txt")


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code. No traceback reaches the user."""
    with contextlib.suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    options: argparse.Namespace | None = None
    try:
        options = command_parser(arguments).parse_args(arguments)
        if why := library.why_not_read():
            print(f"warning: {why}", file=sys.stderr)
        code = int(options.run(options) or 0)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except TrainplanError as error:
        if getattr(options, "events", False):
            print(error.event, flush=True)
        else:
            print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("cancelled", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _defect(error)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("the output cannot be written (no space left on its device); choose another place", file=sys.stderr)
        return 2
    except MemoryError:
        print("not enough memory on this machine for that; try something smaller", file=sys.stderr)
        return 3
    except Exception as error:  # the last resort
        return _defect(error)


def _defect(error: Exception) -> int:
    """A defect of ours, told in one line."""
    if os.environ.get("TRAINPLAN_DEBUG"):
        raise error
    told = f"unexpected {type(error).__name__}: {shorten(error, 300)}"
    print(f"{told} (set TRAINPLAN_DEBUG=1 for the details and please report it)", file=sys.stderr)
    return 1


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{shorten(message, 300)}; see: {self.prog} --help")


def command_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Every command with its options; those of `search` where the arguments name it."""
    parser = _Parser(prog="trainplan", description="Plan the training of a language model.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"trainplan {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for kind in ("plans", "models", "accelerators"):
        listing = commands.add_parser(kind, help=f"list the {kind} that are shipped, and your own")
        listing.set_defaults(run=_list, kind=kind)
    _add_estimate(commands)
    _add_search(commands, asked="search" in arguments[:1])
    _add_validate(commands)
    from planner.interchange import command as interchange
    from planner.interchange import prices_command as prices
    from planner.profiling import command as profiling
    from planner.profiling import reading_command as reading
    from planner.profiling import verify_command as verifying
    from planner.quality import command as quality
    from planner.quality import lifetime_command as lifetime
    from planner.quality import tokens_command as tokens
    from planner.quality.ladder import command as ladder
    from planner.scenarios import survey_command as survey
    from planner.search import network_command as network

    profiling.add_parser(commands)
    reading.add_parser(commands)
    verifying.add_parser(commands, plan_of, settings_of)
    quality.add_parsers(commands, add_plan_arguments, plan_of)
    ladder.add_parser(commands)
    lifetime.add_parser(commands, add_plan_arguments, plan_of)
    network.add_parser(commands, add_plan_arguments, plan_of)
    tokens.add_parser(commands)
    interchange.add_parser(commands, add_plan_arguments, plan_of)
    prices.add_parser(commands, print_table, print_json)
    survey.add_parser(commands, print_table, print_json)
    shots = commands.add_parser("screenshots", help="one PNG a page of the app, drawn offscreen")
    shots.add_argument("folder", metavar="DIR")
    shots.add_argument("--theme", choices=("light", "dark"), default="light")
    shots.add_argument("--size", default="1280x800", metavar="WIDTHxHEIGHT")
    shots.set_defaults(run=_screenshots)
    forms = commands.add_parser("schemas", help="the JSON Schema of each kind of file that you may write")
    forms.add_argument("folder", metavar="DIR")
    forms.set_defaults(run=_schemas)
    completion = commands.add_parser("completion", help="a shell's completion of these commands and options")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(run=_completion)
    doctor = commands.add_parser("doctor", help="versions, devices, libraries; what is missing and what mends it")
    doctor.set_defaults(run=_doctor)
    return parser


def add_plan_arguments(parser: argparse.ArgumentParser) -> None:
    """`PLAN [--model NAME|config.json] [--set KEY=VALUE]…`, read by `plan_of`."""
    parser.add_argument("plan", metavar="PLAN", help="a plan file, a training config, or the name of a shipped plan")
    parser.add_argument("--model", metavar="NAME", help="another model; sequence and layout are derived again for it")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="set a field, e.g. cluster.nodes=64 or recipe.tokens=2T",
    )  # fmt: skip
    parser.add_argument(
        "--from", choices=READABLE, dest="written_for", help="whose training config PLAN is (default: told from it)"
    )
    parser.add_argument(
        "--onto", metavar="PLAN", default=DEFAULT_PLAN,
        help="with a training config: whose machines, prices and missing fields to take (default: %(default)s)",
    )  # fmt: skip


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the arguments name, with model and settings applied; warnings go to stderr."""
    from planner.plan.file import load, with_settings

    settings = settings_of(options)
    plan = _training_config(options) or load(options.plan)
    if options.model:
        from planner.plan.derive import with_model

        plan, notes = with_model(plan, options.model)
        for note in notes:
            print(f"warning: {note}", file=sys.stderr)
    return with_settings(plan, settings) if settings else plan


def _training_config(options: argparse.Namespace) -> Plan | None:
    """The plan of another program's config, None where PLAN is a plan's file or name."""
    path, known = Path(options.plan), getattr(options, "written_for", None)
    if known is None:
        if path.suffix.lower() not in CONFIG_ENDINGS or not path.is_file():
            return None
        from planner.interchange import formats

        if not formats.is_training_config(path):
            return None
    from planner.interchange import command
    from planner.plan.file import load

    return command.read(path, known, load(getattr(options, "onto", DEFAULT_PLAN)))


def settings_of(options: argparse.Namespace) -> list[tuple[str, Any]]:
    """What `--set` says: (field path, value) each."""
    return [_setting(text) for text in options.settings]


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {shorten(text)!r}: write it as KEY=VALUE, e.g. cluster.nodes=64")
    words = value.strip()
    if words.lower() in ("true", "false"):
        return key.strip(), words.lower() == "true"
    if words.lower() in ("none", "null"):
        return key.strip(), None
    return key.strip(), words


def print_json(data: Any) -> None:
    """One JSON object on stdout; never NaN."""
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns aligned for reading: the first to the left, numbers to the right."""
    lines = [list(header), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    right = [all(_is_number(line[i]) for line in lines[1:]) for i in range(len(header))]
    for line in lines:
        cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(line, widths, right, strict=True))
        print("  ".join(cells).rstrip())


def _is_number(text: str) -> bool:
    return not text or text[:1].isdigit() or text[:1] in "$-–<≈"


def _list(options: argparse.Namespace) -> int:

    devices = ("accelerator", "dense 16-bit", "memory", "bandwidth", "price", "as of", "known by")
    header, row = {
        "plans": (("plan", "GPUs", "accelerator"), _plan_row),
        "models": (("model", "parameters", "layers", "width", "architecture"), _model_row),
        "accelerators": (devices, _device_row),
    }[options.kind]
    rows = []
    for name, path in library.paths(options.kind).items():
        try:
            with library.naming(path):
                rows.append(row(name))
        except InputError as error:  # one broken file of the user's hides nothing else
            for line in str(error).splitlines():
                print(f"warning: {line}", file=sys.stderr)
    print_table(header, rows)
    return 0


def _model_row(name: str) -> tuple[str, ...]:
    from planner.counting import parameters
    from planner.plan.shipped import model as shipped

    model = shipped(name)
    total, layers = int(parameters.of_model(model).total), model.layers + model.encoder_layers
    return model.name, f"{total:,}", str(layers), str(model.hidden), model.architecture


def _device_row(name: str) -> tuple[str, ...]:
    from planner import units
    from planner.plan import offers
    from planner.plan.shipped import accelerator
    from planner.timing.selection import known_by

    device = accelerator(name)
    peak = device.peak("bf16") or device.peak("fp16") or device.peak("fp32")
    price = offers.default(device.name)
    return (
        device.name, units.show(peak or float("nan"), "FLOP/s"), units.show(device.memory_bytes, "B"),
        units.show(device.memory_bandwidth_bytes_per_s, "B/s"),
        units.show(price.usd_per_gpu_hour, "USD/h") if price else "unknown", price.as_of if price else "",
        str(known_by(device)),
    )  # fmt: skip


def _plan_row(name: str) -> tuple[str, ...]:
    from planner.plan.file import load

    plan = load(name)
    return plan.name, f"{plan.cluster.gpus:,}", plan.cluster.accelerator.name


def _add_estimate(commands: Any) -> None:
    parser = commands.add_parser("estimate", help="FLOPs, memory, time, money, energy and carbon of a plan")
    add_plan_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object with plain SI numbers")
    parser.add_argument("--save", metavar="FILE", help="write the plan, with what --model and --set changed")
    parser.add_argument("--csv", metavar="FILE", help="write the cost report")
    parser.add_argument("--wide", action="store_true", help="the report with one row a scenario")
    parser.add_argument("--html", metavar="FILE", help="write the report as one self-contained page")
    parser.add_argument("--pdf", metavar="FILE", help="write the report for paper")
    parser.add_argument(
        "--report",
        metavar="DIR",
        help="write the report (HTML, PDF), the cost table, the charts and the plan into a folder",
    )
    parser.add_argument("--compare", nargs="+", metavar="PLAN", help="up to three plans beside this one")
    parser.add_argument("--sensitivity", action="store_true", help="every input over its stated range")
    parser.add_argument("--curve", metavar="INPUT", help="one input from end to end of its range")
    parser.add_argument("--advice", action="store_true", help="the top bottlenecks, each with one change")
    parser.add_argument("--schedule", action="store_true", help="what the pipeline's stages do in a step")
    parser.set_defaults(run=_estimate)


def _estimate(options: argparse.Namespace) -> int:
    from planner.estimate import estimate

    result = estimate(plan_of(options))
    for problem in result.problems:
        print(f"warning: {problem}", file=sys.stderr)
    if "" in (options.save, options.csv, options.html, options.pdf, options.report):
        raise InputError(
            "--save, --csv, --html and --pdf take the name of a file, --report of a folder; the one given is blank"
        )
    beside = _beside(result, options)
    if options.save:
        from planner.plan.file import save

        save(result.plan, Path(options.save))
        print(f"wrote {options.save}", file=sys.stderr)
    if options.csv:
        from planner.reports import csv_report

        if beside:
            csv_report.write_table(*beside[0].table, Path(options.csv))
        else:
            csv_report.write(result, Path(options.csv), wide=options.wide)
        print(f"wrote {options.csv}", file=sys.stderr)
    if options.html:
        from planner.reports import html_report

        html_report.write(result, Path(options.html))
        print(f"wrote {options.html}", file=sys.stderr)
    if options.pdf:
        from planner.reports import pdf_report

        pdf_report.write(result, Path(options.pdf))
        print(f"wrote {options.pdf}", file=sys.stderr)
    if options.report:
        _report(result, Path(options.report))
    if options.json:
        print_json({**result.json, **{answer.key: answer.json for answer in beside}})
    elif beside:
        print(result.verdict)
        for answer in beside:
            print(f"\n{answer.title}\n")
            if answer.shown[1]:
                print_table(*answer.shown)
    else:
        print_estimate(result)
    return 0


def _beside(result: Estimate, options: argparse.Namespace) -> list[Answer]:
    """What else was asked of an estimate; `--csv` writes one such table in place of the cost report."""
    if not any((options.compare, options.sensitivity, options.curve, options.advice, options.schedule)):
        return []
    from planner.scenarios.command import answers

    found = list(answers(result, options))
    if options.csv and len(found) > 1:
        raise InputError("--csv: one of --compare, --sensitivity, --curve, --advice, --schedule at a time")
    return found


def print_estimate(result: Estimate) -> None:
    """The verdict and every figure, as a table."""
    print(result.verdict)
    print()
    shown = [figure for figure in result.figures.values() if figure.value or "part" not in figure.key]
    rows = [(figure.section, figure.label, figure.text, figure.band_text, figure.kind) for figure in shown]
    print_table(("section", "figure", "value", "80 % band", "kind"), rows)
    print(f"\nprice: {result.price.told()}")
    print(f"energy: {result.energy_basis}")
    print(f"kernel times: {result.kernel_source} ({result.machine.device.basis})")
    print(f"collective times: {result.collective_source} ({result.collective_basis})")
    print(f"device: {result.provenance}")


def _report(result: Estimate, folder: Path) -> None:
    """Report, cost table, plan and charts in a folder, which is made when it is missing."""
    from planner.plan.file import save
    from planner.reports import csv_report

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); choose another place") from None
    csv_report.write(result, folder / "cost-report.csv")
    save(result.plan, folder / "plan.json")
    from planner.reports import html_report, pdf_report
    from planner.reports.charts import write_charts

    html_report.write(result, folder / "report.html")
    pdf_report.write(result, folder / "report.pdf")
    names = ("report.html", "report.pdf", "cost-report.csv", "plan.json")
    for path in [*(folder / name for name in names), *write_charts(result, folder)]:
        print(f"wrote {path}", file=sys.stderr)


def headless() -> int:
    """What the app shows first, without a screen: the default plan's table, cost report and charts under `out/`."""
    return run(["estimate", DEFAULT_PLAN, "--report", "out"])


def _add_search(commands: Any, *, asked: bool) -> None:
    """Its options are known to its own room, which takes a tenth of an estimate to load: only who asks for it waits."""
    if not asked:
        commands.add_parser("search", help="every layout of a plan, ranked, with the Pareto front")
        return
    from planner.search import command

    parser = command.add_parser(commands)
    add_plan_arguments(parser)
    parser.set_defaults(run=lambda options: command.run(options, plan_of(options)))


def _add_validate(commands: Any) -> None:
    parser = commands.add_parser("validate", help="published runs against predictions")
    parser.add_argument(
        "--runs",
        metavar="FILE.csv",
        help="a table, or a list as JSON, of your own runs; without it the shipped one, and those in your folder",
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    parser.set_defaults(run=_validate)


def _validate(options: argparse.Namespace) -> int:
    from planner.validation import command

    return command.run(options, print_table)


def _screenshots(options: argparse.Namespace) -> int:
    width, cross, height = options.size.lower().partition("x")
    in_range = all(side.isdigit() and len(side) <= 5 and 200 <= int(side) <= 10_000 for side in (width, height))
    if not (cross and in_range):
        raise InputError(f"--size {shorten(options.size)!r}: write it as WIDTHxHEIGHT in pixels, e.g. 1280x800")
    import importlib

    try:
        pictures = importlib.import_module("gui.pictures")  # the app is above the planner: loaded by name
    except ImportError as error:
        raise without_window(error) from None
    written = pictures.screenshots(Path(options.folder), options.theme, int(width), int(height))
    for path in written:
        print(path)
    return 0


def _completion(options: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(command_parser(["search"]), shell=options.shell))
    return 0


def _schemas(options: argparse.Namespace) -> int:
    from planner import schemas

    for path in schemas.write(Path(options.folder)):
        print(path)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from planner.doctor import report

    rows, complete = report()
    print_table(("what", "found", "mend with"), rows)
    return 0 if complete else 3
