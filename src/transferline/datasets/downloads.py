"""Downloads files, and resumes interrupted downloads."""

import hashlib
import time
from pathlib import Path

import requests

from transferline.errors import TransferlineError
from transferline.progress import progress, say
from transferline.text import reason_of

ATTEMPTS = 5
SECONDS_BETWEEN_ATTEMPTS = 2.0
TIMEOUT = (10, 60)  # seconds to connect, seconds without a byte
MOST_CHARACTERS = 100  # of the name of the file
PIECE = 100_000  # bytes per write


def download_file(url: str, folder: Path) -> Path:
    """Downloads `url` into `folder`, unless the file exists, and returns the file.

    An interrupted download leaves `<file>.partial`; the next call resumes it.

    Raises:
        TransferlineError: the server refuses the request, or the connection failed `ATTEMPTS` times.
    """
    file = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:8]}-{Path(url.split('?')[0]).name[-MOST_CHARACTERS:]}"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f"{file.name}.partial")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _go_on(url, partial)
            return partial.replace(file)
        except requests.RequestException as error:
            _give_up_if_hopeless(url, error, attempt)
            say(f"{url}: attempt {attempt} of {ATTEMPTS} failed with {type(error).__name__}, trying again")
            time.sleep(SECONDS_BETWEEN_ATTEMPTS * attempt)
    raise AssertionError("unreachable")


def _give_up_if_hopeless(url: str, error: requests.RequestException, attempt: int) -> None:
    refused = error.response is not None and error.response.status_code in range(400, 500)
    if refused or attempt == ATTEMPTS:
        raise TransferlineError(
            f"{url} cannot be downloaded: {reason_of(error)}. Check the address and the connection (behind a proxy set "
            "HTTPS_PROXY) and run it again: it resumes the download"
        ) from error


def _go_on(url: str, partial: Path) -> None:
    start = partial.stat().st_size if partial.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            partial.unlink()
            raise requests.ConnectionError(f"{partial.name} does not fit the file of the server, starting over")
        response.raise_for_status()
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        pieces = -(-int(response.headers.get("Content-Length", 0)) // PIECE)
        with partial.open("ab" if resumed else "wb") as out:
            for piece in progress(response.iter_content(PIECE), pieces, f"downloading {url}, tenths of a MB"):
                out.write(piece)
