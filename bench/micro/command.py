"""``backprop-bench micro``: pytest-benchmark on the parts of a training step."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from backprop_bench.bench.cli.dataset_options import dataset_options, load_and_say
from backprop_bench.bench.cli.output import Output
from backprop_bench.bench.cli.questions import Descriptor
from backprop_bench.bench.core.engine.plan import check_available
from backprop_bench.bench.core.implementations import named_implementation
from backprop_bench.bench.core.machine.cores import chosen_cores
from backprop_bench.bench.core.machine.environment import thread_environment
from backprop_bench.bench.core.records.run_folder import LATEST, link_latest, new_run_folder
from backprop_bench.bench.micro.extent import BATCH_SIZES, PROFILES
from backprop_bench.bench.micro.view import how_to_compare, per_example_table
from backprop_bench.bench.report.findings import Finding, Findings
from backprop_bench.data import InputError

MICRO = Path(__file__).parent
STORAGE = Path(".benchmarks")
"""Where pytest-benchmark saves its runs and looks for them."""
HISTOGRAMS = "micro-*.svg"


@click.command()
@click.option("--implementation", "implementations", multiple=True, help="Only this one; repeatable.")
@click.option(
    "--batch-size",
    "batch_sizes",
    multiple=True,
    type=click.IntRange(min=1),
    default=BATCH_SIZES,
    show_default=True,
    help="Examples of a batch; repeatable.",
)
@dataset_options
@click.option(
    "--profile", type=click.Choice(list(PROFILES)), default="default", show_default=True, help="Size of the run."
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Folder for results; by default that of the latest run."
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to use.")
def micro(
    implementations: tuple[str, ...],
    batch_sizes: tuple[int, ...],
    dataset: str,
    profile: str,
    folder: Path | None,
    threads: int,
) -> None:
    """Time fetch, forward pass, backward pass, update, step and epoch with pytest-benchmark, within one process.

    Writes micro.json and a histogram (SVG) per group, and saves the run where `pytest-benchmark list` and
    `pytest-benchmark compare` find it: in .benchmarks.

    \b
    Examples:
      backprop-bench micro
      backprop-bench micro --implementation scratch-numpy --implementation mine.py:Mine --batch-size 32
      pytest-benchmark compare 0001 0002 --group-by=group,name
    """  # noqa: D301 (click reads the backspace)
    chosen_cores(None, threads)  # are there that many?
    _check(implementations, batch_sizes, dataset)
    folder = _folder_for_results(folder)
    options = [f"--micro-implementation={name}" for name in dict.fromkeys(implementations)]
    options += [f"--micro-batch-size={size}" for size in dict.fromkeys(batch_sizes)]
    options += [f"--micro-dataset={dataset}", f"--micro-rounds={PROFILES[profile].rounds}"]
    options += [f"--benchmark-max-time={PROFILES[profile].seconds}"]
    options += [f"--benchmark-json={folder / 'micro.json'}", f"--benchmark-histogram={folder / 'micro'}"]
    before = _saved_runs()
    variables = {**os.environ, **thread_environment(threads), **_NO_OTHER_PLUGINS}
    code = subprocess.run([*_PYTEST, *options], env=variables, check=False).returncode
    for histogram in folder.glob(HISTOGRAMS):
        forget_folders(histogram)
    _print(folder / "micro.json", before)
    raise SystemExit(1 if code else 0)


_PYTEST = [sys.executable, "-P", "-m", "pytest", str(MICRO), "-c", str(MICRO / "pytest.ini"), "-q", "-rs", "--tb=short"]
_PYTEST += ["-p", "no:cacheprovider", "--benchmark-only", "--benchmark-autosave"]
_PYTEST += ["--benchmark-columns=min,median,iqr,max,rounds", "--benchmark-sort=name"]
_NO_OTHER_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""Plugins of pytest that happen to be installed may change order or times."""


def _check(implementations: Sequence[str], batch_sizes: Sequence[int], dataset: str) -> None:
    """Raise `InputError` for what cannot be timed, before anything is written."""
    for name in implementations:
        check_available(name)
        if named_implementation(name).side == "yours":
            named_implementation(name).load()
    n_train = len(load_and_say(dataset).x_train)
    if max(batch_sizes) > n_train:
        raise InputError(
            f"--batch-size is {max(batch_sizes)}, but {dataset} has {n_train} training examples; "
            f"expected at most {n_train}"
        )


def _folder_for_results(folder: Path | None) -> Path:
    """Return the folder, made where there is none and without micro-benchmarks of before."""
    if folder is None:
        folder = Path("results") / LATEST
        if not folder.exists():
            folder = new_run_folder(folder.parent, "micro")
            link_latest(folder)
    for path in (folder, STORAGE):
        try:
            path.mkdir(parents=True, exist_ok=True)
            if path is folder:
                (folder / "micro.json").write_bytes(b"")
        except OSError as error:
            raise InputError(f"{path}: cannot write results there: {error.strerror}; expected a folder") from error
    for histogram in folder.glob(HISTOGRAMS):
        histogram.unlink()
    return folder


def _saved_runs() -> list[str]:
    """Return the names of the files of the runs that pytest-benchmark has saved, in their order."""
    return sorted(path.name for path in STORAGE.glob("*/[0-9][0-9][0-9][0-9]_*.json"))


def _print(json_file: Path, before: Sequence[str]) -> None:
    """Print the times per example and how to compare them; without any, leave no file behind."""
    text = json_file.read_text(encoding="utf-8")
    if not text:
        json_file.unlink()
        click.echo("Nothing was timed, so no micro.json is left.", err=True)
        return
    Output().show(Findings([Finding("micro", tables=[per_example_table(json.loads(text)["benchmarks"])])]))
    for saved in sorted(set(_saved_runs()) - set(before)):
        click.echo(how_to_compare(before, saved))


def forget_folders(histogram: Path) -> None:
    """Remove the paths of this machine from a histogram; they mean nothing elsewhere."""
    text = histogram.read_text(encoding="utf-8")
    histogram.write_text(re.sub(r"file://[^\"']*/", "", text), encoding="utf-8")


DESCRIPTORS = (Descriptor(micro),)
