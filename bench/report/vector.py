"""SVG made small, for a page that holds many figures."""

import re
from collections.abc import Iterable

MARKUP_ONLY = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)
ID = re.compile(r' id="([^"]*)"')
REFERENCE = re.compile(r'href="#([^"]*)"|url\(#([^)]*)\)')
SHIFT = re.compile(r'transform="translate\(([\d.-]+) 0\)"/>')
COORDINATES = re.compile(r' d="[^"]*"| (?:x|y)="[^"]*"|translate\([^)]*\)')
LONG_NUMBER = re.compile(r"(\.\d\d)\d+")


def compact(svg: str) -> str:
    """Return a figure of matplotlib's in about half the bytes, which looks the same.

    Comments, metadata and names that nothing refers to are left out; the names of glyphs, of which there are thousands,
    become short; places have two decimals, which are hundredths of a point.
    """
    text = re.sub(r"\s*\n\s*", " ", MARKUP_ONLY.sub("", svg)).replace("> <", "><").strip()
    text = _with_short_names(text, _references(text))
    text = SHIFT.sub(r'x="\1"/>', text)
    return COORDINATES.sub(lambda found: LONG_NUMBER.sub(r"\1", found[0]), text)


def _references(text: str) -> list[str]:
    return list(dict.fromkeys(found[1] or found[2] for found in REFERENCE.finditer(text)))


def _with_short_names(text: str, used: Iterable[str]) -> str:
    short = {name: f"{number:x}" for number, name in enumerate(used)}
    text = ID.sub(lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", text)
    return REFERENCE.sub(
        lambda found: f'href="#{short[found[1]]}"' if found[1] else f"url(#{short[found[2]]})",
        text,
    )


def data_uri(svg: str) -> str:
    """Return a figure as an address that holds it, in fewer characters than base64 takes.

    It may stand between double quotes in HTML as it is.
    """
    text = compact(svg).replace("%", "%25").replace("#", "%23").replace("&", "%26")
    return "data:image/svg+xml," + text.replace('"', "%22" if "'" in text else "'")
