"""The command line: what `make` calls. Exit codes: 0 passed or done, 1 failed, 2 could not check or could not do it."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from kubernetes.client.exceptions import ApiException
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from checker import paths
from checker.course import Course
from checker.errors import CourseError, UsageError

if TYPE_CHECKING:
    from checker.lab import Lab

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
console = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

Number = Annotated[int, typer.Argument(min=1, help="The lab's number.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Picture = Annotated[Path | None, typer.Option("--svg", help="Also write what the terminal shows to this SVG file.")]
Archive = Annotated[Path, typer.Argument(help="The tar file.")]
COULD_NOT = 2
INTERRUPTED = 130  # what typer makes of Ctrl-C


@app.command()
def start(number: Number) -> None:
    """Start a lab: make the cluster if there is none, set the scene, copy the files to edit."""
    from checker.cluster import kind, tools
    from checker.lab import open_lab

    files = Course().find(number)
    kind.up(paths.cluster_name(), console=console)
    lab = open_lab(number)
    fresh = lab.start()
    lab.copy_start()
    console.print(f"[bold]Lab {number}: {files.title}[/] {'is ready' if fresh else 'is already running'}.")
    console.print(f"  read      docs/{files.stem}.md, or the task alone: labs/{files.stem}/task.md")
    console.print(f"  edit      {_short(files.work)}/")
    if advice := tools.advice():
        console.print(f"  kubectl   your shell has none that fits; once a shell: {advice}", soft_wrap=True)
    command = f"kubectl --context {lab.api.context} apply -f {_short(files.work)}/"
    console.print(f"  apply     {command}", soft_wrap=True)
    console.print(f"  then      make check-{number}")


@app.command()
def check(number: Number, as_json: AsJson = False, svg: Picture = None) -> None:
    """Check your answer to a lab, by packets."""
    from checker import progress, report
    from checker.plugin import run_checks

    console.record = svg is not None
    lab = _lab(number)
    files = lab.files
    show = (lambda _: None) if as_json else (lambda record: report.print_check(console, record, files))
    record = run_checks(lab, show)
    progress.save(files.stem, progress.load(files.stem).after(record.first_failure))
    if as_json:
        print(report.to_json(record))
    else:
        report.print_end(console, record, files)
    if svg:
        report.save_picture(console, svg, f"make check-{number}")
    raise typer.Exit(record.exit_code)


@app.command()
def hint(number: Number) -> None:
    """Show one more hint for what failed last."""
    from checker import progress

    files = Course().find(number)
    kept = progress.load(files.stem)
    if not kept.check:
        raise UsageError(f"There is no failed check of lab {number} to give a hint for.", f"make check-{number}")
    rungs = files.hints.ladder(kept.check, kept.cause) or (f"Put the scene back with: make reset-{number}",)
    shown = min(kept.rungs + 1, len(rungs))
    for position, text in enumerate(rungs[:shown], 1):
        console.print(f"[bold]Hint {position} of {len(rungs)}[/]  ", end="")
        console.print(text, markup=False)
    if shown == len(rungs):
        console.print(f"That was the last one. The reference answer: make solution-{number}", style="dim")
    progress.save(files.stem, progress.Progress(kept.check, kept.cause, shown))


@app.command()
def reset(number: Number) -> None:
    """Put a lab back to its start; your files in work/ stay as they are."""
    lab = _lab(number)
    lab.reset()
    console.print(f"Lab {number} is back at its start. Your files in {_short(lab.files.work)}/ are as you left them.")


@app.command()
def stop(number: Number) -> None:
    """Take a lab off the cluster; your files in work/ stay as they are."""
    _lab(number).stop()
    console.print(f"Lab {number} is off the cluster.")


@app.command()
def solution(number: Number) -> None:
    """Print the reference answer of a lab."""
    for file in sorted((Course().find(number).folder / "solution").glob("*.yaml")):
        console.print(f"[dim]# {_short(file)}[/]", soft_wrap=True)
        console.out(file.read_text(encoding="utf-8"), highlight=False)  # never wrapped: it is YAML


@app.command()
def status(as_json: AsJson = False) -> None:
    """Show the cluster, and which labs run on it."""
    from checker import overview

    raise typer.Exit(overview.show(console, as_json))


@app.command()
def doctor() -> None:
    """Say what this machine has and lacks, with the command that mends it."""
    from checker.cluster import doctor as examination

    findings = examination.examine()
    console.print(examination.render(findings))
    raise typer.Exit(0 if examination.healthy(findings) else COULD_NOT)


@app.command()
def up() -> None:
    """Make the cluster, or mend it."""
    from checker.cluster import kind

    kind.up(paths.cluster_name(), console=console)


@app.command()
def down() -> None:
    """Delete the cluster and the outside container."""
    from checker.cluster import kind

    kind.down(paths.cluster_name(), console=console)


@app.command()
def images(
    names: Annotated[list[str] | None, typer.Argument(help="Images to make available; all by default.")] = None,
) -> None:
    """Pull the images, or build them from source where no registry answers."""
    from checker.cluster import images as catalogue
    from checker.cluster.progress import Reporter

    catalogue.ensure(names, reporter=Reporter(console))


@app.command("images-save")
def images_save(archive: Archive) -> None:
    """Save all images and tools to one file, for a machine without any network."""
    from checker.cluster import bundle
    from checker.cluster.progress import Reporter

    bundle.save(archive, reporter=Reporter(console))


@app.command("images-load")
def images_load(archive: Archive) -> None:
    """Load the images and tools that images-save wrote."""
    from checker.cluster import bundle

    bundle.load(archive)


@app.command("docker-start")
def docker_start() -> None:
    """Start Docker where it does not run; install it where it is missing, after a question."""
    from checker.cluster import daemon

    daemon.ensure(console)


@app.command()
def egress(state: Annotated[str, typer.Argument(help="block or unblock.")]) -> None:
    """Refuse, or allow again, that packets of the cluster's network leave this machine."""
    from checker.cluster import egress as wall

    actions = {"block": wall.block, "unblock": wall.unblock}
    if state not in actions:
        raise UsageError(f"{state!r} is neither block nor unblock.")
    actions[state]()


