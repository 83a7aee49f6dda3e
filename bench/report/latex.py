"""Tables in LaTeX, with the rules of the package booktabs."""

import re
from typing import Final

from backprop_bench.bench.report.numbers import clean
from backprop_bench.bench.report.table import Table

PREAMBLE: Final = "% In the preamble: \\usepackage{booktabs}\n"

SIGNS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    "[": "{[}",  # at the beginning of a row, the row before would take it for a length
    "]": "{]}",
    "*": "{*}",  # the same, for a row that is not to end a page
    "–": "--",
    "—": "---",
    "−": "$-$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "½": r"$\frac{1}{2}$",
    "′": r"$'$",
    "…": r"\ldots{}",
    "µ": r"$\mu$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "γ": r"$\gamma$",
    "δ": r"$\delta$",
    "ε": r"$\varepsilon$",
    "η": r"$\eta$",
    "μ": r"$\mu$",
    "σ": r"$\sigma$",
    "“": "``",
    "”": "''",
    "„": r"\quotedblbase{}",
    "\N{REPLACEMENT CHARACTER}": "?",
}
"""By sign that means something else to LaTeX, or that pdfLaTeX does not know, what prints it."""
LIGATURES: Final = re.compile(r"(?<=-)(?=-)|(?<=')(?=')|(?<=,)(?=,)|(?<=[?!])(?=`)")
"""Between two signs that would be printed as another one."""
PIECES: Final = re.compile("|".join(map(re.escape, SIGNS)))


def escape_latex(text: str) -> str:
    """Return text on one line that LaTeX prints as it is. Letters that pdfLaTeX lacks need XeLaTeX or LuaLaTeX."""
    apart = "\0".join(LIGATURES.split(clean(text)))
    return PIECES.sub(lambda sign: SIGNS[sign[0]], apart).replace("\0", "{}")


def to_latex(table: Table) -> str:
    """Return the table as a float: its title is the caption, its note stands below."""
    align = "".join("r" if column.align == "right" else "l" for column in table.columns)
    note = [r"  \par\smallskip\footnotesize " + escape_latex(table.note)] if table.note else []
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_latex(table.title)}}}",
        rf"  \begin{{tabular}}{{{align}}}",
        r"    \toprule",
        _row([column.name for column in table.columns]),
        r"    \midrule",
        *map(_row, table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *note,
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return rf"    {' & '.join(map(escape_latex, cells))} \\"
