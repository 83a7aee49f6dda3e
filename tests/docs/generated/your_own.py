"""docs/your-own.md and docs/zh/your-own.md: what the commands of the first say."""

import os
import re
import shlex
import subprocess
import sys
import tempfile

from tests.docs.generated import ROOT

PAGE = ROOT / "docs" / "your-own.md"
QUOTED = re.compile(r"(?<=^```\n)\$ backprop-bench ([^\n]*)\n(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
"""The words of a command, and what it says."""
WIDTH = 120


def say(words: str) -> str:
    """Return what a command says on a terminal, without its stages and the names of the files that it writes."""
    with tempfile.TemporaryDirectory() as results:
        kept = ["--results", results] if words.startswith("compare") else []
        done = subprocess.run(
            [sys.executable, "-m", "backprop_bench", *shlex.split(words), *kept],
            cwd=ROOT,
            env={**os.environ, "COLUMNS": str(WIDTH)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    lines = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith((results, "Stage "))]
    return "\n".join(lines).replace(results, "results").rstrip() + "\n"


def page(text: str) -> str:
    """Run every command of the page, and return it with what they say."""
    return QUOTED.sub(lambda found: f"$ backprop-bench {found[1]}\n{say(found[1])}", text)


def chinese_page(text: str) -> str:
    """Return the Chinese page with what the English one has of every command: nothing is measured twice."""
    outputs = dict(QUOTED.findall(PAGE.read_text(encoding="utf-8")))
    return QUOTED.sub(lambda found: f"$ backprop-bench {found[1]}\n{outputs[found[1]]}", text)
