"""Arithmetic as a graph: written down once, differentiated, then run by torch or as code."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from euclidium.ops.assembly import Assembly, Vector


class Node(NamedTuple):
    """One operation: its name, the nodes it takes, and for leaves and lengths a number or place."""

    operation: str
    operands: tuple[int, ...] = ()
    label: tuple = ()


@dataclass(frozen=True, eq=False)
class Number:
    """A node of a graph; sums and products with others, or with plain numbers, are new nodes.

    >>> x, y = Graph().inputs(0, 2)
    >>> (x * y + 0.0) is (y * x)
    False
    >>> (x * y + 0.0).index == (y * x).index
    True
    """

    graph: "Graph"
    index: int

    def __add__(self, other: "Number | float") -> "Number":
        return self.graph.add(self, self.graph.number(other))

    def __mul__(self, other: "Number | float") -> "Number":
        return self.graph.multiply(self, self.graph.number(other))

    def __neg__(self) -> "Number":
        return self.graph.negate(self)

    def __sub__(self, other: "Number | float") -> "Number":
        return self + -self.graph.number(other)

    __radd__ = __add__
    __rmul__ = __mul__


class Graph:
    """Numbers and how they follow from each other. Equal expressions are one node.

    Nodes stand in an order in which they can be computed.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._places: dict[Node, int] = {}

    def inputs(self, block: int, width: int) -> list[Number]:
        """The numbers of a row of the block-th input."""
        return [self._place(Node("input", label=(block, column))) for column in range(width)]

    def number(self, value: Number | float) -> Number:
        """A plain number as a node."""
        return value if isinstance(value, Number) else self._place(Node("constant", (), (value,)))

    def add(self, a: Number, b: Number) -> Number:
        """Sum."""
        first, second = self._constant(a), self._constant(b)
        if first is not None and second is not None:
            return self.number(first + second)
        if first == 0:
            return b
        return a if second == 0 else self._place(Node("add", (a.index, b.index)))

    def multiply(self, a: Number, b: Number) -> Number:
        """Product; constants are gathered in front, signs outside."""
        if self._constant(a) is None:
            a, b = b, a
        first, second = self._constant(a), self._constant(b)
        if first is not None and second is not None:
            return self.number(first * second)
        if first is not None:
            return self._scaled(first, b)
        for one, other in ((a, b), (b, a)):
            node = self.nodes[one.index]
            if node.operation == "negate":
                return -(self._at(node.operands[0]) * other)
        low, high = sorted((a.index, b.index))
        return self._place(Node("multiply", (low, high)))

    def negate(self, a: Number) -> Number:
        """The number with the other sign."""
        node, value = self.nodes[a.index], self._constant(a)
        if value is not None:
            return self.number(-value)
        if node.operation == "negate":
            return self._at(node.operands[0])
        if node.operation == "multiply" and (c := self._constant(self._at(node.operands[0]))):
            return self._scaled(-c, self._at(node.operands[1]))
        return self._place(Node("negate", (a.index,)))

    def inverse_length(self, vector: Sequence[Number], shortest: float, otherwise: float) -> Number:
        """1 / |r|, and another number for vectors that are not longer than ``shortest``."""
        label = (float(shortest), float(otherwise))
        return self._place(Node("inverse length", tuple(c.index for c in vector), label))

    # -- derivatives -------------------------------------------------------------------------

    def pull(
        self, outputs: Sequence[Number], cotangents: Sequence[Number], inputs: Sequence[Number]
    ) -> list[Number]:
        """Σ_k cotangent_k ∂output_k / ∂input, for each input.

        >>> graph = Graph()
        >>> x, g = graph.inputs(0, 2)
        >>> graph.pull([x * x], [g], [x])[0].index == (g * x + g * x).index
        True
        """
        adjoints: dict[int, Number] = {}

        def contribute(to: int, value: Number) -> None:
            adjoints[to] = adjoints[to] + value if to in adjoints else value

        for output, cotangent in zip(outputs, cotangents, strict=True):
            contribute(output.index, cotangent)
        for index in reversed(self.order(outputs)):
            if index in adjoints:
                for to, slope in self._slopes(index):
                    contribute(to, adjoints[index] * slope)
        return [adjoints.get(x.index, self.number(0.0)) for x in inputs]

    def push(
        self, outputs: Sequence[Number], inputs: Sequence[Number], tangents: Sequence[Number]
    ) -> list[Number]:
        """Σ_k ∂output / ∂input_k tangent_k, for each output.

        >>> graph = Graph()
        >>> x, v = graph.inputs(0, 2)
        >>> graph.push([x * x * 2.0], [x], [v])[0].index == ((v * x + v * x) * 2.0).index
        True
        """
        along = {x.index: tangent for x, tangent in zip(inputs, tangents, strict=True)}
        for index in self.order(outputs):
            total = along.get(index, self.number(0.0))
            for operand, slope in self._slopes(index):
                total = total + along[operand] * slope
            along[index] = total
        return [along[output.index] for output in outputs]

    def _slopes(self, index: int) -> Iterator[tuple[int, Number]]:
        """Each operand of a node with the derivative by it."""
        operation, operands, label = self.nodes[index]
        one = self.number(1.0)
        if operation == "add":
            yield from ((operand, one) for operand in operands)
        elif operation == "negate":
            yield operands[0], -one
        elif operation == "multiply":
            a, b = operands
            yield a, self._at(b)
            yield b, self._at(a)
        elif operation == "inverse length":
            vector = [self._at(operand) for operand in operands]
            inverse = self.inverse_length(vector, label[0], 0.0)
            for component in vector:
                # in this order nothing overflows before the derivative itself does
                yield component.index, -(inverse * (inverse * (inverse * component)))

    # -- reading a graph ---------------------------------------------------------------------

    def order(self, outputs: Sequence[Number], done: Container[int] = ()) -> list[int]:
        """The nodes that some numbers need beside those that are done.

        Each stands after its operands, and where it is first needed.
        """
        found: dict[int, None] = {}
        stack = [output.index for output in reversed(outputs) if output.index not in done]
        while stack:
            index = stack[-1]
            operands = self.nodes[index].operands
            missing = [n for n in operands if n not in found and n not in done]
            if missing:
                stack.extend(reversed(missing))
            else:
                found.setdefault(stack.pop())
        return list(found)

    def _at(self, index: int) -> Number:
        return Number(self, index)

    def _place(self, node: Node) -> Number:
        if node not in self._places:
            self._places[node] = len(self.nodes)
            self.nodes.append(node)
        return self._at(self._places[node])

    def _constant(self, a: Number) -> float | None:
        operation, _, label = self.nodes[a.index]
        return label[0] if operation == "constant" else None

    def _scaled(self, factor: float, a: Number) -> Number:
        """A number times a constant that is neither 0 nor ±1, or what that makes of it."""
        if factor == 0:
            return self.number(0.0)
        if factor == 1:
            return a
        if factor == -1 and self.nodes[a.index].operation != "multiply":
            return -a
        node = self.nodes[a.index]
        if node.operation == "negate":
            return self._scaled(-factor, self._at(node.operands[0]))
        if node.operation == "multiply":
            inner = self._constant(self._at(node.operands[0]))
            if inner is not None:
                return self._scaled(factor * inner, self._at(node.operands[1]))
            if factor == -1:
                return self._place(Node("negate", (a.index,)))
        return self._place(Node("multiply", (self.number(factor).index, a.index)))


