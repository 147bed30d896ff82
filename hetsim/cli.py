"""The commands. Whatever is heavy is imported inside the command that needs it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from hetsim import __version__

app = typer.Typer(
    help="How fast, how frugal, how right: simulate machine learning on CPUs, GPUs, accelerators and "
    "memristive in-memory computing.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

Scenario = Annotated[
    str,
    typer.Argument(metavar="SCENARIO", help="A scenario: a YAML file, a name of the library, or a result.json."),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one value of the resolved scenario; may be repeated."),
]
Seed = Annotated[int | None, typer.Option(metavar="N", help="Seed of all randomness, instead of the scenario's.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder to write results and plots into; without it nothing is written.", metavar="DIR"),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON to standard output, and nothing else.")]
Plots = Annotated[bool, typer.Option(help="Draw the plots into DIR, or not.")]


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator of a command: errors are told to a person, and become the exit status."""

    @functools.wraps(command)
    def wrapped(*args: Any, **options: Any) -> None:
        from hetsim.errors import HetsimError, tell

        try:
            command(*args, **options)
            sys.stdout.flush()
        except HetsimError as error:
            print(tell(error), file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            _let_go()

    return wrapped


def _let_go() -> NoReturn:
    """The reader of our output has gone: say nothing more, not even when Python closes the stream."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(1)


def _version(asked: bool) -> None:
    if asked:
        print(f"hetsim {__version__}")
        raise typer.Exit


@app.callback()
def hetsim(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
@told
def run(
    scenario: Scenario,
    sets: Sets = None,
    seed: Seed = None,
    out: Out = None,
    json: Json = False,
    explain: Annotated[
        str | None,
        typer.Option(metavar="OP", help="Show an op's plan step by step, and why it was placed there."),
    ] = None,
    trace_limit: Annotated[int, typer.Option(min=0, metavar="N", help="At most so many spans in trace.json.")] = 20_000,
    plots: Plots = True,
) -> None:
    """Simulate a scenario once."""
    from hetsim import engine, files, terminal
    from hetsim.scenario import load

    if out is not None:
        files.check_folder(out)
    question = load(scenario, sets or (), seed)
    options = engine.explain(question, explain) if explain else []
    with terminal.Progress("simulating") as progress:
        result = engine.simulate(question, progress=progress)
    written = result.save(out, trace_limit=trace_limit, plots=plots) if out is not None else []
    _show(terminal.summary(result.document), files.dump(result.document) if json else None)
    if explain:
        _print(terminal.explanation(explain, options), stderr=json)
    if written:
        _say_written(out, written, stderr=json)
        _say_capped(result.trace, trace_limit, stderr=json)


@app.command()
@told
def study(
    scenario: Scenario,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Worker processes; by default one for each core.")
    ] = None,
    sets: Sets = None,
    seed: Seed = None,
    out: Out = None,
    json: Json = False,
    plots: Plots = True,
) -> None:
    """Simulate every point of a scenario's sweep: one table, and plots against the axes."""
    from hetsim import files, studies, terminal
    from hetsim.scenario import load

    if out is not None:
        files.check_folder(out)
    question = load(scenario, sets or (), seed)
    with terminal.Progress("studying") as progress:
        answer = studies.study(question, workers or _cores(), progress)
    written = answer.save(out, plots=plots) if out is not None else []
    _show(terminal.study(answer), files.dump(answer.document) if json else None)
    if written:
        _say_written(out, written, stderr=json)
    for point, error in answer.failed:
        values = ", ".join(f"{path}={value}" for path, value in point.items())
        print(f"failed: {values}\n{error}", file=sys.stderr)
    if answer.failed:
        raise typer.Exit(1)


@app.command()
@told
def validate(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SCENARIO...]", help="Scenarios with expect; by default all of the library."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Let known misses count as failures.")] = False,
) -> None:
    """Run scenarios that expect something; print what is published beside what is simulated."""
    from hetsim import terminal
    from hetsim import validate as validation

    with terminal.Progress("validating") as progress:
        rows = validation.validate(scenarios or (), progress)
    _print(terminal.validation(rows))
    if validation.failures(rows, strict):
        raise typer.Exit(1)


