"""The one kind of error that is the user's to mend."""


class InputError(ValueError):
    """Something given from outside is wrong.

    The message is one sentence that says what is wrong, where, and what was expected. The command line prints it as
    it is and ends with exit code 2.
    """


class InvalidRecipe(InputError):  # noqa: N818
    """A recipe that describes no computation."""


class UnsupportedRecipe(InputError):  # noqa: N818
    """A recipe that is valid, but that one implementation cannot do.

    Parameters
    ----------
    implementation
        Name of the implementation that refuses.
    field
        Name of the field of :class:`backprop_bench.data.Recipe` that it cannot do.
    reason
        What it can do instead, or why it cannot.
    """

    def __init__(self, implementation: str, field: str, reason: str) -> None:
        super().__init__(f"{implementation} cannot do this recipe: {field}: {reason}")
        self.implementation = implementation
        self.field = field
        self.reason = reason