def evaluate(outputs: Sequence[Number], blocks: Sequence[Tensor]) -> list[Tensor]:
    """The numbers by torch, differentiable to any order; inputs are columns of the blocks.

    >>> x, y = Graph().inputs(0, 2)
    >>> evaluate([x * y + 1.0], [torch.tensor([[2.0, 3.0]])])
    [tensor([7.])]
    """
    graph, like = outputs[0].graph, blocks[0][..., 0]
    found: dict[int, Any] = {}  # a tensor, or a plain number for a constant
    for index in graph.order(outputs):
        operation, operands, label = graph.nodes[index]
        values = [found[n] for n in operands]
        if operation == "input":
            found[index] = blocks[label[0]][..., label[1]]
        elif operation == "constant":
            found[index] = label[0]
        elif operation == "add":
            found[index] = values[0] + values[1]
        elif operation == "multiply":
            found[index] = values[0] * values[1]
        elif operation == "negate":
            found[index] = -values[0]
        else:
            found[index] = _inverse_length(values, *label)
    results = [found[output.index] for output in outputs]
    return [r if isinstance(r, Tensor) else torch.full_like(like, r) for r in results]


def _inverse_length(vector: Sequence[Tensor], shortest: float, otherwise: float) -> Tensor:
    square = torch.stack(list(vector)).square().sum(0)
    is_long = square > shortest**2
    # the inner where keeps the derivative of the branch not taken finite
    inverse = torch.where(is_long, square, torch.ones_like(square)).rsqrt()
    return torch.where(is_long, inverse, torch.full_like(square, otherwise))


