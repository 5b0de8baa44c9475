"""Plans as Triton kernels: straight-line code over the non-zero coefficients, without atomics.

For each plan, slot and type the source of the kernel is written as text, with every coefficient a
literal, kept in a folder and compiled by Triton. Per edge and path the kernel forms the scalars
M[a, c] = coefficient · Σ_b C[a, b, c] Y[b] once, for all channels; what is left is products of
vectors over a block of channels. Nothing of size edges × irreps is ever written, and every number
is summed by one program in one order, so that two runs give the same bits.

Kernels are kept in ``machine.cache_folder()``; where that cannot be written, in a temporary folder.
"""

import functools
import hashlib
import importlib.util
import itertools
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from euclidium.ops.machine import cache_folder
from euclidium.ops.plan import TensorProductPlan
from euclidium.ops.reference import is_channelwise
from euclidium.ops.segments import Edges

# What sums are kept in. Halves lose too much in a sum over neighbours.
SUMS = {
    torch.bfloat16: "tl.float32",
    torch.float16: "tl.float32",
    torch.float32: "tl.float32",
    torch.float64: "tl.float64",
}
DTYPES = tuple(SUMS)

# Which indices the kernel of a slot takes.
INDICES = {
    "x": ("receivers", "order", "pointer"),
    "y": ("senders", "receivers", "n_edges"),
    "w": ("senders", "receivers", "n_edges"),
    "z": ("senders", "pointer"),
}

# Components that a program sums or stores at a time. With two channels a thread, 16 sums take 32
# registers, which leaves room for the coefficients of a path with l = 3 without spilling.
COMPONENTS = 16

# Non-zero coefficients in one kernel. The time to compile one grows with the square of its length,
# starting one takes microseconds: a plan with l ≤ 2 is one kernel, one with l ≤ 3 a few.
ENTRIES = 256

# Edges that a program of the slots y and w visits: starting a program for each would cost as much
# as its work.
EDGES = 4


@functools.cache
def supports(plan: TensorProductPlan) -> bool:
    """Whether this backend can execute a plan: every path by channels, into a block of its own.

    >>> supports(TensorProductPlan.channelwise("4x0e + 4x1o", "0e + 1o"))
    True
    >>> supports(TensorProductPlan.full("4x0e + 4x1o", "0e + 1o"))
    False
    """
    return is_channelwise(plan)


def unavailable() -> str | None:
    """Why this backend cannot run here, in one sentence; ``None`` if it can.

    It needs Triton and a CUDA device. Triton's interpreter, which is slow and meant for tests, runs
    on every processor; it is chosen by ``TRITON_INTERPRET=1`` before Triton is first imported.
    """
    if importlib.util.find_spec("triton") is None:
        return "backend 'gpu' needs triton: pip install 'euclidium[gpu]'"
    if not _interpreted() and not torch.cuda.is_available():
        return "backend 'gpu' needs a CUDA device, and torch finds none here"
    return None


def description() -> str:
    """What runs, in a few words."""
    where = "in its interpreter" if _interpreted() else f"for {torch.cuda.get_device_name()}"
    return f"kernels by Triton {where}"