@app.command()
@told
def calibrate(
    device: Annotated[str, typer.Argument(metavar="cpu|gpu", help="What of this machine to measure.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The datasheet to write.")],
    seconds: Annotated[float, typer.Option(min=0, metavar="S", help="About how long to measure.")] = 40.0,
    threads: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of a CPU: so many threads; by default one for each core.")
    ] = None,
) -> None:
    """Measure this machine and write its datasheet; for a GPU also its times and its link to the host."""
    from hetsim import calibrate as calibration
    from hetsim import terminal
    from hetsim.calibrate.card import free
    from hetsim.errors import InputError, did_you_mean

    if device not in ("cpu", "gpu"):
        raise InputError.of(f"there is no {device!r} to measure", did_you_mean(device, ("cpu", "gpu")))
    free(out)
    with terminal.Progress("measuring") as progress:
        card = calibration.cpu(threads, seconds, progress) if device == "cpu" else calibration.gpu(0, seconds, progress)
    for path in card.write(out):
        print(f"written {path}")


@app.command()
@told
def plot(folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that --out wrote.")]) -> None:
    """Draw the plots of a run or a study again, from what is in its folder."""
    from hetsim.result import Result

    if (folder / "study.json").is_file():
        from hetsim.studies import StudyResult

        names = StudyResult.load(folder).redraw(folder)
    else:
        names = Result.load(folder).redraw(folder)
    _say_written(folder, names)


@app.command()
@told
def check(
    names: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, folders, or names of the library.")],
) -> None:
    """Validate scenarios, datasheets and workloads; runs nothing."""
    from hetsim import library
    from hetsim.errors import InputError, Problem

    wrong: list[Problem] = []
    for path in [path for name in names for path in library.files(name)]:
        try:
            print(f"ok  {path}: {library.check(path)}")
        except InputError as error:
            wrong += error.problems
    if wrong:
        raise InputError(wrong)


@app.command(name="list")
@told
def list_(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="components, workloads, scenarios, a folder such as gpus, schedulers or data.",
        ),
    ],
) -> None:
    """Show what the library holds."""
    from hetsim import library, terminal

    titles, rows = library.listing(kind)
    _print([terminal.table(titles, rows)])


@app.command()
@told
def schema(
    kind: Annotated[
        str | None,
        typer.Option(metavar="KIND", help="A kind of datasheet, scheduler or workload, such as gpu."),
    ] = None,
) -> None:
    """Print the JSON Schema of scenario files, or of another kind of file, for editors."""
    from hetsim import files, library

    _write(files.dump(library.schema(kind)))


def _cores() -> int:
    """The cores that this process may use."""
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _show(renderables: Any, json: str | None) -> None:
    """Print JSON as it is, else what a person reads."""
    if json is None:
        _print(renderables)
    else:
        _write(json)


def _write(json: str) -> None:
    """JSON is UTF-8, whatever the terminal's encoding."""
    sys.stdout.flush()
    sys.stdout.buffer.write(json.encode())


def _print(renderables: Any, stderr: bool = False) -> None:
    from hetsim import terminal

    console = terminal.console(stderr)
    for renderable in renderables:
        console.print(renderable)


def _say_written(folder: Path | None, names: list[str], stderr: bool = False) -> None:
    print(f"written to {folder}: {', '.join(names)}", file=sys.stderr if stderr else sys.stdout)


def _say_capped(trace: Any, limit: int, stderr: bool) -> None:
    total = len(trace.spans) + len(trace.transfers)
    if total > limit:
        text = f"trace.json holds the first {limit:,} of {total:,} spans (--trace-limit); the tables hold all"
        print(text, file=sys.stderr if stderr else sys.stdout)


def main() -> None:
    """The command line's entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without µ still gets its table
    app(prog_name="hetsim")
