"""``backprop-bench new``: a file to begin with."""

from pathlib import Path

import click

from backprop_bench.data import InputError

TEMPLATES = Path(__file__).with_name("templates")
STYLES = ("functions", "columns", "class", "torch", "jax")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--style", type=click.Choice(STYLES), default="functions", show_default=True, help="What it is made of.")
def new(file: Path, style: str) -> None:
    """Write a network to FILE, with its check, for you to replace by your own.

    The file runs as it is: `python FILE` checks it, and so does `backprop-bench parity FILE:Mine`. Styles: two
    functions; functions with examples in columns, [features, examples], and the weights in a dict; a class that trains
    itself; a module of PyTorch; a loss in JAX.

    \b
    Examples:
      backprop-bench new mine.py
      backprop-bench new mine.py --style columns
    """  # noqa: D301 (click reads the backspace)
    if file.suffix != ".py":
        raise InputError(f"{file}: expected the name of a Python file, such as mine.py")
    text = (TEMPLATES / f"{style}.py").read_text("utf-8").replace("FILE", file.name)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise InputError(f"{file} exists already; expected the name of a new file") from None
    except OSError as error:
        raise InputError(f"{file}: cannot write: {error.strerror}") from error
    click.echo(f"{file}: check it with python {file}, or with backprop-bench parity {file}:Mine")
