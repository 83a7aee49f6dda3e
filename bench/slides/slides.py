"""The slides of a run: the text of the lesson, filled with what the run says. Pure functions of the records.

A lesson is Markdown, one file per language. ``<<name>>`` stands for what a run says, see
:mod:`backprop_bench.bench.slides.values`, and ``![words](name "labels")`` for a figure. A slide is left out where the
run does not have what stands on it, and so is a paragraph of the notes.
"""

import math
import re
from collections.abc import Callable, Mapping
from importlib import resources
from xml.etree.ElementTree import Element

from backprop_bench.bench.compare import answer
from backprop_bench.bench.compare.causes import time_steps
from backprop_bench.bench.compare.steps import AS_PUBLISHED, SAME_RECIPE
from backprop_bench.bench.compare.verdicts import article_pair, question_named
from backprop_bench.bench.core.summary import Summary
from backprop_bench.bench.report.language import spoken
from backprop_bench.bench.report.numbers import clean
from backprop_bench.bench.slides import figures
from backprop_bench.bench.slides.equations import stack, to_omml
from backprop_bench.bench.slides.shapes import Box, text_width
from backprop_bench.bench.slides.values import Values, values_of

LESSONS = {"en": "lesson.md", "zh": "lesson.zh-CN.md"}
"""By language, the file of the lesson."""
SLIDE = re.compile(r"^(?=# )", re.MULTILINE)
NAME = re.compile(r"<<(\w+)>>")
FIGURE = re.compile(r'^!\[(?P<alt>.*)\]\((?P<name>[\w-]+)(?: "(?P<labels>.*)")?\)$', re.MULTILINE)
EQUATION = re.compile(r"^\$\$.*\$\$$", re.MULTILINE)
NOTES = re.compile(r"^::: notes$.*?^:::$", re.MULTILINE | re.DOTALL)
PARAGRAPHS = re.compile(r"\n\n|\n(?=\*|\d\.)")
MINUTES = re.compile(r"^(?:Time: |用时：)(\d+)", re.MULTILINE)
PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
"""The signs that may mean something to Markdown, each of which may stand behind a backslash."""
BODY, BOTTOM = Box(0.6, 1.35, 8.8, 3.6), 5.3
"""Where text stands on a slide, and down to where a figure below it may reach, in inches."""
POINTS, LINE, BETWEEN = 20, 0.34, 0.1
"""Letters of text, and inches of a line and between two paragraphs."""


def lesson(language: str) -> str:
    """Return the text of the lesson before it is filled."""
    return resources.files("backprop_bench.bench.slides").joinpath(LESSONS[language]).read_text(encoding="utf-8")


def make_slides(summary: Summary) -> str:
    """Return the slides of a run in Markdown, in the language that is spoken."""
    values = dict(values_of(summary))
    front, *slides = SLIDE.split(lesson(spoken()))
    slides = [NOTES.sub(lambda notes: _known(notes[0], values), slide) for slide in slides]
    slides = [slide for slide in slides if _is_known(slide, values)]
    values["minutes"] = [str(sum(int(minutes) for slide in slides for minutes in MINUTES.findall(slide)))]
    latex = tuple(equation for slide in slides for equation in EQUATION.findall(slide))
    equations = dict(zip(latex, to_omml(latex), strict=True))
    drawn = [_with_shapes(slide, summary, values, equations) for slide in slides]
    return "".join(_filled(slide, values, escape) for slide in (front, *drawn))


def _is_known(text: str, values: Values) -> bool:
    return set(NAME.findall(text)) <= values.keys()


def _known(notes: str, values: Values) -> str:
    """Return the paragraphs of notes for which the run has something."""
    return "\n\n".join(paragraph for paragraph in notes.split("\n\n") if _is_known(paragraph, values))


def escape(text: str) -> str:
    """Return text on one line in which no sign means anything to pandoc, wherever the line stands."""
    return PUNCTUATION.sub(r"\\\g<0>", clean(text))


def _filled(text: str, values: Values, write: Callable[[str], str]) -> str:
    return NAME.sub(lambda match: "\n\n".join(map(write, values[match[1]])), text)


def _with_shapes(slide: str, summary: Summary, values: Values, omml: Mapping[str, Element]) -> str:
    """Return a slide with its figure, or its equations, as shapes below its text."""
    equations, figure, notes = EQUATION.findall(slide), FIGURE.search(slide), NOTES.findall(slide)
    text = EQUATION.sub("", FIGURE.sub("", NOTES.sub("", slide)))
    top = BODY.top + text_height(_filled(text.partition("\n")[2], values, clean))
    box = Box(BODY.left, top, BODY.width, BOTTOM - top)
    shapes = stack(box, [omml[latex] for latex in equations]) if equations else ""
    if figure is not None:
        shapes += draw_figure(figure, box, summary, values)
    return "\n\n".join([text, *([f"```{{=openxml}}\n{shapes}\n```"] if shapes else []), *notes, ""])


def text_height(text: str) -> float:
    """Return about how many inches paragraphs and items of lists need on a slide."""
    paragraphs = [clean(paragraph) for paragraph in PARAGRAPHS.split(text) if paragraph.strip()]
    lines = [math.ceil(text_width(paragraph, POINTS) / BODY.width) for paragraph in paragraphs]
    return sum(LINE * n + BETWEEN for n in lines)


def draw_figure(figure: re.Match[str], box: Box, summary: Summary, values: Values) -> str:
    """Return a figure of the lesson as an element of a slide.

    Raises
    ------
    LookupError
        Where there is no figure of this name.
    """
    name, alt = figure["name"], _filled(figure["alt"], values, clean)
    same, published = (question_named(summary, question) for question in (SAME_RECIPE, AS_PUBLISHED))
    if name == "network":
        return figures.network(alt, box)
    if name == "blocks":
        return figures.blocks(alt, box, (figure["labels"] or "").split("|"))
    if name == "same" and same is not None:
        return figures.times(name, alt, box, answer.timed(same))
    pair = None if published is None else article_pair(published)
    if name == "published" and pair is not None:
        return figures.times(name, alt, box, sorted(pair, key=lambda item: item.wall_s.estimate))
    steps = None if published is None else time_steps(published)
    if name == "time-causes" and steps is not None:
        return figures.causes(alt, box, steps)
    raise LookupError(name)
