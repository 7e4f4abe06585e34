"""`autograder`: the instructor's commands. Each imports what it needs when it runs, so that --help is fast."""

from __future__ import annotations

import io
import json as jsonlib
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

# jsonschema imports it if it can, for a check that no notebook's schema asks for; that takes most of a second
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Root = Annotated[Path, typer.Option("--root", help="The course's folder: the one with nbgrader_config.py.")]
HERE = Path()


def _console() -> Console:
    """The terminal; wide enough for a class table where the output goes to a file."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


@app.callback()
def _any_terminal() -> None:
    """Release labs, check the checks, grade a class."""
    for stream in (sys.stdout, sys.stderr):  # one that knows no ✓ gets a question mark for it
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fail(message: str, code: int = 1) -> typer.Exit:
    typer.secho(message, err=True, fg="red")
    return typer.Exit(code)


@app.command()
def release(
    labs: Annotated[list[str] | None, typer.Argument(help="Names of labs; all by default.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; say what is out of date or leaks.")
    ] = False,
    record: Annotated[bool, typer.Option(help="Record the tests in the gradebook, as grading needs.")] = True,
    root: Root = HERE,
) -> None:
    """Make labs/ (and the notebook pairs) from the masters in solutions/."""
    from autograder.notebooks import freshness, leaks
    from autograder.notebooks.release import release as make

    root = root.resolve()
    try:
        if check:
            if found := freshness.stale(root) + leaks.leaks(root):
                raise _fail("\n".join(found) + "\nrun `autograder release` and commit what it writes")
            typer.echo("labs/ is what the masters make, and nothing leaks")
            return
        for path in make(root, labs, record):
            typer.echo(f"wrote {path.relative_to(root)}")
    except (ValueError, RuntimeError, OSError) as error:
        raise _fail(str(error)) from None


@app.command()
def selftest(
    exercises: Annotated[list[str] | None, typer.Argument(help="Names of exercises; all by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print every result as JSON.")] = False,
) -> None:
    """Check the checks: every known mistake must be rejected, every right answer accepted."""
    from dataclasses import asdict

    from autograder.checking.selftest import run_selftest
    from autograder.exercises import UnknownExercise, load

    try:
        for name in exercises or ():
            load(name)
    except UnknownExercise as error:
        raise _fail(str(error)) from None
    results, console = [], _console()
    for result in run_selftest(exercises):
        results.append(result)
        if result.problem and not json:
            console.print(
                f"{result.exercise}: {result.implementation}: {result.problem}", style="red", highlight=False
            )
    failures = sum(bool(result.problem) for result in results)
    if json:
        typer.echo(
            jsonlib.dumps({"failures": failures, "results": [asdict(result) for result in results]}, indent=1)
        )
    else:
        names = {result.exercise for result in results}
        typer.echo(f"{failures} failures: {len(results)} implementations of {len(names)} exercises")
    raise typer.Exit(bool(failures))


@app.command()
def grade(
    lab: Annotated[
        str | None,
        typer.Argument(help="Name of the lab: submitted/STUDENT/LAB is graded.", show_default=False),
    ] = None,
    all_labs: Annotated[bool, typer.Option("--all", help="All labs that somebody handed in.")] = False,
    student: Annotated[list[str] | None, typer.Option(help="Only this student (may be repeated).")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Submissions at a time.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has not changed.")] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, tcp://HOST:PORT: grade on its workers.")
    ] = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Only on workers with the resource GPU.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for a worker when there is none.")
    ] = 60.0,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Without a jail: learners' code runs with your rights.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print all results as one JSON document.")] = False,
    root: Root = HERE,
) -> None:
    """Grade a class and write its feedback; what is graded already and has not changed is left alone.

    Exit codes: 0 all is graded; 1 the machine failed on some submissions, which are listed; 2 nothing could be graded
    (the message says why); 130 stopped by Ctrl-C or SIGTERM, to be resumed.
    """
    from autograder.grading.batch import Options, Stopped
    from autograder.grading.gradebook import totals
    from autograder.grading.selection import misplaced, select
    from autograder.reporting.document import as_document
    from autograder.reporting.progress import grade_with_progress, show, warn

    if (lab is None) is not all_labs:
        raise _fail("say which lab: autograder grade LAB, or autograder grade --all", 2)
    if resume and (force or student):
        raise _fail("--resume goes on with the stopped run as it was: leave out --force and --student", 2)
    root, console = root.resolve(), Console(stderr=True) if json else _console()
    options = Options(jobs, force, resume, unsafe, scheduler, gpu, wait)
    reports, counted = {}, {}
    try:
        warn(misplaced(root), console)
        for name, students in select(root, lab, student or ()).items():
            reports[name] = grade_with_progress(root, name, console, students, options)
            counted[name] = totals(root, name)
            if not json:
                show(reports[name], console, name, counted[name])
    except Stopped as stop:
        what = "--all" if all_labs else lab
        typer.secho(f"{stop}; go on with: autograder grade {what} --resume", err=True, fg="yellow")
        raise typer.Exit(130) from None
    except (RuntimeError, ValueError) as error:
        raise _fail(str(error), 2) from None
    if json:
        typer.echo(jsonlib.dumps(as_document(reports, counted), indent=1))
    raise typer.Exit(any(not report.results for found in reports.values() for report in found))


@app.command()
def originality(
    lab: Annotated[str, typer.Argument(help="Name of the lab; it must be graded.")],
    least: Annotated[
        float, typer.Option(min=0, max=1, help="How alike the pairs listed are at least.")
    ] = 0.6,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write the pairs into this file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the pairs as JSON.")] = False,
    root: Root = HERE,
) -> None:
    """List answers that are alike, and those like the library's own: to look at, it changes no points."""
    from dataclasses import asdict

    from autograder.reporting.class_originality import compare_class, originality_table, write_csv

    try:
        pairs = compare_class(root.resolve(), lab, least)
        if csv is not None:
            with csv.open("w", newline="", encoding="utf-8") as file:
                write_csv(pairs, file)
    except (ValueError, OSError) as error:
        raise _fail(str(error)) from None
    if json:
        typer.echo(jsonlib.dumps([asdict(pair) for pair in pairs], indent=1))
    elif pairs:
        _console().print(originality_table(pairs, f"{lab}: answers that are alike"))
    else:
        typer.echo("no answers are that much alike")


@app.command()
def demo(
    jobs: Annotated[int, typer.Option(min=1, help="Submissions graded at a time.")] = 2,
    step: Annotated[
        list[int] | None, typer.Option(min=1, max=3, help="Only this step (may be repeated).")
    ] = None,
    root: Root = HERE,
) -> None:
    """Run everything once: generate the data, execute the solved lab 5, grade a sample class."""
    from autograder.demo import run_demo

    if wrong := run_demo(root.resolve(), _console(), jobs, tuple(step or (1, 2, 3))):
        raise _fail("not as it must be:\n" + "\n".join(f"  {line}" for line in wrong))
    typer.secho("everything is as it must be", fg="green")


@app.command()
def doctor(root: Root = HERE) -> None:
    """Say what this machine has of what the course needs."""
    from autograder.doctor import examine

    findings = list(examine(root.resolve()))
    for finding in findings:
        mark = "ok     " if finding.good else "MISSING" if finding.needed else "none   "
        typer.echo(f"{mark} {finding.what:<14} {finding.said}")
    raise typer.Exit(any(finding.needed and not finding.good for finding in findings))
