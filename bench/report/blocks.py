"""The parts of a report, whatever it is written in."""

from dataclasses import dataclass

from backprop_bench.bench.report.drawing import FigureFile
from backprop_bench.bench.report.evidence import Evidence
from backprop_bench.bench.report.panel import Panel
from backprop_bench.bench.report.table import Table


@dataclass(frozen=True)
class Code:
    """A command to copy."""

    text: str


@dataclass(frozen=True)
class Linked:
    """A sentence with the file that it is about."""

    text: str
    address: str


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Listed:
    """A list of sentences."""

    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """Claims, each with a verdict and what was measured."""

    items: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Caution:
    """A warning about the blocks after it."""

    text: str


@dataclass(frozen=True)
class Picture:
    """A figure without a file of its own."""

    name: str
    title: str
    alt: str
    svg: bytes


@dataclass(frozen=True)
class Shown:
    """A table or a figure, and its source."""

    what: Table | FigureFile | Picture
    evidence: Evidence


Block = str | Code | Linked | Heading | Listed | Judged | Caution | Table | FigureFile | Picture | Shown | Panel
"""Text is a paragraph."""


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A report, whatever it is written in."""

    title: str
    warnings: tuple[str, ...]
    lead: tuple[str, ...]
    """The answer, in a few sentences."""
    sections: tuple[Section, ...]
    appendix: tuple[Section, ...] = ()
    """What opens on demand."""