def contraction(
    plan: TensorProductPlan,
    slot: str,
    others: Mapping[str, Float[Tensor, "..."]],
    edges: Edges,
) -> Float[Tensor, "row column"]:
    """The derivative of F(x, y, w, z) = ⟨z, convolution(x, y, w)⟩ with respect to one slot.

    F = Σ_{edges j → i} Σ_paths coefficient · C[a, b, c] w[edge, path, u] x[j, a, u] Y[edge, b]
    z[i, c, u]

    The meaning and the arguments are those of ``euclidium.ops.contraction``: ``slot`` is one of
    ``"x"``, ``"y"``, ``"w"``, ``"z"``, and ``others`` holds the other three, x and z with a row for
    each node, y and w with a row for each edge. Types are float16, bfloat16, float32 (summed in
    float32) and float64. Two runs give the same bits.

    Raises ``ValueError`` for a plan, slot, or device that cannot be executed, ``TypeError`` for
    types that differ or are not real.
    """
    _check(plan, slot, others, edges)
    like = others["z" if slot == "x" else "x"]
    shape = _shape(plan, slot, edges)
    # a block of x or y may have no path; of z and w every number is written
    result = like.new_zeros(shape) if slot in ("x", "y") else like.new_empty(shape)
    if not result.numel():
        return result
    rows = shape[0] if slot in ("x", "z") else math.ceil(edges.n_edges / EDGES)
    tables = {**others, slot: result}
    values = [tables[name].contiguous() for name in ("x", "y", "w", "z")]
    indices = _indices(slot, edges)
    with torch.cuda.device_of(like):
        for kernel, n_programs in _kernels(plan, slot, like.dtype):
            # One warp is as wide as a block of channels. Products and sums are fused because
            # Triton's default depends on its version.
            grid = (rows * n_programs,)
            kernel[grid](*values, *indices, num_warps=1, enable_fp_fusion=True)
    return result


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def _check(plan: TensorProductPlan, slot: str, others: Mapping[str, Tensor], edges: Edges) -> None:
    """Everything that would make a kernel read what is not there."""
    if not supports(plan):
        raise ValueError(
            "backend 'gpu' executes plans whose paths all keep the channels of x ('uv,u,v->u'), "
            "meet one channel of y and have a block of the result of their own, but not "
            f"{str(plan).splitlines()[0]}: choose backend='reference'"
        )
    if slot not in INDICES:
        raise ValueError(f"there is no slot {slot!r}: choose one of {', '.join(INDICES)}")
    reason = unavailable()
    if reason is not None:
        raise ValueError(reason)
    tensors = {name: others[name] for name in INDICES if name != slot}
    for name, tensor in tensors.items():
        expected = _shape(plan, name, edges)
        if tensor.shape != expected:
            raise ValueError(f"{name} needs the shape {expected}, got {tuple(tensor.shape)}")
    devices = {str(tensor.device) for tensor in (*tensors.values(), edges.senders)}
    if len(devices) > 1:
        raise ValueError(f"tensors on different devices met: {', '.join(sorted(devices))}")
    if not (edges.senders.is_cuda or _interpreted()):
        raise ValueError(
            f"backend 'gpu' needs tensors on a CUDA device, got some on {devices.pop()}: "
            "move them, or choose another backend"
        )
    types = {tensor.dtype for tensor in tensors.values()}
    if len(types) > 1 or not types <= set(DTYPES):
        names = ", ".join(sorted(str(t).removeprefix("torch.") for t in types))
        raise TypeError(f"backend 'gpu' needs tensors of one floating-point type, got {names}")


def _shape(plan: TensorProductPlan, slot: str, edges: Edges) -> tuple[int, int]:
    """A row for each node or edge, and its width."""
    width = {"x": plan.x.dim, "y": plan.y.dim, "w": plan.n_weights, "z": plan.out.dim}[slot]
    return edges.n_nodes if slot in ("x", "z") else edges.n_edges, width


def _indices(slot: str, edges: Edges) -> tuple[Tensor | int, ...]:
    """What ``INDICES`` names."""
    senders, receivers = edges.senders.contiguous(), edges.receivers.contiguous()
    if slot == "x":
        return receivers, *_by_sender(senders, edges.n_nodes)
    if slot == "z":
        return senders, edges.row_pointer.contiguous()
    return senders, receivers, edges.n_edges


def _by_sender(
    senders: Int[Tensor, " edge"], n_nodes: int
) -> tuple[Int[Tensor, " edge"], Int[Tensor, " node_plus_one"]]:
    """The edges in the order of their senders, and where those of each sender begin."""
    found, order = torch.sort(senders, stable=True)
    nodes = torch.arange(n_nodes + 1, device=senders.device, dtype=senders.dtype)
    return order, torch.searchsorted(found, nodes)


