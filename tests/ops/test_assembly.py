import numpy as np
import pytest

from euclidium.ops import machine
from euclidium.ops.assembly import Assembly, Vector, literal


def run(code, *arguments, threads=1):
    """Compile what was written, without the cache, and run it."""
    machine._load(machine._compile(code.text()))(arguments, threads)


def address(array):
    return array.ctypes.data


@pytest.mark.parametrize("number", [0.0, -0.0, 1.0, 1 / 3, -1e-30, 1e30, float("inf")])
@pytest.mark.parametrize(("scalar", "kind"), [("float", np.float32), ("double", np.float64)])
def test_literals_are_exact(number, scalar, kind):
    array = np.full(4, 7, kind)
    code, v = Assembly("kernel", scalar), Vector(scalar, 4)
    code.store(v, code.constant(v, number), code.argument(1))
    run(code, address(array))
    assert array.tobytes() == np.full(4, number, kind).tobytes()
    assert literal(scalar, number).startswith("0x")


def test_arithmetic_and_shuffles():
    a, b = np.arange(8.0), np.arange(8.0) ** 2 + 1
    result = np.zeros((5, 8))
    code, v = Assembly("kernel", "double"), Vector("double", 8)
    pa, pb, out = (code.argument(n) for n in (1, 2, 3))
    x, y = code.load(v, pa), code.load(v, pb)
    values = [
        code.add(v, x, y),
        code.multiply(v, x, y),
        code.fma(v, x, y, x),
        code.fma(v, x, y, None),
        code.shuffle(v, x, y, [7, 15, 0, 8, 1, 9, 2, 10]),
    ]
    for n, value in enumerate(values):
        code.store(v, value, code.offset(out, 64 * n))
    run(code, address(a), address(b), address(result))
    both = np.concatenate([a, b])
    expected = [a + b, a * b, a * b + a, a * b, both[[7, 15, 0, 8, 1, 9, 2, 10]]]
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 16, 21])
@pytest.mark.parametrize("accumulate", [False, True])
def test_sums_of_lanes(width, count, accumulate):
    values = np.random.default_rng(0).normal(size=(count, width))
    result = np.ones(count)
    code, v = Assembly("kernel", "double"), Vector("double", width)
    source, target = code.argument(1), code.argument(2)
    loaded = [code.load(v, code.offset(source, n * v.bytes)) for n in range(count)]
    places = [code.offset(target, 8 * n) for n in range(count)]
    code.sum_lanes(v, loaded, places, accumulate)
    run(code, address(values), address(result))
    np.testing.assert_allclose(result, values.sum(1) + accumulate, rtol=1e-13, atol=1e-14)


def test_loops_nest_and_carry():
    """Σ_i Σ_j a[i, j], with the inner sums carried, and a loop that never runs."""
    a, result = np.arange(12.0).reshape(3, 4), np.zeros(2)
    code, one = Assembly("kernel", "double"), Vector("double", 1)
    source, target = code.argument(1), code.argument(2)

    def outer(i, total):
        row = code.element(source, i, 32)

        def inner(j, total):
            return [code.add(one, total, code.load(one, code.element(row, j)))]

        return code.loop(0, 4, 1, inner, [(one, total)])

    (total,) = code.loop(0, 3, 1, outer, [(one, "zeroinitializer")])
    code.store(one, total, target)
    (none,) = code.loop(5, 5, 1, lambda i, v: [total], [(one, "zeroinitializer")])
    code.store(one, none, code.offset(target, 8))
    run(code, address(a), address(result))
    assert result.tolist() == [66.0, 0.0]


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("items", [0, 1, 7, 1000])
def test_threads_share_items(threads, items):
    """Every item is taken by exactly one thread."""
    taken = np.zeros(items + 1, np.int64)
    code = Assembly("kernel", "double")
    stop, grain, target = code.integer_argument(1), code.integer_argument(2), code.argument(3)

    def take(i):
        here = code.element(target, i, 8)
        code.store_integer(code.integer("add", code.load_integer(here), 1), here)

    code.parallel("%arguments", stop, grain, lambda first, last: code.loop(first, last, 1, take))
    run(code, items, 3, address(taken), threads=threads)
    assert taken.tolist() == [1] * items + [0]
