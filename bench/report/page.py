"""The report as one page of HTML that needs nothing beside itself, and may ask for nothing."""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from markupsafe import Markup, escape

from backprop_bench.bench.report.blocks import (
    Block,
    Caution,
    Code,
    Heading,
    Judged,
    Linked,
    Listed,
    Picture,
    Report,
    Section,
    Shown,
)
from backprop_bench.bench.report.drawing import FigureFile
from backprop_bench.bench.report.evidence import Evidence
from backprop_bench.bench.report.language import _, speaking, spoken
from backprop_bench.bench.report.panel import Panel, harmless_json
from backprop_bench.bench.report.table import TEMPLATES, Table, to_html
from backprop_bench.bench.report.words import page_words, panel_words
from backprop_bench.data import InputError

WHOLE = re.compile(r"(?<![\w/.-])\w[\w.,]*(?:[-–]\w[\w.,]*)+(?![\w/-])", re.ASCII)
"""Names such as "torch-eager", layers and ranges such as "1.7–1.9": within them no line ends."""
LONGEST_WHOLE = 24
"""Letters of such a word that have room on a phone."""


@dataclass(frozen=True)
class _Section:
    """A section as the page has it: in one language, or in none where it exists once for all of them."""

    language: str | None
    anchor: str
    heading: str
    blocks: tuple[Markup, ...]


def to_html_page(reports: Mapping[str, Report], first: str = "en") -> str:
    """Return the report as one page of HTML with everything in it.

    Parameters
    ----------
    reports
        The same report by language; the appendix and what exists once are those of the English one.
    first
        The language that the page shows until another one is chosen.

    Raises
    ------
    InputError
        When a figure cannot be read.
    """
    words = {language: _words(language, report, reports["en"].appendix) for language, report in reports.items()}
    said = {language: SimpleNamespace(**each) for language, each in words.items()}  # a dict has names of its own: clear
    return TEMPLATES.get_template("report.html.jinja").render(
        reports=reports,
        first=first,
        words=said,
        said=said[first],
        all_words=Markup(harmless_json(words)),  # noqa: S704 (JSON without a sign that means something in HTML)
        kept_whole=kept_whole,
        sections=[*_sections(reports, said[first])],
        appendix=[
            _Section("en", _anchor(section.heading), section.heading, tuple(map(_html_of, section.blocks)))
            for section in reports["en"].appendix
        ],
        **self_contained("language.js", "report.js", "panel.js"),
    )


def _words(language: str, report: Report, appendix: Sequence[Section]) -> dict[str, str]:
    """Return what the page says in a language beside the report, by key; the headings of the appendix, too."""
    with speaking(language):
        words = {**page_words(), "title": report.title}
        words |= {f"appendix_{number}": _(section.heading) for number, section in enumerate(appendix)}
        for section in report.sections:
            for block in section.blocks:
                if isinstance(block, Panel):
                    words |= {**panel_words(block), "panel": section.heading}
    return words


def _sections(reports: Mapping[str, Report], said: SimpleNamespace) -> Iterator[_Section]:
    """Yield the sections of the main part, each in every language before the next."""
    for sections in zip(*(report.sections for report in reports.values()), strict=True):
        anchor = _anchor(sections[0].heading)
        if any(isinstance(block, Panel) for block in sections[0].blocks):
            panels = (_html_of_panel(block, said) for block in sections[0].blocks if isinstance(block, Panel))
            yield _Section(None, anchor, said.panel, tuple(panels))
            continue
        for language, section in zip(reports, sections, strict=True):
            with speaking(language):
                blocks = tuple(map(_html_of, section.blocks))
            end = "" if language == "en" else f"-{language}"
            yield _Section(language, f"{anchor}{end}", section.heading, blocks)


def self_contained(*scripts: str) -> dict[str, str]:
    """Return what a page has that needs nothing beside itself: its style, these scripts, and what it may do."""
    style, script = _source("report.css"), "".join(map(_source, scripts))
    policy = _policy(style, script)
    return {"style": Markup(style), "script": Markup(script), "policy": policy}  # noqa: S704 (files of this package)


def _source(name: str) -> str:
    assert TEMPLATES.loader is not None
    return TEMPLATES.loader.get_source(TEMPLATES, name)[0]