@app.command()
def prove(
    number: Annotated[int | None, typer.Argument(min=1, help="One lab; all by default.")] = None,
    times: Annotated[int, typer.Option(min=1, help="Prove so often in a row.")] = 1,
) -> None:
    """Prove labs: every answer on record gets the verdict it must, for the reason it states."""
    from checker import proof_report
    from checker.cluster import kind

    course = Course()
    labs = [course.find(number)] if number else course.labs()
    kind.up(paths.cluster_name(), console=console)
    raise typer.Exit(proof_report.run(labs, times, console))


@app.command()
def explain(
    number: Number,
    source: Annotated[str, typer.Argument(help="A workload, a node or outside, as in the lab's tables.")],
    target: Annotated[str, typer.Argument(help="workload:port, clusterip/service:port, http://name and such.")],
    as_json: AsJson = False,
) -> None:
    """Explain one cell: what the lab asks for, what the policies mean, what packets do, and why."""
    import json

    from checker import report
    from checker.explain import explain as explain_cell

    found = explain_cell(_lab(number), source, target)
    if as_json:
        print(json.dumps(found.record(), indent=2))
    else:
        console.print(report.explanation(found.record(), number))
    raise typer.Exit(0 if found.agree else 1)


@app.command()
def mutants(
    number: Annotated[int | None, typer.Argument(min=1, help="One lab; all by default.")] = None,
    seconds: Annotated[float, typer.Option(min=0, help="Begin no further mutant of a lab after this; 0: try all.")] = 0,
) -> None:
    """Change a lab's solution one field at a time and require that the checks notice, and only what matters."""
    from checker import mutation_report
    from checker.cluster import kind
    from checker.mutation import can_be_mutated

    course = Course()
    labs = [each for each in ([course.find(number)] if number else course.labs()) if can_be_mutated(each)]
    if not labs:
        raise UsageError(f"The solution of lab {number} holds nothing that can be taken apart.", "make")
    kind.up(paths.cluster_name(), console=console)
    raise typer.Exit(mutation_report.run(labs, seconds, console))


def main() -> None:
    """Run the command line and turn every foreseen error into one sentence and exit code 2."""
    # As with Ctrl-C, children are ended and half results taken away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
    except CourseError as error:
        code = _complain(error.message, error.mend)
    except ApiException as error:
        code = _complain(f"The cluster's API server says {error.status} {error.reason}.", "make status")
    except TyperException as error:
        message = error.format_message().rstrip(".")  # empty after the help that a bare call shows
        code = _complain(f"{message}.", "make") if message else COULD_NOT
    except typer.Abort:  # a question was answered with Ctrl-D
        code = INTERRUPTED
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        code = _complain("There is no disk space left.", "make doctor")
    if code == INTERRUPTED:
        code = _complain("Stopped. Nothing of yours is lost; the same command carries on.", None)
    sys.exit(code or 0)


def _complain(message: str, mend: str | None) -> int:
    complaints.print(Text.assemble(("? ", "bold yellow"), message), soft_wrap=True)
    if mend:
        complaints.print(Text.assemble("  Run: ", (mend, "bold")), soft_wrap=True)
    return COULD_NOT


def _lab(number: int) -> Lab:
    """Return a lab on the cluster in use, which must be up."""
    from checker.cluster import kind
    from checker.lab import open_lab

    files = Course().find(number)  # a wrong number is said before the cluster is looked at
    kind.require_up(paths.cluster_name())
    return open_lab(files.number)


def _short(path: Path) -> str:
    return os.path.relpath(path)
