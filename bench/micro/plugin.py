"""Plugin of pytest for the micro-benchmarks: their options, their parameters, and refusals as skips."""

from collections.abc import Generator

import pytest

from backprop_bench.bench.micro.extent import BATCH_SIZES, PARTS, PROFILES, usual_implementations
from backprop_bench.data import UnsupportedRecipe


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what is timed to the options of pytest."""
    group = parser.getgroup("backprop-bench")
    group.addoption("--micro-implementation", action="append", help="Only this implementation; repeatable.")
    group.addoption("--micro-batch-size", action="append", type=int, help="Examples of a batch; repeatable.")
    group.addoption("--micro-dataset", default="mnist", help="Name or path of the dataset.")
    group.addoption("--micro-rounds", default=PROFILES["default"].rounds, type=int, help="Most rounds of a benchmark.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat each benchmark for every part, batch size and implementation."""
    config = metafunc.config
    parameters = {
        "part": PARTS,
        "batch_size": config.getoption("micro_batch_size") or BATCH_SIZES,
        "name": config.getoption("micro_implementation") or usual_implementations(),
    }
    for parameter, values in parameters.items():
        if parameter in metafunc.fixturenames:
            metafunc.parametrize(parameter, values)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Skip a benchmark whose recipe the implementation refuses."""
    try:
        return (yield)
    except UnsupportedRecipe as refusal:
        pytest.skip(str(refusal))