# -- from a plan to the source of a kernel ---------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    """What one program does: some paths, on one block of channels of one row.

    ``blocks`` counts the blocks of channels, each a program of its own.
    """

    paths: tuple[int, ...]
    blocks: int


class _Writer:
    """Writes the source of kernels for one plan and one type.

    Names in the source: ``X, Y, W, Z`` are the four tensors; ``e, j, i`` an edge, its sender and
    its receiver; ``u`` the channels; ``x_a, y_b, w, z_c`` what was loaded; ``m_a_c`` the scalars M.
    """

    def __init__(self, plan: TensorProductPlan, dtype: torch.dtype) -> None:
        self.plan, self.sums = plan, SUMS[dtype]
        # Two channels a thread share the scalars M, which every thread computes; only one in
        # float64, where a number takes two registers. A warp has 32 threads, also for few channels.
        widest = max((block.mul for block in plan.x), default=1)
        self.width = 64 if widest > 32 and dtype != torch.float64 else 32
        self.lines: list[str] = []
        self.depth = 0
        self.mask = ""

    def add(self, *lines: str) -> None:
        """Append lines at the present depth."""
        self.lines += ["    " * self.depth + line for line in lines]

    def channels(self, path: int, first: str) -> None:
        """Define ``u``, and a mask if the last block of channels is not full."""
        mul = self.mul(path)
        self.add(f"u = {first} + tl.arange(0, {self.width})")
        self.mask = f", mask=u < {mul}" if mul % self.width else ""

    def zero(self, *names: str) -> None:
        """Begin sums over channels or edges."""
        self.add(*(f"{name} = tl.full(({self.width},), 0.0, {self.sums})" for name in names))

    def load_y(self, components: Iterable[int]) -> None:
        """Numbers of an edge's harmonics."""
        row = f"e * {self.plan.y.dim}"
        self.add(*(f"y_{b} = tl.load(Y + {row} + {b}).to({self.sums})" for b in components))

    def load(self, name: str, place: str) -> None:
        """A vector over channels, zero where there is none."""
        other = ", other=0.0" if self.mask else ""
        self.add(f"{name} = tl.load({place}{self.mask}{other}).to({self.sums})")

    def load_x(self, path: int) -> None:
        """All components of a path's block of x."""
        for a in range(self.plan.paths[path].coupling.shape[0]):
            self.load(f"x_{a}", self.x(path, a, "j"))

    def load_z(self, path: int) -> None:
        """All components of a path's block of z."""
        for c in range(self.plan.paths[path].coupling.shape[2]):
            self.load(f"z_{c}", self.z(path, c, "i"))

    def load_w(self, path: int) -> None:
        """The weights of a path."""
        self.load("w", self.w(path))

    def store(self, name: str, place: str) -> None:
        """Write a vector over channels."""
        self.add(f"tl.store({place}, {name}{self.mask})")

    def matrix(self, path: int) -> None:
        """The scalars M of a path."""
        for (a, c), terms in _entries(self.plan, path).items():
            self.add(f"m_{a}_{c} = " + " + ".join(f"{value!r} * y_{b}" for b, value in terms))

    def mul(self, path: int) -> int:
        """Channels of a path."""
        return self.plan.out[self.plan.paths[path].out].mul

    def x(self, path: int, component: int, row: str) -> str:
        """Where a component of a path's block of x lies."""
        start = self.plan.x.slices()[self.plan.paths[path].segments[0]].start
        return f"X + {row} * {self.plan.x.dim} + {start + component * self.mul(path)} + u"

    def z(self, path: int, component: int, row: str) -> str:
        """Where a component of a path's block of z lies."""
        start = self.plan.out.slices()[self.plan.paths[path].out].start
        return f"Z + {row} * {self.plan.out.dim} + {start + component * self.mul(path)} + u"

    def w(self, path: int) -> str:
        """Where the weights of a path lie."""
        return f"W + e * {self.plan.n_weights} + {self.plan.weight_slices[path].start} + u"


def _write_x(to: _Writer, paths: tuple[int, ...]) -> None:
    """∂F/∂x of one block of x: a sum over the edges that leave a node."""
    components = range(to.plan.paths[paths[0]].coupling.shape[0])
    to.channels(paths[0], f"block * {to.width}")
    to.zero(*(f"sum_{a}" for a in components))
    to.add("for k in range(tl.load(pointer + row), tl.load(pointer + row + 1)):")
    to.depth += 1
    to.add("e = tl.load(order + k)", "i = tl.load(receivers + e).to(tl.int64)")
    to.load_y(_harmonics(to.plan, paths))
    for path in paths:
        to.add(f"# path {path}")
        to.matrix(path)
        to.load_w(path)
        to.load_z(path)
        for a, terms in _by(0, _entries(to.plan, path)).items():
            products = " + ".join(f"m_{a}_{c} * z_{c}" for c in terms)
            to.add(f"sum_{a} += w * ({products})")
    to.depth -= 1
    for a in components:
        to.store(f"sum_{a}", to.x(paths[0], a, "row"))


