"""The command and its subcommands."""

import importlib.metadata
import os
import sys
from typing import Any

import click

from backprop_bench.bench.cli.export import export
from backprop_bench.bench.cli.info import doctor, list_all
from backprop_bench.bench.cli.report import report
from backprop_bench.bench.cli.running import STOPPED
from backprop_bench.bench.cli.show import show
from backprop_bench.bench.compare.command import compare
from backprop_bench.bench.explain.command import explain
from backprop_bench.bench.historical.command import reproduce
from backprop_bench.bench.ladder.command import ladder
from backprop_bench.bench.micro.command import micro
from backprop_bench.bench.scaling.command import scale
from backprop_bench.bench.selftest.command import calibrate
from backprop_bench.bench.selftest.repeatability_command import repeatability
from backprop_bench.bench.slides.command import slides
from backprop_bench.bench.time_to_accuracy.command import race
from backprop_bench.bench.train.command import train
from backprop_bench.bench.verify.command import parity
from backprop_bench.data import InputError

CLOSED = 141
"""Exit code for a broken pipe: 128 + SIGPIPE, as shells report it."""
EXIT_CODES = (
    "Exit codes: 0 done, 1 verification failed or an implementation broke (now, or in the run that is shown), "
    f"2 wrong input, {STOPPED} stopped by Ctrl-C, {CLOSED} broken pipe."
)


class _Refusal(click.ClickException):
    """Wrong input: one sentence, exit code 2."""

    exit_code = 2


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; an error that the user can fix ends in one sentence, without a traceback."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            raise _Refusal(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Stopped.", err=True)
            raise SystemExit(STOPPED) from None
        except BrokenPipeError:
            _forget_output()
            raise SystemExit(CLOSED) from None
        except OSError as error:
            raise _Refusal(f"{error.filename or 'output'}: {error.strerror}") from error


def _forget_output() -> None:
    """Redirect standard output to the null device, so that flushing it at exit does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(
    epilog=EXIT_CODES, cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(importlib.metadata.version("backprop-bench"), prog_name="backprop-bench")
def main() -> None:
    """Compare back-propagation from scratch with PyTorch's.

    Are both correct? How fast is each? Why does the framework's version differ?

    \b
    Examples:
      backprop-bench compare --profile quick
      backprop-bench show results/latest
      backprop-bench parity path/to/mine.py:Mine
      backprop-bench COMMAND --help
    """  # noqa: D301 (click reads the backspace)


for _command in (
    compare,
    explain,
    ladder,
    scale,
    race,
    reproduce,
    parity,
    micro,
    report,
    show,
    slides,
    export,
    calibrate,
    repeatability,
    train,
    list_all,
    doctor,
):
    _command.epilog = EXIT_CODES
    main.add_command(_command)
