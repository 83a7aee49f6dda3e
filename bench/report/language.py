"""The language of what people read: English, or Chinese by the catalogue of messages beside this file."""

import contextlib
import contextvars
import functools
import gettext
import io
import locale
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LANGUAGES: Final = ("en", "zh")
CATALOGUES = Path(__file__).parent / "locale"

_spoken: contextvars.ContextVar[str] = contextvars.ContextVar("spoken", default="en")
_read: contextvars.ContextVar[str] = contextvars.ContextVar("read", default="en")


def _(message: str) -> str:
    """Return a message in the language that is spoken now; it is looked up as it stands in the code."""
    return _catalogue(_spoken.get()).gettext(message)


def spoken() -> str:
    """Return the language that is spoken now: English, except within :func:`speaking`."""
    return _spoken.get()


def speaking(language: str) -> contextlib.AbstractContextManager[None]:
    """Speak a language within this block."""
    return _set(_spoken, language)


def reader_language() -> str:
    """Return the language of whoever runs this command, for what it shows to people: a page speaks several."""
    return _read.get()


def reading(language: str) -> contextlib.AbstractContextManager[None]:
    """Show people this language within this block."""
    return _set(_read, language)


@contextlib.contextmanager
def _set(variable: contextvars.ContextVar[str], language: str) -> Iterator[None]:
    token = variable.set(language)
    try:
        yield
    finally:
        variable.reset(token)


@functools.cache
def _catalogue(language: str) -> gettext.NullTranslations:
    file = CATALOGUES / f"{language}.po"
    if not file.is_file():
        return gettext.NullTranslations()
    from babel.messages.mofile import write_mo  # what English does not need
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with file.open("rb") as source:
        write_mo(compiled, read_po(source, language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def language_of_locale() -> str:
    """Return the language of the environment: Chinese where its locale says so, else English."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    known = named or (locale.getlocale()[0] or "")
    return "zh" if known.lower().startswith("zh") else "en"
