"""`scratch-cuda` in Numba's simulator, which runs kernels as Python, and where it is unavailable."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from backprop_bench.bench.core.implementations import named_implementation

SIMULATED = Path(__file__).with_name("in_cuda_simulator.py")


@pytest.mark.slow
def test_the_kernel_computes_what_numpy_computes_in_the_simulator() -> None:
    pytest.importorskip("numba")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(SIMULATED)]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}  # Numba looks at it when it is imported
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "11 passed" in result.stdout


def test_without_a_gpu_that_is_the_reason_and_not_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    reason = named_implementation("scratch-cuda").unavailable()
    assert reason == "needs an NVIDIA GPU, and nvidia-smi is not found"
