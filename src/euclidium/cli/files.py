"""Files that a verb writes: never half of one, and never over another without being told to."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def check_new(path: Path, force: bool) -> Path:
    """The path, if something may be written there.

    Raises ``ValueError`` if there is a file already and ``force`` is not set, if it is a folder,
    or if its folder is missing.

    >>> check_new(Path("missing") / "traj.xyz", force=False)
    Traceback (most recent call last):
    ValueError: cannot write missing/traj.xyz: there is no folder missing, make it first
    """
    if path.is_dir():
        raise ValueError(f"cannot write {path}: it is a folder, give the name of a file")
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {path}: there is no folder {path.parent}, make it first")
    if path.exists() and not force:
        raise ValueError(f"{path} exists: replace it with --force, or choose another name")
    return path


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside the path, which becomes the path when all went well.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     target = Path(folder) / "note.txt"
    ...     with replacing(target) as temporary:
    ...         _ = temporary.write_text("done")
    ...     target.read_text(), len(list(target.parent.iterdir()))
    ('done', 1)
    """
    # the end of the name stays, because it tells many writers which format to write
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
