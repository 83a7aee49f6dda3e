"""The command and its subcommands."""

import importlib.metadata
import os
import signal
import sys
from typing import Any

import click

from backprop_bench.bench.cli.export import export
from backprop_bench.bench.cli.info import doctor, list_all
from backprop_bench.bench.cli.new import new
from backprop_bench.bench.cli.questions import FOLDERS, descriptor
from backprop_bench.bench.cli.report import report
from backprop_bench.bench.cli.show import show
from backprop_bench.bench.cli.signals import exit_code
from backprop_bench.data import InputError

STOPPED = exit_code(signal.SIGINT)
CLOSED = exit_code(signal.SIGPIPE)
EXIT_CODES = (
    "Exit codes: 0 done, 1 verification failed, an implementation broke (now, or in the run that is shown) or is "
    f"slower than --fail-above allows, 2 wrong input, {STOPPED} stopped by Ctrl-C, {exit_code(signal.SIGTERM)} by "
    f"SIGTERM, {exit_code(signal.SIGHUP)} by SIGHUP, {CLOSED} broken pipe."
)


class _Refusal(click.ClickException):
    """Wrong input: one sentence, exit code 2."""

    exit_code = 2


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands of the questions and those that show runs."""
        return sorted({*super().list_commands(ctx), *FOLDERS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; that of a question is imported first."""
        command = descriptor(cmd_name).command if cmd_name in FOLDERS else super().get_command(ctx, cmd_name)
        if command is not None:
            command.epilog = EXIT_CODES
        return command

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


for _command in (report, show, export, new, list_all, doctor):
    main.add_command(_command)
