"""``backprop-bench micro``: pytest-benchmark on the parts of a training step."""

import os
import re
import subprocess
import sys
from pathlib import Path

import click

from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.machine.environment import thread_environment
from backprop_bench.bench.core.records.run_folder import LATEST, link_latest, new_run_folder
from backprop_bench.data import InputError

MICRO = Path(__file__).parent
ROUNDS = {"quick": 20, "default": 200, "full": 1000}
"""By profile, how often each part is timed."""
COLUMNS = "min,median,iqr,max,rounds"


@click.command()
@click.option(
    "--profile", type=click.Choice(list(ROUNDS)), default="default", show_default=True, help="Size of the run."
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder for results; by default that of the latest run."
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to use.")
def micro(profile: str, folder: Path | None, threads: int) -> None:
    """Time forward pass, backward pass, update, step and epoch with pytest-benchmark, each within one process.

    Writes micro.json, which `pytest-benchmark compare` reads, and a histogram (SVG) per group.

    \b
    Examples:
      backprop-bench micro
      pytest-benchmark compare results/reference/micro.json results/latest/micro.json --group-by=group,name
    """  # noqa: D301 (click reads the backspace)
    chosen_cores(None, threads)  # are there that many?
    if folder is None:
        folder = Path("results") / LATEST
        if not folder.exists():
            folder = new_run_folder(folder.parent, "micro")
            link_latest(folder)
    json_file = folder / "micro.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        json_file.touch()
    except OSError as error:
        raise InputError(f"{folder}: cannot write results there: {error.strerror}; expected a folder") from error
    command = [sys.executable, "-P", "-m", "pytest", str(MICRO), "-c", str(MICRO / "pytest.ini"), "-q"]
    command += ["-p", "no:cacheprovider", "--benchmark-only", f"--benchmark-columns={COLUMNS}"]
    command += ["--benchmark-sort=name", f"--benchmark-json={json_file}", f"--benchmark-histogram={folder / 'micro'}"]
    rounds = {"BACKPROP_BENCH_MICRO_ROUNDS": str(ROUNDS[profile])}
    variables = {**os.environ, **thread_environment(threads), **rounds}
    code = subprocess.run(command, env=variables, check=False).returncode
    for histogram in folder.glob("micro-*.svg"):
        forget_folders(histogram)
    raise SystemExit(code)


def forget_folders(histogram: Path) -> None:
    """Remove the paths of this machine from a histogram; they mean nothing elsewhere."""
    text = histogram.read_text(encoding="utf-8")
    histogram.write_text(re.sub(r"file://[^\"']*/", "", text), encoding="utf-8")


DESCRIPTORS = (Descriptor(micro),)
