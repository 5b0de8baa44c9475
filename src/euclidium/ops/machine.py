"""From the text of a kernel to code of this processor: compiled once, kept on disk, run."""

import ctypes
import hashlib
import os
import platform
import re
import struct
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

# Below this many operations a second thread costs more than it saves.
WORTH_A_THREAD = 200_000

# Compilers and engines are not meant to be used by two threads at once.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Processor:
    """What the code is made for."""

    name: str
    features: str
    vector_bytes: int
    registers: int

    def lanes(self, scalar: str) -> int:
        """Numbers in a vector.

        >>> Processor("", "", vector_bytes=32, registers=16).lanes("double")
        4
        """
        return self.vector_bytes // (4 if scalar == "float" else 8)


def unavailable() -> str | None:
    """Why no code can be made here; ``None`` if it can."""
    if find_spec("llvmlite") is None:
        return "llvmlite is not installed: pip install llvmlite"
    if sys.byteorder != "little" or sys.maxsize < 2**32:
        return "the kernels need a 64-bit little-endian processor"
    return None


@cache
def processor() -> Processor:
    """The processor of this machine, and the vectors it has."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features()
    arm = platform.machine().lower() in ("aarch64", "arm64")
    if features.get("avx512f"):
        size, registers = 64, 32
    elif features.get("avx2") and features.get("fma"):
        size, registers = 32, 16
    else:
        size, registers = 16, 32 if arm else 16
    return Processor(llvm.get_host_cpu_name(), features.flatten(), size, registers)


def threads_for(operations: int, items: int) -> int:
    """Threads for some operations that are shared out in items: torch's, if they are worth it.

    >>> threads_for(10, items=1000)
    1
    """
    return min(torch.get_num_threads(), items, operations // WORTH_A_THREAD + 1)


def bits(number: float) -> int:
    """A floating-point number as the integer of its 64 bits, which kernels take as an argument.

    >>> hex(bits(0.5))
    '0x3fe0000000000000'
    """
    return struct.unpack("<q", struct.pack("<d", number))[0]


class Kernel:
    """A compiled function ``void kernel(ptr arguments)``; several threads run it together.

    The first argument is a counter that starts at zero, through which they share the items.
    """

    def __init__(self, address: int, engine: Any) -> None:
        self._address, self._engine = address, engine  # the engine owns the code
        self._function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)

    def __call__(self, arguments: Sequence[int], threads: int) -> None:
        """Run with 64-bit integers and addresses on some threads, and wait for them."""
        values = (ctypes.c_int64 * (len(arguments) + 1))(0, *arguments)
        where = ctypes.addressof(values)
        if threads < 2:
            self._function(where)
        elif team := _openmp():
            team(self._address, where, threads, 0)
        else:
            waiting = [_pool(threads).submit(self._function, where) for _ in range(threads - 1)]
            self._function(where)
            for task in waiting:
                task.result()


def kernel(write: Callable[[], str], *parts: object) -> Kernel:
    """The kernel that ``write`` writes, from disk if it was compiled before.

    ``parts`` name it: all that its text depends on, beside the source files that write it and the
    processor, which are added here.
    """
    with _LOCK:
        key = hashlib.sha256(repr((parts, _origin(), processor())).encode()).hexdigest()
        file = None if _folder() is None else Path(str(_folder())) / f"{key}.o"
        code = None if file is None else _read(file)
        if code is None:
            code = _compile(write())
            if file is not None:
                _keep(file, code)
        return _load(code)


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``EUCLIDIUM_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("EUCLIDIUM_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "euclidium"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "euclidium" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "euclidium"


# -- compiling -----------------------------------------------------------------------------------


@cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def _machine() -> Any:
    llvm, here = _llvm(), processor()
    target = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=here.name, features=here.features, opt=3, reloc="pic", codemodel="default", jit=True
    )


def _compile(text: str) -> bytes:
    module = _llvm().parse_assembly(text)
    module.verify()
    return bytes(_machine().emit_object(module))


def _load(code: bytes) -> Kernel:
    llvm = _llvm()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Kernel(engine.get_function_address("kernel"), engine)


# -- the cache on disk ---------------------------------------------------------------------------


@cache
def _origin() -> str:
    """A fingerprint of the files that write kernels, and of the compiler."""
    folder = Path(__file__).parent
    sources = [path.read_bytes() for path in sorted(folder.glob("*.py"))]
    digest = hashlib.sha256(b"".join(sources)).hexdigest()
    return f"{digest} llvmlite {version('llvmlite')} {_llvm().llvm_version_info}"


@cache
def _folder() -> Path | None:
    """The folder of compiled kernels; ``None``, said once, where none can be written."""
    folder = cache_folder() / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        warnings.warn(
            f"compiled kernels cannot be kept in {folder} ({error.strerror}), so they are compiled "
            "anew in every process: set EUCLIDIUM_CACHE to a folder that can be written",
            stacklevel=2,
        )
        return None


def _read(file: Path) -> bytes | None:
    """The code in a file, unless there is none or it is damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def _keep(file: Path, code: bytes) -> None:
    """Write under another name first, so that no other process reads half a file."""
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(hashlib.sha256(code).digest() + code)
        os.replace(name, file)
    except OSError as error:
        warnings.warn(f"a compiled kernel was not kept in {file.parent}: {error}", stacklevel=2)


# -- threads -------------------------------------------------------------------------------------


@cache
def _openmp() -> Callable | None:
    """The function that starts a team of threads in the OpenMP library that torch runs on.

    Its threads are torch's own, so the two never compete for the cores.
    """
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return None
    libraries = re.findall(r"(/\S*lib(?:gomp|iomp5|omp)[^/\s]*\.so\S*)", maps.read_text())
    of_torch = str(Path(torch.__file__).parent)
    for path in sorted(set(libraries), key=lambda path: not path.startswith(of_torch)):
        team = getattr(ctypes.CDLL(path), "GOMP_parallel", None)
        if team is not None:
            team.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
            team.restype = None
            return team
    return None


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1, "euclidium")
