"""The report as one page of HTML that needs nothing beside itself, and may ask for nothing."""

import base64
import hashlib
import re
from collections.abc import Iterable

from markupsafe import Markup

from backprop_bench.bench.report.blocks import Block, Caution, Code, Heading, Listed, Picture, Report, Shown
from backprop_bench.bench.report.drawing import FigureFile
from backprop_bench.bench.report.evidence import Evidence
from backprop_bench.bench.report.panel import Panel
from backprop_bench.bench.report.table import TEMPLATES, Table, to_html
from backprop_bench.data import InputError


def to_html_page(report: Report) -> str:
    """Return the report as one page of HTML with everything in it.

    Raises
    ------
    InputError
        When a figure cannot be read.
    """
    style, script = _source("report.css"), _source("report.js") + _source("panel.js")
    return TEMPLATES.get_template("report.html.jinja").render(
        report=report,
        named=[section for section in report.sections if section.heading],
        anchors=_anchors(section.heading for section in report.sections),
        html_of=_html_of,
        style=Markup(style),  # noqa: S704 (a file of this package, as the two below)
        script=Markup(script),  # noqa: S704
        policy=_policy(style, script),
    )


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


def _anchors(headings: Iterable[str]) -> dict[str, str]:
    """Return a name within the page for every heading."""
    return {heading: re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") for heading in headings}


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
        case Heading():
            return Markup('<h3 class="part">{}</h3>').format(block.text)
        case Listed():
            return Markup("<ul>{}</ul>").format(Markup().join(map(Markup("<li>{}</li>").format, block.sentences)))
        case Caution():
            return Markup('<div class="warning" role="note"><p>{}</p></div>').format(block.text)
        case Panel():
            return _html_of_panel(block)
        case _:
            return Markup("<p>{}</p>").format(block)


def _html_of_shown(what: Table | FigureFile | Picture, evidence: Evidence) -> Markup:
    source = _html_of_evidence(evidence)
    return to_html(what) + source if isinstance(what, Table) else _html_of_figure(what, source)


def _html_of_evidence(evidence: Evidence) -> Markup:
    template = TEMPLATES.get_template("evidence.html.jinja")
    return Markup(template.render(evidence=evidence))  # noqa: S704 (autoescaped)


def _html_of_figure(figure: FigureFile | Picture, source: Markup) -> Markup:
    address = data_uri(figure.svg.decode()) if isinstance(figure, Picture) else _address_of(figure)
    return Markup(
        '<figure data-name="{name}"><div class="scroll" tabindex="0" role="group" '
        'aria-label="Figure {name}"><img src="{address}" alt="{alt}"></div>{source}</figure>'
    ).format(name=figure.name, address=Markup(address), alt=figure.alt, source=source)  # noqa: S704


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


def _html_of_panel(panel: Panel) -> Markup:
    template = TEMPLATES.get_template("panel.html.jinja")
    written = template.render(
        panel=panel,
        box=round(20 / 28 * panel.side),
        data=Markup(panel.to_json()),  # noqa: S704 (JSON without a sign that means something in HTML)
    )
    return Markup(written)  # noqa: S704 (autoescaped)
