import pytest

from euclidium.o3 import Irreps
from euclidium.ops import machine
from euclidium.ops.mixing_kernels import Mixing, mixing_kernel, sections

MIXING = Mixing(Irreps("4x0e+3x1o+0x1o+2x0e+2x0o"), Irreps("3x1o+2x0e+1x2e+1x1o"))


def test_sectors_join_the_blocks_of_an_irrep():
    vectors, scalars = MIXING.sectors
    assert (vectors.components, vectors.shape, len(vectors.targets)) == (3, (3, 4), 2)
    assert [(p.start, p.channels, p.before) for p in scalars.sources] == [(0, 4, 0), (13, 2, 4)]
    assert MIXING.unreached == ((11, 5),)
    assert MIXING.operations == 2 * (3 * 12 + 12)


def test_the_way_back_keeps_order_and_scale():
    back = MIXING.transposed
    assert [s.shape for s in back.sectors] == [(4, 3), (2, 6)]
    assert [s.scale for s in back.sectors] == [s.scale for s in MIXING.sectors]
    assert back.unreached == ((15, 2),)
    assert back.transposed == MIXING


@pytest.mark.parametrize("kind", ["rows", "matrices", "turned"])
@pytest.mark.parametrize(("lanes", "registers"), [(4, 16), (8, 16), (16, 32)])
@pytest.mark.parametrize("grouped", [False, True])
def test_kernels_are_valid_for_every_processor(kind, lanes, registers, grouped):
    text = mixing_kernel(MIXING, kind, grouped, "float", lanes, registers)
    machine._llvm().parse_assembly(text).verify()
    assert sections(MIXING, kind) == (3 if kind == "matrices" else 1)
