"""Check what a wheel holds: the package with its data, and nothing else. Usage: wheel.py FILE."""

import subprocess
import sys
from pathlib import PurePosixPath
from zipfile import ZipFile

LARGEST_DATA = 18_000_000  # bytes


def tracked_package_files() -> set[str]:
    """What git tracks below src: all of it belongs into the wheel."""
    command = ["git", "ls-files", "src/euclidium"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name.removeprefix("src/") for name in done.stdout.splitlines()}


def problems(wheel: ZipFile) -> list[str]:
    """One sentence for everything that is wrong with a wheel."""
    sizes = {item.filename: item.file_size for item in wheel.infolist()}
    package = {name for name in sizes if PurePosixPath(name).parts[0] == "euclidium"}
    metadata = {name for name in sizes if PurePosixPath(name).parts[0].endswith(".dist-info")}
    data = sum(size for name, size in sizes.items() if name.startswith("euclidium/data/"))
    tracked = tracked_package_files()
    found = [f"{name} is missing" for name in sorted(tracked - package)]
    found += [f"{name} does not belong there" for name in sorted(sizes.keys() - tracked - metadata)]
    if not any(name.endswith("licenses/LICENSE") for name in metadata):
        found.append("the licence is missing")
    if not any(name.endswith("entry_points.txt") for name in metadata):
        found.append("the command `euclidium` is missing")
    if data > LARGEST_DATA:
        found.append(f"the data take {data} bytes, more than {LARGEST_DATA}")
    return found


def main(path: str) -> int:
    """Print the problems of a wheel; 1 if there is one."""
    with ZipFile(path) as wheel:
        found = problems(wheel)
        files = len(wheel.namelist())
    print("\n".join(found) if found else f"{files} files, as they should be")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