def _write_z(to: _Writer, paths: tuple[int, ...]) -> None:
    """∂F/∂z of some paths, the convolution itself: a sum over the edges that reach a node."""
    names = [(p, c) for p in paths for c in range(to.plan.paths[p].coupling.shape[2])]
    to.channels(paths[0], f"block * {to.width}")
    to.zero(*(f"sum_{path}_{c}" for path, c in names))
    to.add("for e in range(tl.load(pointer + row), tl.load(pointer + row + 1)):")
    to.depth += 1
    to.add("j = tl.load(senders + e).to(tl.int64)")
    to.load_y(_harmonics(to.plan, paths))
    to.load_x(paths[0])
    for path in paths:
        to.add(f"# path {path}")
        to.matrix(path)
        to.load_w(path)
        for c, terms in _by(1, _entries(to.plan, path)).items():
            products = " + ".join(f"m_{a}_{c} * x_{a}" for a in terms)
            to.add(f"sum_{path}_{c} += w * ({products})")
    to.depth -= 1
    for path, c in names:
        to.store(f"sum_{path}_{c}", to.z(path, c, "row"))


def _write_w(to: _Writer, paths: tuple[int, ...]) -> None:
    """∂F/∂w of some paths: each edge by itself."""
    to.channels(paths[0], f"block * {to.width}")
    _begin_edges(to)
    to.load_y(_harmonics(to.plan, paths))
    to.load_x(paths[0])
    for path in paths:
        to.add(f"# path {path}")
        to.matrix(path)
        to.load_z(path)
        to.zero("total")
        for c, terms in _by(1, _entries(to.plan, path)).items():
            products = " + ".join(f"m_{a}_{c} * x_{a}" for a in terms)
            to.add(f"total += z_{c} * ({products})")
        to.store("total", to.w(path))


def _write_y(to: _Writer, paths: tuple[int, ...]) -> None:
    """∂F/∂y of one block of y: each edge by itself, a sum over all channels."""
    harmonics = _harmonics(to.plan, paths)
    _begin_edges(to)
    to.zero(*(f"sum_{b}" for b in harmonics))
    for _, same in itertools.groupby(paths, lambda path: to.plan.paths[path].segments[0]):
        of_block = tuple(same)
        to.add(f"for first in range(0, {to.mul(of_block[0])}, {to.width}):")
        to.depth += 1
        to.channels(of_block[0], "first")
        to.load_x(of_block[0])
        for path in of_block:
            to.add(f"# path {path}")
            to.load_w(path)
            to.load_z(path)
            for (a, c), terms in _entries(to.plan, path).items():
                to.add(f"product = w * x_{a} * z_{c}")
                to.add(*(f"sum_{b} += {value!r} * product" for b, value in terms))
        to.depth -= 1
    row = f"e * {to.plan.y.dim}"
    to.add(*(f"tl.store(Y + {row} + {b}, tl.sum(sum_{b}, 0))" for b in harmonics))


def _begin_edges(to: _Writer) -> None:
    to.add(f"for e in range(row * {EDGES}, tl.minimum(row * {EDGES} + {EDGES}, n_edges)):")
    to.depth += 1
    to.add("j = tl.load(senders + e).to(tl.int64)", "i = tl.load(receivers + e).to(tl.int64)")


_WRITE: dict[str, Callable[[_Writer, tuple[int, ...]], None]] = {
    "x": _write_x,
    "y": _write_y,
    "w": _write_w,
    "z": _write_z,
}


def _entries(plan: TensorProductPlan, path: int) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """For each (a, c) the components b of y and coefficient · C[a, b, c], where it is not zero."""
    it = plan.paths[path]
    start = plan.y.slices()[it.segments[1]].start
    found: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for (a, b, c), value in it.coupling.entries:
        found.setdefault((a, c), []).append((start + b, it.coefficient * value))
    return found


