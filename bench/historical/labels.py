"""The words that are shown for the labels and titles in the records of published experiments."""

SHOWN = {
    "a change after every": "an update after every",
    "every example": "every example",
    "over the examples": "over the examples",
    "over examples": "over examples",
    "example by example": "one example at a time",
    " a change": " per update",
    " a sweep": " per epoch",
    "every sweep": "every epoch",
    "forgiven beyond": "error dead zone beyond",
    "nothing forgiven": "no error dead zone",
    "direct connections from the inputs to the output": "input-output skip connections",
}
"""Words in the labels of records, and what is shown for them."""


def worded(label: str) -> str:
    """Return a label or a title of the records in the words that are shown."""
    for recorded, shown in SHOWN.items():
        label = label.replace(recorded, shown)
    return label
