"""Public data sets, downloaded where the network allows it: resumable and checked.

Nothing is fetched unless it is asked for by name. A download goes to ``NAME.part`` and goes on
there after an interruption; the file appears under its name when it is whole and has its checksum.
Where its publisher gives none, the checksum of the first download is kept in ``SHA256SUMS`` beside
the file, and later ones are compared with it.
"""

import hashlib
import json
import os
import re
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from euclidium.atoms.problem import DataError, nearest

SUMS = "SHA256SUMS"
FIGSHARE = "https://api.figshare.com/v2/articles"
AGENT = {"User-Agent": "euclidium", "Accept-Encoding": "identity"}
TIMEOUT = 60.0  # s, without a byte
CHUNK = 2**18  # bytes
ATTEMPTS, PAUSE = 5, 2.0  # of which each goes on where the one before broke off; s between them

Observer = Callable[[str, int, int | None], None]
Response = HTTPResponse | urllib.error.HTTPError


@dataclass(frozen=True)
class RemoteFile:
    """A file to download, with what its publisher says of it: checksums in hex, size in bytes."""

    url: str
    name: str
    sha256: str | None = None
    md5: str | None = None
    size: int | None = None


@dataclass(frozen=True)
class PublicSet:
    """A public data set: its files, or the number of its article at figshare, which lists them."""

    name: str
    title: str
    licence: str
    citation: str
    files: tuple[RemoteFile, ...] = ()
    article: int | None = None
    note: str = ""


def _github(repository: str, path: str, name: str | None = None) -> RemoteFile:
    """A file of a repository at GitHub: ``raw/<commit>/<path>`` or ``archive/<commit>.tar.gz``."""
    return RemoteFile(f"https://github.com/{repository}/{path}", name or path.rpartition("/")[2])


PETRETTO = "Petretto et al., Sci. Data 5, 180065 (2018), https://doi.org/10.1038/sdata.2018.65"
SETS = (
    PublicSet(
        "phonondb",
        "Togo's phonon database at Kyoto, 10,034 crystals: forces, Born charges (PBEsol)",
        "CC-BY-4.0",
        "A. Togo, phonondb, 2018-04-17; https://github.com/WMD-group/phononDB",
        (
            _github(
                "WMD-group/phononDB",
                "archive/880b9dee82003fed6915d45907b31511cf6df388.tar.gz",
                "phononDB.tar.gz",
            ),
        ),
        note="one archive a crystal, all in a large one, whose download GitHub may not let resume",
    ),
    PublicSet(
        "petretto",
        "phonons of 1,521 crystals by perturbation theory (ABINIT, PBEsol): bands and densities",
        "CC0-1.0",
        f"{PETRETTO}; https://doi.org/10.6084/m9.figshare.c.3938023",
        article=5649298,
    ),
    PublicSet(
        "jarvis-dos",
        "densities of states of JARVIS-DFT, electrons and, of some, phonons (0 to 1000 cm⁻¹)",
        "as its record at figshare says",
        "Choudhary et al., npj Comput. Mater. 6, 173 (2020), "
        "https://doi.org/10.1038/s41524-020-00440-1; https://doi.org/10.6084/m9.figshare.14745327",
        (
            RemoteFile(
                "https://ndownloader.figshare.com/files/29216859",
                "edos-up_pdos-elast_interp-8-18-2021.json.zip",
            ),
        ),
    ),
    PublicSet(
        "tutorial",
        "the table of Petretto's phonons that the tutorial of Chen et al. learns from",
        "MIT",
        "Chen et al., Adv. Sci. 8, 2004214 (2021), https://doi.org/10.1002/advs.202004214",
        (
            _github("ninarina12/phononDoS_tutorial", "raw/main/data/data.csv"),
            _github("ninarina12/phononDoS_tutorial", "raw/main/data/idx_train.txt"),
            _github("ninarina12/phononDoS_tutorial", "raw/main/data/idx_valid.txt"),
        ),
        note="points of 20 cm⁻¹ up to 1000 cm⁻¹: modes above are missing",
    ),
    PublicSet(
        "phonopy-examples",
        "forces of NaCl, SrTiO3 and TiPN3 in phonopy's own files: small, to try the readers",
        "BSD-3-Clause",
        "Togo and Tanaka, Scr. Mater. 108, 1 (2015), "
        "https://doi.org/10.1016/j.scriptamat.2015.07.021",
        tuple(
            _github("phonopy/phonopy", f"raw/{commit}/test/{name}")
            for commit, name in (
                ("e37471cfa0cbc9c559e385fae1c1b26ce400e794", "phonopy_params_NaCl-1.00.yaml.xz"),
                ("cea16255c8f09e0ade73f3191fc1674a4ae591c2", "phonopy_SrTiO3.yaml.xz"),
                ("619861ec343a5969e8e9afe23371cf9b8e4a9c3b", "phonopy_params_TiPN3.yaml.xz"),
            )
        ),
    ),
    PublicSet(
        "matbench-phonons",
        "the last peak of the density of states of 1,265 crystals, a benchmark of Matbench",
        "MIT",
        f"Dunn et al., npj Comput. Mater. 6, 138 (2020), "
        f"https://doi.org/10.1038/s41524-020-00406-3; {PETRETTO}",
        (
            RemoteFile(
                "https://ml.materialsproject.org/projects/matbench_phonons.json.gz",
                "matbench_phonons.json.gz",
                sha256="4db551f21ec5f577e6202725f10e34dfc509aa7df3a6bdaac497da7f6dbbb9b3",
            ),
        ),
        note="one number a crystal, not a density of states",
    ),
)
REGISTRY: Mapping[str, PublicSet] = {found.name: found for found in SETS}


