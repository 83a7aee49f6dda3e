"""The examples in C and JavaScript are right, and what is changed in them is named from what they write."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backprop_bench.bench.cli.main import main
from tests.docs.generated import ROOT

EXAMPLES = ROOT / "examples" / "vectors"
COMPILER = shutil.which("gcc") or shutil.which("cc")
NODE = shutil.which("node")
LONGEST = 110

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("vectors_examples")]
in_c = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
in_javascript = pytest.mark.skipif(NODE is None, reason="Node is not installed")


def run(*words: object) -> Result:
    return CliRunner().invoke(main, list(map(str, words)), env={"COLUMNS": "140"})


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders that the first lines of the examples have written."""
    folders = {}
    for name in ("network.c", "network.mjs"):
        command = re.search(r"backprop-bench (vectors .*) --out vectors$|(vectors) --out vectors$", source(name), re.M)
        assert command is not None, name
        folders[name] = tmp_path_factory.mktemp("vectors") / "vectors"
        result = run(*shlex.split(command[1] or command[2]), "--out", folders[name])
        assert result.exit_code == 0, result.output
    return folders


def source(name: str) -> str:
    return (EXAMPLES / name).read_text("utf-8")


def checked(name: str, folder: Path, vectors: dict[str, Path], old: str = "", new: str = "") -> Result:
    """Run an example with other code in one line, and check what it writes."""
    assert source(name).count(old) == 1 or not old
    program, theirs = folder / name, folder / ("theirs" if name.endswith(".c") else "theirs.json")
    program.write_text(source(name).replace(old, new) if old else source(name), "utf-8")
    if name.endswith(".c"):
        theirs.mkdir()
        words = [str(COMPILER), "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2", "-o", "network"]
        subprocess.run([*words, str(program), "-lm"], cwd=folder, check=True)
        subprocess.run([str(folder / "network"), str(vectors[name]), str(theirs)], check=True)
    else:
        subprocess.run([str(NODE), str(program), str(vectors[name]), str(theirs)], check=True)
    return run("check-vectors", vectors[name], theirs)


@pytest.mark.parametrize(
    "name", [pytest.param("network.c", marks=in_c), pytest.param("network.mjs", marks=in_javascript)]
)
def test_an_example_in_another_language_is_equal_in_all_it_could_write(
    name: str, tmp_path: Path, vectors: dict[str, Path]
) -> None:
    result = checked(name, tmp_path, vectors)
    assert result.exit_code == 0, result.output
    assert "Equal in float64: every error is within its tolerance." in result.output
    assert "Not compared" not in result.output


@pytest.mark.parametrize(
    ("name", "old", "new", "mistake"),
    [
        pytest.param(
            "network.c",
            "dEdy1[j] * hidden[j] * (1 - hidden[j]);",
            "dEdy1[j];",
            "the derivative of the hidden activation is missing",
            marks=in_c,
        ),
        pytest.param(
            "network.c",
            "dEdy2[k] * output[k] * (1 - output[k]);",
            "dEdy2[k];",
            "the derivative of the output activation is missing",
            marks=in_c,
        ),
        pytest.param(
            "network.mjs",
            "(y - target) / x.length",
            "y - target",
            "the gradient is the sum over the batch instead of the mean",
            marks=in_javascript,
        ),
        pytest.param(
            "network.mjs",
            "next[name] = descend(",
            "next[name] = name[0] === 'b' ? weights[name] : descend(",
            "the biases are never updated",
            marks=in_javascript,
        ),
    ],
)
def test_a_mistake_in_one_line_is_named(
    name: str, old: str, new: str, mistake: str, tmp_path: Path, vectors: dict[str, Path]
) -> None:
    result = checked(name, tmp_path, vectors, old, new)
    assert result.exit_code == 1, result.output
    assert f"A known mistake computes exactly this: {mistake}." in " ".join(result.output.split())


@pytest.mark.parametrize("path", sorted(EXAMPLES.iterdir()), ids=lambda path: path.name)
def test_an_example_in_another_language_is_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@in_c
def test_the_example_in_c_says_what_it_cannot_read(tmp_path: Path, vectors: dict[str, Path]) -> None:
    program = tmp_path / "network"
    subprocess.run([str(COMPILER), "-o", str(program), str(EXAMPLES / "network.c"), "-lm"], check=True)
    ended = subprocess.run([str(program), str(tmp_path), str(tmp_path)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{tmp_path}/json/x.json: expected {21 * 784} numbers" in ended.stderr
