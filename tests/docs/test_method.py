"""What docs/method.md says of the measuring is what the committed trials and runs say."""

from tests.docs.refresh_method import PAGE, blocks, pattern


def test_the_numbers_in_the_page_are_those_of_the_committed_trials_and_runs() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, block in blocks().items():
        found = pattern(name).search(text)
        assert found is not None, name
        assert found.group() == block, "python -m tests.docs.refresh_method"