def fetch(
    name: str,
    folder: str | Path,
    observe: Observer | None = None,
    registry: Mapping[str, PublicSet] = REGISTRY,
) -> list[Path]:
    """Download a public data set into a folder, and return the paths of its files.

    What is there already and has its checksum is not downloaded again; what was interrupted goes
    on. ``observe`` is called with the name of a file, the bytes that are there and their total, if
    it is known. Raises ``DataError`` for a name that is not known, without a network, and for a
    file that does not have its size or checksum.

    >>> fetch("phonodb", "data")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: no public data set 'phonodb': ... did you mean 'phonondb'?
    """
    if name not in registry:
        raise DataError(
            f"no public data set {name!r}: there are {', '.join(registry)}{nearest(name, registry)}"
        )
    found, folder = registry[name], Path(folder)
    files = found.files if found.article is None else figshare_files(found.article)
    folder.mkdir(parents=True, exist_ok=True)
    return [download(file, folder, observe) for file in files]


def download(file: RemoteFile, folder: Path, observe: Observer | None = None) -> Path:
    """Download one file into a folder; see :func:`fetch`.

    >>> download(RemoteFile("ftp://127.0.0.1/x", "x"), Path("."))
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: cannot download ftp://127.0.0.1/x: it is not a web address
    """
    if urlsplit(file.url).scheme not in ("http", "https"):
        raise DataError(f"cannot download {file.url}: it is not a web address")
    path, sums = folder / file.name, folder / SUMS
    known = file.sha256 or _sums(sums).get(file.name)
    if path.exists():
        _check(path, file, known, f"{path} was altered: remove it to download it again")
        _keep_sum(sums, file.name, known or _digest(path, "sha256"))
        return path
    part = folder / f"{file.name}.part"
    for attempt in range(1, ATTEMPTS + 1):
        before = part.stat().st_size if part.exists() else 0
        try:
            _receive(file, part, observe)
            break
        except _BrokenOffError as error:
            gained = part.stat().st_size if part.exists() else 0
            if attempt == ATTEMPTS or gained <= before:
                raise DataError(
                    f"the download of {file.name} broke off after {gained} bytes ({error}): run it "
                    "again, it goes on there"
                ) from error
            time.sleep(PAUSE)
    try:
        _check(part, file, known, f"what came from {file.url} is not {file.name}: try again")
    except DataError:
        part.unlink()
        raise
    _keep_sum(sums, file.name, known or _digest(part, "sha256"))
    os.replace(part, path)
    _tag(part).unlink(missing_ok=True)
    return path


def figshare_files(article: int, api: str | None = None) -> tuple[RemoteFile, ...]:
    """The files of an article at figshare, with the sizes and MD5 sums that it publishes.

    Raises ``DataError`` without a network, and for an answer that lists no files.

    >>> figshare_files(1, "http://127.0.0.1:1")
    Traceback (most recent call last):
    euclidium.atoms.problem.DataError: cannot reach 127.0.0.1 (...): this needs a network; ...
    """
    url = f"{api or FIGSHARE}/{article}"
    try:
        with _open(url, {}) as response:
            answer = json.loads(response.read())
        files = [
            RemoteFile(
                entry["download_url"],
                _safe(entry["name"]),
                md5=entry.get("computed_md5") or entry.get("supplied_md5") or None,
                size=entry.get("size"),
            )
            for entry in answer["files"]
            if not entry.get("is_link_only")
        ]
    except (ValueError, KeyError, TypeError, HTTPException) as error:
        raise (
            error
            if isinstance(error, DataError)
            else DataError(f"{url} does not list files: {error}")
        ) from error
    if not files:
        raise DataError(f"{url} lists no files")
    return tuple(files)


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


