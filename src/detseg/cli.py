"""`detseg`: the library's command line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Measure the models of the course.", no_args_is_help=True, add_completion=False)


@app.callback()
def _commands() -> None:
    """Keeps `ladder` a command of its own, though it is the only one so far."""


@app.command()
def ladder(
    quick: Annotated[bool, typer.Option("--quick", help="Stored checkpoints on 40 scenes; minutes.")] = False,
    seed: Annotated[list[int] | None, typer.Option(help="Seed of the training (may be repeated).")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model (may be repeated).")] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    out: Annotated[
        Path, typer.Option(help="Folder of the results; what it holds is not measured again.")
    ] = Path("build/ladder"),
) -> None:
    """Measure every model of the lecture on the same scenes: cost, time, memory, accuracy."""
    from rich.console import Console

    from detseg.ladder.report import conditions, figure, table
    from detseg.ladder.run import climb
    from detseg.ladder.rungs import RUNGS

    known = [rung.name for rung in RUNGS]
    if wrong := sorted(set(model or ()) - set(known)):
        raise typer.BadParameter(f"no model {', '.join(wrong)}; there are {', '.join(known)}")
    console = Console()
    total = len(model or known) * (1 if quick else len(seed or [0]))
    done = iter(range(1, total + 1))

    def say(title: str, seed: int, resumed: bool) -> None:
        console.print(
            f"{next(done)}/{total} {title}, seed {seed}{', done before' if resumed else ''}", highlight=False
        )

    found = climb(out, quick, tuple(seed or (0,)), tuple(model or ()), threads, say)
    text = f"{table(found)}\n\n{conditions(found, threads)}\n"
    (out / "ladder.json").write_text(json.dumps([asdict(item) for item in found], indent=1))
    (out / "ladder.md").write_text(text)
    figure(found, out / "ladder.png")
    typer.echo(text)
    typer.echo(f"{out}/ladder.json, ladder.md, ladder.png")
