"""The site, as `make docs` builds it: once for all tests, whichever process asks first."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from tests.docs.pages import ROOT, read


def recipe() -> list[str]:
    """Return the words of `make docs` after the name of Python, of which the last is the folder of the site."""
    line = re.search(r"^docs:.*\n(?:\t.*\n)*?\t\$\(BIN\)/python (.*)\n", read(ROOT / "Makefile"), re.MULTILINE)
    assert line is not None
    return line[1].split()


def built_site(factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, with every page in it."""
    shared = factory.getbasetemp()
    if shared.name.startswith("popen"):  # of a worker of pytest-xdist, beside those of the others
        shared = shared.parent
    site = shared / "site"
    with FileLock(shared / "site.lock"):
        if not (site / "index.html").exists():
            words = [str(shared / "doctrees") if word == "build/site" else word for word in recipe()[:-1]]
            command = [sys.executable, *words, str(site)]
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
    return site