def _receive(file: RemoteFile, part: Path, observe: Observer | None) -> None:
    """Download what is missing of a file. Raises ``_BrokenOffError`` if not all of it came."""
    offset = part.stat().st_size if part.exists() else 0
    tag = _tag(part).read_text().strip() if offset and _tag(part).exists() else ""
    headers = {"Range": f"bytes={offset}-", **({"If-Range": tag} if tag else {})} if offset else {}
    with _open(file.url, headers, offset) as response:
        if response.status == 416:  # nothing is missing, or the file has become shorter
            end = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
            if end and int(end[1]) == offset:
                return
            part.unlink()
            return _receive(file, part, observe)
        begun = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        if response.status != 206 or not begun or int(begun[1]) != offset:
            offset = 0  # it comes from its beginning
        length = response.headers.get("Content-Length")
        total = offset + int(length) if length else file.size
        if validator := response.headers.get("ETag") or response.headers.get("Last-Modified"):
            _tag(part).write_text("" if validator.startswith("W/") else validator)
        _copy(
            response, part, offset, total, lambda done: observe and observe(file.name, done, total)
        )


def _copy(
    response: Response,
    part: Path,
    offset: int,
    total: int | None,
    observe: Callable[[int], None],
) -> None:
    done = offset
    with part.open("r+b" if offset else "wb") as to:
        to.seek(offset)
        observe(done)
        while True:
            try:
                chunk = response.read(CHUNK)
            except (OSError, HTTPException) as error:
                raise _BrokenOffError(str(error) or type(error).__name__) from error
            if not chunk:
                break
            to.write(chunk)
            done += len(chunk)
            observe(done)
    if total is not None and done < total:
        raise _BrokenOffError(f"{total} were expected")


def _open(url: str, headers: Mapping[str, str], offset: int = 0) -> Response:
    """The answer of a server. Raises ``DataError`` with what is the matter."""
    request = urllib.request.Request(url, headers={**AGENT, **headers})
    host = urlsplit(url).hostname
    try:
        return cast(HTTPResponse, urllib.request.urlopen(request, timeout=TIMEOUT))
    except urllib.error.HTTPError as error:
        if error.code == 416 and offset:
            return error
        with error:
            raise DataError(
                f"{url} cannot be downloaded: {host} says {error.code} {error.reason}"
            ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(
            f"cannot reach {host} ({reason}): this needs a network; or download {url} elsewhere, "
            "and put the file into the folder"
        ) from error


def _check(path: Path, file: RemoteFile, sha256: str | None, sentence: str) -> None:
    """Raise ``DataError`` if a file does not have its size or checksums."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        raise DataError(f"{sentence} ({size} bytes, expected {file.size})")
    for kind, expected in (("sha256", sha256), ("md5", file.md5)):
        if expected and (found := _digest(path, kind)) != expected.lower():
            raise DataError(f"{sentence} (its {kind} is {found}, expected {expected})")


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.new(kind, usedforsecurity=False)
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _sums(path: Path) -> dict[str, str]:
    """Checksums by file, from lines ``<sha256>  <file>``."""
    if not path.exists():
        return {}
    lines = (line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in lines}


def _keep_sum(path: Path, name: str, digest: str) -> None:
    """Write a checksum down, under a temporary name first."""
    sums = _sums(path)
    if sums.get(name) == digest:
        return
    lines = (f"{value}  {key}\n" for key, value in sorted({**sums, name: digest}.items()))
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    temporary.write_text("".join(lines))
    os.replace(temporary, path)


def _tag(part: Path) -> Path:
    """Where the server's mark of the version of a file is kept until it is whole."""
    return part.with_name(f"{part.name}.tag")


def _safe(name: str) -> str:
    """A name from elsewhere, as that of a file in a folder."""
    bare = re.split(r"[\\/]", name)[-1]
    if not bare or bare.startswith(".") or bare == SUMS:
        raise DataError(f"a file is called {name!r}, which is no name for a file here")
    return bare
