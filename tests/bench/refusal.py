"""What wrong input gets."""

from click.testing import Result


def refused(result: Result, *words: str) -> None:
    """Exit code 2, one sentence with these words in it, no traceback."""
    assert result.exit_code == 2, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    error = result.output.strip().splitlines()[-1]
    assert error.startswith("Error: ")
    for word in words:
        assert word in error
    assert "Traceback" not in result.output
