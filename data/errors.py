"""Errors that the user can correct."""


class InputError(ValueError):
    """Input from outside is wrong.

    The message is one sentence that says what is wrong, where, and what was expected. The command line prints it as
    it is and ends with exit code 2.
    """


class InvalidRecipe(InputError):  # noqa: N818
    """A recipe that describes no computation."""


class UnsupportedRecipe(InputError):  # noqa: N818
    """A valid recipe that an implementation does not support.

    Parameters
    ----------
    implementation
        Name of the implementation that refuses.
    field
        Name of the field of :class:`backprop_bench.data.Recipe` that it does not support.
    reason
        What it supports instead, or why it does not.
    """

    def __init__(self, implementation: str, field: str, reason: str) -> None:
        super().__init__(f"{implementation} cannot do this recipe: {field}: {reason}")
        self.implementation = implementation
        self.field = field
        self.reason = reason