class Writer:
    """Writes numbers as vector code, each once, where it is first needed."""

    def __init__(
        self, code: Assembly, v: Vector, outputs: Sequence[Number], load: Callable[[int, int], str]
    ) -> None:
        self.code, self.v, self.load = code, v, load
        self.graph = outputs[0].graph
        self.found: dict[int, str] = {}
        self._roots: dict[tuple[int, ...], tuple[str, str]] = {}
        self._uses = self._count(outputs)

    def write(self, output: Number) -> str:
        """The value of a number, with all that it needs."""
        for index in self.graph.order([output], self.found):
            if not self._is_part(index):
                self._value(index)
        return self.found[output.index]

    def _count(self, outputs: Sequence[Number]) -> Mapping[int, int]:
        """How often each node is an operand."""
        uses: dict[int, int] = {}
        for index in self.graph.order(outputs):
            for operand in self.graph.nodes[index].operands:
                uses[operand] = uses.get(operand, 0) + 1
        for output in outputs:
            uses[output.index] = uses.get(output.index, 0) + 2
        return uses

    def _is_part(self, index: int) -> bool:
        """Whether a node is written within the one node that uses it."""
        operation = self.graph.nodes[index].operation
        return operation in ("multiply", "negate") and self._uses[index] == 1

    def _value(self, index: int) -> str:
        if index not in self.found:
            self.found[index] = self._write(index)
        return self.found[index]

    def _write(self, index: int) -> str:
        code, v = self.code, self.v
        operation, operands, label = self.graph.nodes[index]
        if operation == "input":
            return self.load(*label)
        if operation == "constant":
            return code.constant(v, label[0])
        if operation == "negate":
            return self._negative(self._value(operands[0]))
        if operation == "multiply":
            return code.multiply(v, *(self._value(n) for n in operands))
        if operation == "add":
            return self._sum(*operands)
        return self._inverse_length(operands, *label)

    def _sum(self, a: int, b: int) -> str:
        """The sum of two numbers, fused with the product that one of them is."""
        if self._product(b) is None:
            a, b = b, a
        product = self._product(b)
        if product is not None:
            sign, x, y = product
            factor = self._value(x)
            if sign < 0:
                factor = self._negative(factor)
            return self.code.fma(self.v, factor, self._value(y), self._value(a))
        return self.code.add(self.v, self._value(a), self._value(b))

    def _product(self, index: int) -> tuple[int, int, int] | None:
        """Sign and factors of a product that nothing else uses."""
        operation, operands, _ = self.graph.nodes[index]
        if index in self.found or not self._is_part(index):
            return None
        if operation == "multiply":
            return 1, operands[0], operands[1]
        inner = self._product(operands[0])
        return None if inner is None else (-inner[0], inner[1], inner[2])

    def _negative(self, value: str) -> str:
        return self.code.value(f"fneg {self.v.name} {value}")

    def _inverse_length(self, operands: tuple[int, ...], shortest: float, otherwise: float) -> str:
        code, v = self.code, self.v
        if operands not in self._roots:
            square: str | None = None
            for value in (self._value(n) for n in operands):
                square = code.fma(v, value, value, square)
            limit = code.constant(v, shortest**2)
            long = code.value(f"fcmp ogt {v.name} {square}, {limit}")
            root = code.square_root(v, str(square))
            one = code.constant(v, 1.0)
            self._roots[operands] = long, code.value(f"fdiv {v.name} {one}, {root}")
        long, inverse = self._roots[operands]
        other = code.constant(v, otherwise)
        mask = f"<{v.width} x i1> {long}"
        return code.value(f"select {mask}, {v.name} {inverse}, {v.name} {other}")
