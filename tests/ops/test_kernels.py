import re

import pytest

from euclidium.ops import TensorProductPlan
from euclidium.ops.channelwise import Channelwise
from euclidium.ops.kernels import KERNELS, convolution_kernel

PLAN = TensorProductPlan.channelwise("16x0e+16x1o+16x2e", "0e+1o+2e", keep="0e+1o+2e")


def test_there_is_a_kernel_for_each_slot():
    assert sorted(KERNELS) == ["w", "x", "y", "z"]


@pytest.mark.parametrize("slot", KERNELS)
def test_code_is_the_same_every_time(slot):
    """The cache on disk relies on it."""
    codes = {convolution_kernel(PLAN, slot, "float", 16, 32) for _ in range(2)}
    assert len(codes) == 1


@pytest.mark.parametrize("slot", KERNELS)
def test_no_allocation_grows_with_the_edges(slot):
    """All room is on the stack: a column for each edge of a tile, and not more than 64 KiB."""
    code = convolution_kernel(PLAN, slot, "float", 16, 32)
    rooms = [int(n) for n in re.findall(r"alloca \[(\d+) x float\]", code)]
    assert rooms
    assert sum(rooms) * 4 < 2**16
    assert "malloc" not in code


@pytest.mark.parametrize("slot", KERNELS)
def test_no_atomics_but_the_counter_of_items(slot):
    code = convolution_kernel(PLAN, slot, "float", 16, 32)
    assert re.findall(r"atomicrmw.*", code) == re.findall(r"atomicrmw add ptr %arguments, .*", code)
    assert code.count("atomicrmw") == 1


def test_multiplications_are_those_that_are_counted():
    """One vector of 16 channels: each form and each weighted component is one instruction."""
    code = convolution_kernel(PLAN, "z", "float", 16, 32)
    work = Channelwise(PLAN)
    groups = KERNELS["z"](work, "float", 16, 32).groups
    for_forms = sum(len(form) for group in groups for form in group.forms)
    written = len(re.findall(r"= fmul|call .*@llvm\.fma", code))
    assert (written - for_forms) * 2 * 16 == work.operations


@pytest.mark.parametrize("registers", [16, 32])
def test_sums_fit_into_the_registers(registers):
    """Sums that a loop carries."""
    code = convolution_kernel(PLAN, "z", "float", 8, registers)
    loops = re.split(r"phi i64", code)[1:]
    carried = [len(re.findall(r"phi <", loop)) for loop in loops]
    assert 0 < max(carried) <= registers - 8
