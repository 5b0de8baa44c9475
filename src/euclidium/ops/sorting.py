"""The kernel that sorts by an index: edges by their sender, nodes by their species."""

from collections.abc import Callable

from euclidium.ops.assembly import Assembly


def grouping_kernel() -> str:
    """The code that sorts nodes by their group, in their own order within it.

    Arguments after the counter: items (one), grain (one), the number of nodes, of groups n and of
    counters, the groups of the nodes, room for the counters, which become zero, room for n + 3
    integers, of which the first n + 1 become the pointer and the last how many nodes have a group
    outside 0 … n - 1, and room for the order.
    """
    code = Assembly("kernel", "float")
    nodes, groups, counters = (code.integer_argument(n) for n in (3, 4, 5))
    given, zeros, pointer, order = (code.argument(n) for n in (6, 7, 8, 9))

    def group(node: str) -> str:
        found = code.load_integer(code.element(given, node, 8))
        inside = code.value(f"icmp ult i64 {found}, {groups}")
        return code.value(f"select i1 {inside}, i64 {found}, i64 {groups}")

    def clear(where: str) -> Callable[[str], None]:
        return lambda n: code.store_integer(0, code.element(where, n, 8))

    def step(place: str) -> str:
        before = code.load_integer(place)
        code.store_integer(code.integer("add", before, 1), place)
        return before

    def count(node: str) -> None:
        step(code.offset(code.element(pointer, group(node), 8), 16))

    def add(n: str) -> None:
        here = code.element(pointer, n, 8)
        total = code.integer(
            "add", code.load_integer(here), code.load_integer(code.offset(here, -8))
        )
        code.store_integer(total, here)

    def put(node: str) -> None:
        place = step(code.offset(code.element(pointer, group(node), 8), 8))
        code.store_integer(node, code.element(order, place, 8))

    def sort(first: str, stop: str) -> None:
        code.loop(0, counters, 1, clear(zeros))
        code.loop(0, code.integer("add", groups, 3), 1, clear(pointer))
        code.loop(0, nodes, 1, count)
        code.loop(2, code.integer("add", groups, 2), 1, add)
        code.loop(0, nodes, 1, put)

    code.parallel("%arguments", code.integer_argument(1), code.integer_argument(2), sort)
    return code.text()
