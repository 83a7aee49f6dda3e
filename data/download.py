"""Fetching files from the web, whole or not at all."""

from pathlib import Path

from backprop_bench.data.progress import ProgressBar, is_watched

_TIMEOUT_S = 30
_PIECE = 1 << 16  # bytes


def download(url: str, path: Path) -> None:
    """Write what lies at ``url`` to ``path``, with a progress bar if somebody is looking.

    Raises
    ------
    OSError, ValueError
        If it cannot be had; :func:`why_not` turns it into words. What ``path`` then holds, if anything, is no use.
    """
    import pooch

    bar = ProgressBar(f"downloading {path.name}") if is_watched() else False
    fetch = pooch.HTTPDownloader(
        progressbar=bar, chunk_size=_PIECE, timeout=_TIMEOUT_S, headers={"Accept-Encoding": "identity"}
    )
    try:
        fetch(url, str(path), None)
    finally:
        if isinstance(bar, ProgressBar):
            bar.close()


def why_not(error: Exception) -> str:
    """Return in a few words why a download failed."""
    import requests

    match error:
        case requests.HTTPError() if error.response is not None:
            return f"the server answers {error.response.status_code} {error.response.reason}".rstrip()
        case requests.Timeout():
            return f"no answer within {_TIMEOUT_S} s"
        case requests.exceptions.ChunkedEncodingError():
            return "the connection broke off"
        case requests.ConnectionError():
            return "no connection"
        case OSError() if error.strerror:
            return error.strerror
        case _:
            return str(error)