def _by(axis: int, entries: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """For each a the c it meets (axis 0), or for each c the a (axis 1)."""
    found: dict[int, list[int]] = {}
    for pair in entries:
        found.setdefault(pair[axis], []).append(pair[1 - axis])
    return found


def _harmonics(plan: TensorProductPlan, paths: Iterable[int]) -> list[int]:
    """The components of y that some paths need."""
    terms = (term for path in paths for term in _entries(plan, path).values())
    return sorted({b for term in terms for b, _ in term})


def _tasks(plan: TensorProductPlan, slot: str, width: int) -> list[_Task]:
    """What the programs of one row do.

    For x and y the paths of one block of that operand, which add into the same numbers. For z and w
    some paths of one block of x, as many as have ``COMPONENTS`` components. A path without
    channels has no program.
    """
    operand = 1 if slot == "y" else 0
    blocks: dict[int, list[list[int]]] = {}
    for n, path in enumerate(plan.paths):
        if not plan.out[path.out].mul:
            continue
        groups = blocks.setdefault(path.segments[operand], [[]])
        sizes = [plan.paths[other].coupling.shape[2] for other in groups[-1]]
        full = sum(sizes) + path.coupling.shape[2] > COMPONENTS
        if slot in ("z", "w") and sizes and full:
            groups.append([])
        groups[-1].append(n)
    # y sums over all channels in one program
    return [
        _Task(
            tuple(sorted(group, key=lambda n: plan.paths[n].segments[0])),
            1 if slot == "y" else math.ceil(plan.out[plan.paths[group[0]].out].mul / width),
        )
        for groups in blocks.values()
        for group in groups
    ]


def _bundles(plan: TensorProductPlan, tasks: list[_Task]) -> list[list[_Task]]:
    """The tasks of each kernel: few kernels to start, none too long to compile."""
    bundles: list[list[_Task]] = []
    size = 0
    for task in tasks:
        entries = sum(len(plan.paths[path].coupling.entries) for path in task.paths)
        if not bundles or size + entries > ENTRIES:
            bundles.append([])
            size = 0
        bundles[-1].append(task)
        size += entries
    return bundles


def _source(plan: TensorProductPlan, slot: str, dtype: torch.dtype) -> tuple[str, tuple[int, ...]]:
    """The module with the kernels of a slot, and how many programs each has for a row."""
    to = _Writer(plan, dtype)
    bundles = _bundles(plan, _tasks(plan, slot, to.width))
    to.add(f'"""Slot {slot} of a plan, summed in {to.sums}; written by euclidium."""', "")
    to.add("import triton", "import triton.language as tl")
    for n, bundle in enumerate(bundles):
        _write_kernel(to, slot, n, bundle)
    programs = tuple(sum(task.blocks for task in bundle) for bundle in bundles)
    return "\n".join([*to.lines, ""]), programs


def _write_kernel(to: _Writer, slot: str, number: int, bundle: list[_Task]) -> None:
    """A function for each task, and the kernel that finds the task of a program."""
    arguments = ", ".join(("X", "Y", "W", "Z", *INDICES[slot]))
    for n, task in enumerate(bundle):
        to.depth = 0
        to.add("", "", "@triton.jit", f"def task_{number}_{n}({arguments}, row, block):")
        to.depth = 1
        _WRITE[slot](to, task.paths)
    n_programs = sum(task.blocks for task in bundle)
    # the number of edges changes from call to call, and must not make Triton compile again
    changing = '(do_not_specialize=["n_edges"])' if "n_edges" in INDICES[slot] else ""
    to.depth = 0
    to.add("", "", f"@triton.jit{changing}", f"def kernel_{number}({arguments}):")
    to.depth = 1
    to.add("program = tl.program_id(0).to(tl.int64)")
    to.add(f"row = program // {n_programs}", f"task = program % {n_programs}")
    first = 0
    for n, task in enumerate(bundle):
        to.add(f"{'elif' if n else 'if'} task < {first + task.blocks}:")
        to.add(f"    task_{number}_{n}({arguments}, row, task - {first})")
        first += task.blocks
    to.depth = 0


# -- from the source of a kernel to the kernel -----------------------------------------------------


@functools.cache
def _kernels(plan: TensorProductPlan, slot: str, dtype: torch.dtype) -> tuple[tuple[Any, int], ...]:
    """The kernels of a slot, each with the number of its programs for a row."""
    text, programs = _source(plan, slot, dtype)
    name = f"{slot}_{hashlib.sha256(text.encode()).hexdigest()[:24]}"
    # Triton reads the source of a function from its file
    spec = importlib.util.spec_from_file_location(f"euclidium_{name}", _written(name, text))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kernels = (getattr(module, f"kernel_{n}") for n in range(len(programs)))
    return tuple(zip(kernels, programs, strict=True))


def _written(name: str, text: str) -> Path:
    """The file of a kernel, complete also if several processes write it at once."""
    try:
        return _write(cache_folder() / "triton", name, text)
    except OSError:
        return _write(_temporary_folder(), name, text)


def _write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    if path.exists() and path.read_text() == text:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=name)
    with open(handle, "w") as file:
        file.write(text)
    os.replace(temporary, path)
    return path


@functools.cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="euclidium-triton-"))
