"""What a page of a report says itself, around the report, and what its scripts say; in the language that is spoken."""

from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.panel import Panel


def page_words() -> dict[str, str]:
    """Return the words of the page, each by the key that its templates and scripts have for it."""
    return {
        "to_content": _("To the content"),
        "language": _("Language"),
        "colours": _("Colours"),
        "as_system": _("as the system"),
        "light": _("light"),
        "dark": _("dark"),
        "read_first": _("Read this first"),
        "appendix": _("Appendix"),
        "in_english": _("The appendix is in English."),
        "enlarge": _("Enlarge"),
        "enlarge_which": _("the figure {name}"),
        "figure": _("Figure {name}"),
        "figure_large": _("The figure, large"),
        "close": _("Close"),
    }


def panel_words(panel: Panel) -> dict[str, str]:
    """Return the words of the panel, those of its script included, which fills in their named places."""
    about = _(
        "This page computes what the networks of this run predict. Your drawing is scaled to {box} × {box} pixels and "
        "centred in {side} × {side} by its centre of mass, like the images of MNIST."
    )
    return {
        "about_panel": about.format(box=round(20 / 28 * panel.side), side=panel.side),
        "needs_script": _("This needs JavaScript, which is switched off."),
        "pad": _("Drawing area"),
        "pad_help": _(
            "Draw with mouse, pen or finger. By keyboard: the arrow keys move the pen, Space lowers and raises it, "
            "Delete clears the drawing."
        ),
        "pen_down": _("The pen is down."),
        "pen_up": _("The pen is up."),
        "cleared": _("The drawing is cleared."),
        "clear": _("Clear"),
        "examples": _("Examples of the test set"),
        "or_example": _("Or a test example:"),
        "example": _("Test example with label {which}"),
        "networks": _("Networks"),
        "seen": _("Input of the networks"),
        "empty": _("Nothing is drawn yet."),
        "predicts": _("{name} predicts {which} ({value})"),
        "next": _("; "),
        "predictions": _("{sentence}."),
        "predictions_of_example": _("A test example with label {which}. {predictions}."),
        "hidden_layer": _("Hidden layer {number}: {units} units, {active} above 0.5 in size"),
        **{f"question_{number}": title for number, title in enumerate(panel.questions)},
    }
