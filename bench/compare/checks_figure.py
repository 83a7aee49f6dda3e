"""Figure: every check of the verification, a dot each: its error as a share of its tolerance."""

from collections.abc import Sequence

from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.steps import is_recipe, shown_label
from backprop_bench.bench.core.records.kinds import TimedWork, Verification
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report import style
from backprop_bench.bench.report.drawing import Drawing
from backprop_bench.bench.report.language import _
from backprop_bench.bench.report.numbers import count, in_turn, named, two_digits, with_percent_sign

NAMES, WIDE_NAMES, LETTERS = 1.85, 2.15, 28
ROW, ABOVE, BELOW, WORK_LEGEND = 0.3, 0.46, 0.5, 2.1
LEAST = 1e-6
"""A smaller share, and an error of 0, is drawn here."""
PASSED, FAILED = "#0a5fa8", "#b3400a"
WORK = "#00735c"


def missing(summary: Summary) -> str | None:
    """Return why there is nothing to draw."""
    return None if _checks(summary) else "no check was recorded"


def draw(summary: Summary, width: float) -> Drawing:
    """Draw a row per implementation, over all recipes."""
    page, checks = style.Page(width), _checks(summary)
    title = _title(checks)
    page.text(title, style.LARGE, weight="bold")
    page.band(ABOVE + ROW * len(_rows(checks)) + BELOW, lambda band: _draw(band, checks, width))
    note = _(
        "Errors as a share of their tolerance, which follows from rounding; below the line: recipes between the "
        "article's two networks. Circles: against the other framework or central differences; diamonds: against "
        "another implementation, which does the timed work again."
    )
    page.text(note, style.SMALL, color=style.GREY)
    text = _("{name}: {checks}, largest error {share}")
    each = in_turn(
        text.format(
            name=named(shown_label(name)), checks=count(len(items), "check"), share=_share(max(map(_of, items)))
        )
        for name, items in _rows(checks).items()
    )
    alt = _("{title}. {each}. {note}").format(title=title, each=each, note=note)
    return Drawing("checks", title, alt, page.figure())


Check = Verification | TimedWork


def _checks(summary: Summary) -> list[Check]:
    verifications: list[Check] = [check for question in summary.questions for check in question.verifications]
    return [*verifications, *(work for question in summary.questions for work in question.works)]


def _rows(checks: Sequence[Check]) -> dict[str, list[Check]]:
    """Return the checks by implementation, then by recipe; a reference that is verified on many recipes is one."""
    rows: dict[str, list[Check]] = {}
    for check in checks:
        rows.setdefault(check.implementation.partition(": ")[0].removesuffix(" (A/A)"), []).append(check)
    return {name: rows[name] for name in sorted(rows, key=is_recipe)}


def _of(check: Check) -> float:
    """Return the share of its tolerance that the error of a check is; beyond all of them where there is no error."""
    return float("inf") if check.difference is None and not check.passed else answer.share_of_tolerance(check)


def _title(checks: Sequence[Check]) -> str:
    failed = sum(not check.passed for check in checks)
    if failed:
        return _("{failed} of {checks} failed").format(failed=failed, checks=count(len(checks), "check"))
    largest = _share(max(map(_of, checks)))
    return _("All {checks} passed; the largest error is {share} of its tolerance").format(
        checks=count(len(checks), "check"), share=largest
    )


def _share(value: float) -> str:
    return with_percent_sign(two_digits(100 * value))


def _draw(band: style.Band, checks: Sequence[Check], width: float) -> None:
    rows = _rows(checks)
    wide = width > style.PHONE_INCHES
    names = WIDE_NAMES if wide else NAMES
    axes = band.axes(style.MARGIN + names, width - 2 * style.MARGIN - names - 0.2, ABOVE, BELOW)
    style.name_rows(axes, list(map(shown_label, rows)), letters=LETTERS)
    axes.tick_params(axis="y", labelsize=style.NORMAL if wide else style.SMALL)
    recipes = sum(map(is_recipe, rows))
    if 0 < recipes < len(rows):
        axes.axhline(len(rows) - recipes - 0.5, color=style.GREY, linewidth=0.8)
    for row, items in enumerate(rows.values()):
        for check in items:
            is_work = isinstance(check, TimedWork)
            colour = FAILED if not check.passed else WORK if is_work else PASSED
            share = min(max(_of(check), LEAST), 10.0)
            axes.plot([share], [row], "D" if is_work else "o", color=colour, markersize=5, alpha=0.6, markeredgewidth=0)
    axes.axvline(1, color=style.INK, linewidth=1.2)
    axes.annotate(_("tolerance"), (1, -0.5), (-4, 4), textcoords="offset points", ha="right", fontsize=style.SMALL)
    _write_legend(band, checks)
    axes.set_xscale("log")
    axes.set_xlim(LEAST / 1.5, 20 if any(not check.passed for check in checks) else 3)
    axes.xaxis.set_major_locator(LogLocator(numticks=5 if wide else 3))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: with_percent_sign(f"{100 * value:g}")))
    axes.set_xlabel(_("share of the tolerance, log axis"))


def _write_legend(band: style.Band, checks: Sequence[Check]) -> None:
    """Write above the rows what the signs mean."""
    compared, timed = _("outputs, gradients, weights"), _("timed work")
    band.write(style.MARGIN, 0, f"● {compared}", color=PASSED, fontsize=style.SMALL)
    if any(isinstance(check, TimedWork) for check in checks):
        band.write(style.MARGIN + WORK_LEGEND, 0, f"◆ {timed}", color=WORK, fontsize=style.SMALL)
