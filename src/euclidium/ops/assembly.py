"""Writing the intermediate language of LLVM: straight-line vector code inside counted loops."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
BITS = {"float": 32, "double": 64}


@dataclass(frozen=True)
class Vector:
    """A type of ``width`` numbers, ``float`` or ``double``.

    >>> Vector("float", 8).name, Vector("float", 8).suffix, Vector("double", 4).bytes
    ('<8 x float>', 'v8f32', 32)
    """

    scalar: str
    width: int

    @property
    def name(self) -> str:
        """The type as it is written."""
        return f"<{self.width} x {self.scalar}>"

    @property
    def suffix(self) -> str:
        """The type as intrinsic functions are named after it."""
        return f"v{self.width}f{BITS[self.scalar]}"

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return self.width * BITS[self.scalar] // 8


class Assembly:
    """One function, ``void name(ptr arguments)``, written instruction by instruction.

    Values are strings, as they stand in the text. Every instruction is in SSA form, so the code
    generator needs no pass before it.

    >>> code = Assembly("double_it", "float")
    >>> pointer = code.argument(0)
    >>> v = Vector("float", 4)
    >>> value = code.load(v, pointer)
    >>> code.store(v, code.add(v, value, value), pointer)
    >>> print(code.text().splitlines()[0])
    define void @double_it(ptr noalias %arguments) {
    """

    def __init__(self, name: str, scalar: str) -> None:
        self.name, self.scalar = name, scalar
        self.size = BITS[scalar] // 8
        self._allocations: list[str] = []
        self._lines: list[str] = []
        self._declarations: set[str] = set()
        self._count = 0

    def text(self) -> str:
        """The whole module."""
        return "\n".join(
            [
                f"define void @{self.name}(ptr noalias %arguments) {{",
                "entry:",
                *self._allocations,
                *self._lines,
                "  ret void",
                "}",
                *sorted(self._declarations),
                "",
            ]
        )

    # -- single instructions -----------------------------------------------------------------

    def value(self, instruction: str) -> str:
        """Write an instruction and name its result."""
        name = self._new("v")
        self._lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        """Write an instruction without a result."""
        self._lines.append(f"  {instruction}")

    def argument(self, n: int) -> str:
        """The n-th argument as a pointer."""
        return self.value(f"load ptr, ptr {self.offset('%arguments', 8 * n)}")

    def integer_argument(self, n: int) -> str:
        """The n-th argument as an integer."""
        return self.value(f"load i64, ptr {self.offset('%arguments', 8 * n)}")

    def scratch(self, numbers: int) -> str:
        """Room for some numbers on the stack."""
        name = self._new("s")
        self._allocations.append(f"  {name} = alloca [{numbers} x {self.scalar}], align 64")
        return name

    def offset(self, pointer: str, size: int | str) -> str:
        """A pointer some bytes further; the size is a number or a value."""
        return self.value(f"getelementptr i8, ptr {pointer}, i64 {size}")

    def element(self, pointer: str, index: str, size: int | None = None) -> str:
        """A pointer to the element of an array; ``size`` in bytes, of one number by default."""
        return self.offset(pointer, self.integer("mul", index, self.size if size is None else size))

    def integer(self, operation: str, a: str, b: str | int) -> str:
        """An operation of integers."""
        return self.value(f"{operation} i64 {a}, {b}")

    def smaller(self, a: str, b: str | int) -> str:
        """The smaller of two integers."""
        less = self.value(f"icmp slt i64 {a}, {b}")
        return self.value(f"select i1 {less}, i64 {a}, i64 {b}")

    def load_integer(self, pointer: str) -> str:
        """An integer from memory."""
        return self.value(f"load i64, ptr {pointer}, align 8")

    def store_integer(self, value: str | int, pointer: str) -> None:
        """An integer to memory."""
        self.do(f"store i64 {value}, ptr {pointer}, align 8")

    def load(self, v: Vector, pointer: str) -> str:
        """A vector from memory."""
        return self.value(f"load {v.name}, ptr {pointer}, align {self.size}")

    def store(self, v: Vector, value: str, pointer: str) -> None:
        """A vector to memory."""
        self.do(f"store {v.name} {value}, ptr {pointer}, align {self.size}")

    def prefetch(self, pointer: str) -> None:
        """Ask for a line of memory that will be read."""
        self._declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.do(f"call void @llvm.prefetch.p0(ptr {pointer}, i32 0, i32 2, i32 1)")

    def everywhere(self, v: Vector, scalar: str) -> str:
        """A vector of equal numbers."""
        one = self.value(f"insertelement {v.name} poison, {v.scalar} {scalar}, i32 0")
        return self.value(
            f"shufflevector {v.name} {one}, {v.name} poison, <{v.width} x i32> zeroinitializer"
        )

    def broadcast(self, v: Vector, pointer: str) -> str:
        """A vector of one number from memory."""
        scalar = self.value(f"load {v.scalar}, ptr {pointer}, align {self.size}")
        return self.everywhere(v, scalar)

    def constant(self, v: Vector, number: float) -> str:
        """A vector of a number that is known now."""
        written = literal(v.scalar, number)
        return f"<{', '.join([f'{v.scalar} {written}'] * v.width)}>"

    def multiply(self, v: Vector, a: str, b: str) -> str:
        """Product."""
        return self.value(f"fmul {v.name} {a}, {b}")

    def add(self, v: Vector, a: str, b: str) -> str:
        """Sum."""
        return self.value(f"fadd {v.name} {a}, {b}")

    def fma(self, v: Vector, a: str, b: str, c: str | None) -> str:
        """The sum a · b + c, rounded once; the product where there is no c."""
        if c is None:
            return self.multiply(v, a, b)
        t = v.name
        self._declarations.add(f"declare {t} @llvm.fma.{v.suffix}({t}, {t}, {t})")
        return self.value(f"call {t} @llvm.fma.{v.suffix}({t} {a}, {t} {b}, {t} {c})")

    def square_root(self, v: Vector, a: str) -> str:
        """Square root."""
        self._declarations.add(f"declare {v.name} @llvm.sqrt.{v.suffix}({v.name})")
        return self.value(f"call {v.name} @llvm.sqrt.{v.suffix}({v.name} {a})")

    def shuffle(self, v: Vector, a: str, b: str, lanes: Sequence[int]) -> str:
        """Chosen numbers of two vectors."""
        mask = f"<{len(lanes)} x i32> <{', '.join(f'i32 {lane}' for lane in lanes)}>"
        return self.value(f"shufflevector {v.name} {a}, {v.name} {b}, {mask}")

    def sum_lanes(
        self, v: Vector, values: Sequence[str], places: Sequence[str], accumulate: bool = False
    ) -> None:
        """Store the sum of the numbers of each vector; with ``accumulate`` add it to what is there.

        Pairs of vectors become one, in a tree, so that as many sums as a vector is wide cost little
        more than one.
        """
        one = Vector(v.scalar, 1)
        evens, odds = range(0, 2 * v.width, 2), range(1, 2 * v.width, 2)

        def join(a: str, b: str) -> str:
            return self.add(v, self.shuffle(v, a, b, evens), self.shuffle(v, a, b, odds))

        for start in range(0, len(values), v.width):
            some = values[start : start + v.width]
            sums = _tree(some, v.width, join)
            where = _tree([[k] * v.width for k in range(len(some))], v.width, _join_labels)
            for k, place in enumerate(places[start : start + v.width]):
                lane = f"extractelement {v.name} {sums}, i32 {where.index(k)}"
                total = self.everywhere(one, self.value(lane))
                if accumulate:
                    total = self.add(one, self.load(one, place), total)
                self.store(one, total, place)

    # -- loops -------------------------------------------------------------------------------

    def loop(
        self,
        start: str | int,
        stop: str | int,
        step: str | int,
        body: Callable[..., Sequence[str] | None],
        carried: Sequence[tuple[Vector, str]] = (),
    ) -> list[str]:
        """``for index in range(start, stop, step)``; returns the carried values at its end.

        ``body`` gets the index and the carried values, and returns their new values.
        """
        before, head, inside, again, after = (self._new("b")[1:] for _ in range(5))
        index = self._new("i")
        names = [self._new("c") for _ in carried]
        self._branch(before)
        self._branch(head)
        where = len(self._lines)
        going = self._new("v")
        self.do(f"{going} = icmp slt i64 {index}, {stop}")
        self.do(f"br i1 {going}, label %{inside}, label %{after}")
        self._lines.append(f"{inside}:")
        results = body(index, *names) or ()
        self._branch(again)
        following = self.integer("add", index, step)
        self.do(f"br label %{head}")
        self._lines.append(f"{after}:")
        phis = [f"  {index} = phi i64 [ {start}, %{before} ], [ {following}, %{again} ]"]
        for name, (v, first), result in zip(names, carried, results, strict=True):
            phis.append(f"  {name} = phi {v.name} [ {first}, %{before} ], [ {result}, %{again} ]")
        self._lines[where:where] = phis
        return names

    def parallel(
        self, counter: str, stop: str, grain: str, body: Callable[[str, str], None]
    ) -> None:
        """Take runs of ``grain`` items from a shared counter until none is left.

        ``body`` gets the first item of a run and the one after its last.
        """
        head, inside, after = (self._new("b")[1:] for _ in range(3))
        self._branch(head)
        first = self.value(f"atomicrmw add ptr {counter}, i64 {grain} monotonic")
        going = self.value(f"icmp slt i64 {first}, {stop}")
        self.do(f"br i1 {going}, label %{inside}, label %{after}")
        self._lines.append(f"{inside}:")
        body(first, self.smaller(self.integer("add", first, grain), stop))
        self.do(f"br label %{head}")
        self._lines.append(f"{after}:")

    def _branch(self, label: str) -> None:
        self.do(f"br label %{label}")
        self._lines.append(f"{label}:")

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"%{kind}{self._count}"


def _tree(level: Sequence[Item], width: int, join: Callable[[Item, Item], Item]) -> Item:
    """Join neighbours until one is left, as often as a vector of some width can be halved."""
    while width > 1:
        level = [join(level[n], level[min(n + 1, len(level) - 1)]) for n in range(0, len(level), 2)]
        width //= 2
    return level[0]


def _join_labels(a: list[int], b: list[int]) -> list[int]:
    """Which vector each lane belongs to after two were joined."""
    return [*a[::2], *b[::2]]


def literal(scalar: str, number: float) -> str:
    """A floating-point number, exactly as the language wants it.

    >>> literal("double", 0.5)
    '0x3FE0000000000000'
    """
    rounded = float(np.float32(number)) if scalar == "float" else float(number)
    return f"0x{np.float64(rounded).view(np.uint64):016X}"
