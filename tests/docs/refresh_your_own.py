"""Write what the commands of docs/your-own.md say into it: ``python -m tests.docs.refresh_your_own``."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "your-own.md"
QUOTED = re.compile(r"(?<=^```\n)\$ backprop-bench ([^\n]*)\n(.*?)(?=^```$)", re.DOTALL | re.MULTILINE)
"""The words of a command, and what it says."""
WIDTH = 120


def say(words: str) -> str:
    """Return what a command says on a terminal, without the names of the files that it writes."""
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
    lines = [line.rstrip() for line in done.stdout.splitlines() if not line.startswith(results)]
    return "\n".join(lines).rstrip() + "\n"


def main() -> None:
    """Run every command of the page, and write it anew."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(QUOTED.sub(lambda found: f"$ backprop-bench {found[1]}\n{say(found[1])}", page), encoding="utf-8")


if __name__ == "__main__":
    main()