def _policy(style: str, script: str) -> str:
    """Return what the page may do: run this script in this style, and show images that it holds."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_checksum(style)}'; script-src '{_checksum(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _checksum(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _anchor(heading: str) -> str:
    """Return a name within the page for a heading, in whatever script."""
    return re.sub(r"\W+", "-", heading.lower()).strip("-")


def _html_of(block: Block) -> Markup:
    match block:
        case Shown():
            return _html_of_shown(block.what, block.evidence)
        case Table():
            return to_html(block)
        case FigureFile() | Picture():
            return _html_of_figure(block, Markup())
        case Code():
            return Markup("<pre><code>{}</code></pre>").format(block.text)
        case Linked():
            return Markup('<p>{} <a href="{}">{}</a></p>').format(block.text, block.address, block.address)
        case Heading():
            return Markup('<h3 class="part">{}</h3>').format(block.text)
        case Judged():
            return _html_of_judged(block)
        case Listed():
            return Markup("<ul>{}</ul>").format(
                Markup().join(Markup("<li>{}</li>").format(kept_whole(each)) for each in block.sentences)
            )
        case Caution():
            return Markup('<div class="warning" role="note"><p>{}</p></div>').format(block.text)
        case _:
            return Markup("<p>{}</p>").format(kept_whole(block) if isinstance(block, str) else block)


def kept_whole(text: str) -> Markup:
    """Return a sentence in which no line ends within a name with hyphens or a range of numbers."""

    def kept(word: re.Match[str]) -> str:
        return word[0] if len(word[0]) > LONGEST_WHOLE else f'<span class="whole">{word[0]}</span>'

    return Markup(WHOLE.sub(kept, str(escape(text))))  # noqa: S704 (escaped)


def _html_of_judged(block: Judged) -> Markup:
    row = Markup("<div><dt>{}</dt><dd><strong>{}</strong></dd><dd>{}</dd></div>")
    return Markup('<dl class="judged">{}</dl>').format(
        Markup().join(row.format(*map(kept_whole, item)) for item in block.items)
    )


def _html_of_shown(what: Table | FigureFile | Picture, evidence: Evidence) -> Markup:
    if not isinstance(what, Table):
        return _html_of_figure(what, _html_of_evidence(evidence))
    if spoken() == "en":
        return to_html(what) + _html_of_evidence(evidence)
    with speaking("en"):  # tables are in English
        return Markup('<div lang="en">{}</div>').format(_html_of_shown(what, evidence))


def _html_of_evidence(evidence: Evidence) -> Markup:
    written = TEMPLATES.get_template("evidence.html.jinja").render(
        evidence=evidence,
        source=_("Source: {source}").format(source=evidence.source),
        commands=_("In the folder of this report, either command prints it:"),
        records=_("The records:"),
    )
    return Markup(written)  # noqa: S704 (autoescaped)


def _html_of_figure(figure: FigureFile | Picture, source: Markup) -> Markup:
    if isinstance(figure, FigureFile) and figure.narrow is not None:
        return _html_of_main_figure(figure, figure.narrow, source)
    address = data_uri(figure.svg.decode()) if isinstance(figure, Picture) else _address_of(figure)
    return Markup(
        '<figure data-name="{name}"><div class="scroll" tabindex="0" role="group" '
        'aria-label="Figure {name}"><img src="{address}" alt="{alt}"></div>{source}</figure>'
    ).format(name=figure.name, address=Markup(address), alt=figure.alt, source=source)  # noqa: S704


def _html_of_main_figure(figure: FigureFile, narrow: Path, source: Markup) -> Markup:
    """Return a figure of which a phone shows the one that is drawn for its width."""
    small = base64.b64encode(_read(narrow, figure).encode()).decode("ascii")  # a srcset may have no spaces
    wide = Markup(data_uri(_read(figure.svg, figure)))  # noqa: S704 (encoded)
    return Markup(
        '<figure class="main" data-name="{name}"><picture><source media="(max-width: 40rem)" '
        'srcset="data:image/svg+xml;base64,{small}">'
        '<img src="{wide}" alt="{alt}"></picture>{source}</figure>'
    ).format(name=figure.name, small=small, wide=wide, alt=figure.alt, source=source)


def _read(path: Path, figure: FigureFile) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise InputError(f"{path.parent}: cannot read the figure {figure.name}: {error.strerror}") from error


def _address_of(figure: FigureFile) -> str:
    """Return the smaller file of a figure as an address that holds it; as an image, an SVG can run nothing."""
    try:
        svg, png = data_uri(figure.svg.read_text("utf-8")), figure.png.read_bytes()
    except OSError as error:
        raise InputError(f"{figure.svg.parent}: cannot read the figure {figure.name}: {error.strerror}") from error
    raster = f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
    return svg if len(svg) <= len(raster) else raster


def data_uri(svg: str) -> str:
    """Return an SVG as a data URI for an attribute in double quotes; percent-encoded, it is shorter than in base64."""
    text = " ".join(svg.split()).replace("%", "%25").replace("#", "%23").replace("&", "%26")
    return "data:image/svg+xml," + text.replace('"', "%22" if "'" in text else "'")


def _html_of_panel(panel: Panel, said: SimpleNamespace) -> Markup:
    template = TEMPLATES.get_template("panel.html.jinja")
    written = template.render(
        panel=panel,
        said=said,
        data=Markup(panel.to_json()),  # noqa: S704 (JSON without a sign that means something in HTML)
    )
    return Markup(written)  # noqa: S704 (autoescaped)
