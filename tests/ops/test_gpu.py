"""The Triton kernels against the reference.

Without a CUDA device the kernels run in Triton's interpreter. Triton decides that when it is first
imported, and others may have imported it, so a process of its own runs the tests of this file.
"""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from euclidium.ops import Edges, TensorProductPlan, gpu, reference

REPOSITORY = Path(__file__).parents[2]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED or not torch.cuda.is_available() else "cuda"

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)
runs_kernels = pytest.mark.skipif(
    gpu.unavailable() is not None, reason="runs in the interpreter, or on a CUDA device"
)

# Largest error relative to the largest number of the result. Sums are kept in float32 for the
# halves, whose results are then cut to 8 and 11 bits: by at most one unit in the last place.
TOLERANCES = {
    torch.float64: 1e-12,
    torch.float32: 1e-5,
    torch.float16: 2**-10,
    torch.bfloat16: 2**-7,
}

PLANS = {
    "even and odd": TensorProductPlan.channelwise("5x0e+5x1o", "0e+1o+2e", keep="0e+1o+1e+2e"),
    "one channel": TensorProductPlan.channelwise("1x1e+1x0o", "0e+1o", keep="0o+1o+2o"),
    "unequal blocks": TensorProductPlan.channelwise("33x0e+1x1o+5x2e", "0e+1o", keep="0e+1o+2e"),
    "several blocks of channels": TensorProductPlan.channelwise("65x0e+2x1e", "1o", keep="0o+1o"),
    "l = 3": TensorProductPlan.channelwise("2x3o", "2e+3o", keep="3o+2e"),
    # 1x2e of x and 1x4e of y have no path: their derivatives are zero
    "blocks without a path": TensorProductPlan.channelwise("2x0e+1x2e", "1o+4e", keep="1o"),
}


def some_edges(n_nodes=6, n_edges=15, seed=0):
    """Edges between random nodes, of which the last receives none."""
    generator = torch.Generator().manual_seed(seed)
    receivers = torch.randint(n_nodes - 1, (n_edges,), generator=generator).sort().values
    senders = torch.randint(n_nodes, (n_edges,), generator=generator)
    return Edges.from_receivers(senders, receivers, n_nodes)


def nodes(*numbers):
    return torch.tensor(numbers, dtype=torch.int64)


def some_values(plan, edges, dtype, seed=1):
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "x": (edges.n_nodes, plan.x.dim),
        "y": (edges.n_edges, plan.y.dim),
        "w": (edges.n_edges, plan.n_weights),
        "z": (edges.n_nodes, plan.out.dim),
    }
    return {
        name: torch.randn(shape, generator=generator).to(dtype) for name, shape in shapes.items()
    }


def contraction(plan, slot, values, edges, device=DEVICE):
    """The result of a kernel, brought back."""
    others = {name: value.to(device) for name, value in values.items() if name != slot}
    return gpu.contraction(plan, slot, others, edges.to(device)).cpu()


def assert_right(plan, slot, edges, dtype, device=DEVICE):
    values = some_values(plan, edges, dtype)
    result = contraction(plan, slot, values, edges, device)
    exact = {name: value.double() for name, value in values.items() if name != slot}
    expected = reference.contraction(plan, slot, exact, edges)
    assert result.dtype == dtype
    assert result.shape == values[slot].shape
    if expected.numel():
        error = (result.double() - expected).abs().max()
        assert error <= TOLERANCES[dtype] * expected.abs().max()


@needs_triton
@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_the_kernels_in_the_interpreter(tmp_path):
    environment = {
        **os.environ,
        "TRITON_INTERPRET": "1",
        "EUCLIDIUM_CACHE": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", __file__]
    done = subprocess.run(
        command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "runs in the interpreter" not in done.stdout  # why a test of the kernels was skipped
    assert list((tmp_path / "triton").glob("*.py"))


@runs_kernels
@pytest.mark.parametrize("slot", "xywz")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", PLANS)
def test_every_slot_is_the_reference(name, dtype, slot):
    assert_right(PLANS[name], slot, some_edges(), dtype)


@runs_kernels
@pytest.mark.parametrize("slot", "xywz")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_halves_are_summed_in_float32(dtype, slot):
    assert_right(PLANS["one channel"], slot, some_edges(), dtype)
    # between two nodes: a sum of many edges kept in halves would lose the small terms
    two_nodes = Edges.from_receivers(nodes(*[1] * 50), nodes(*[0] * 50), 2)
    assert_right(TensorProductPlan.channelwise("3x0e", "0e"), slot, two_nodes, dtype)


@runs_kernels
@pytest.mark.parametrize("slot", "xywz")
@pytest.mark.parametrize(
    "edges",
    [
        Edges.from_receivers(nodes(), nodes(), 3),
        Edges.from_receivers(nodes(), nodes(), 0),
        Edges.from_receivers(nodes(2), nodes(0), 4),
        Edges.from_receivers(nodes(0), nodes(0), 1),
        Edges.from_receivers(nodes(0, 1, 2, 3, 3, 3, 0, 1, 2), nodes(*[2] * 9), 5),
    ],
    ids=["no edges", "nothing", "one edge", "one node", "one receiver"],
)
def test_small_and_uneven_graphs(edges, slot):
    assert_right(PLANS["one channel"], slot, edges, torch.float64)


@runs_kernels
@pytest.mark.parametrize("slot", "xywz")
def test_any_layout_and_width_of_index(slot):
    plan, edges = PLANS["blocks without a path"], some_edges()
    values = some_values(plan, edges, torch.float64)
    expected = contraction(plan, slot, values, edges)
    turned = {name: value.T.contiguous().T for name, value in values.items()}
    assert torch.equal(contraction(plan, slot, turned, edges), expected)
    short = Edges(edges.senders.int(), edges.receivers.int(), edges.row_pointer.int())
    assert torch.equal(contraction(plan, slot, values, short), expected)


@runs_kernels
@pytest.mark.parametrize("slot", "xywz")
def test_two_runs_give_the_same_bits(slot):
    plan, edges = PLANS["even and odd"], some_edges()
    values = some_values(plan, edges, torch.float32)
    first, second = (contraction(plan, slot, values, edges) for _ in range(2))
    assert torch.equal(first, second)


@runs_kernels
@pytest.mark.parametrize("slot", "xywz")
def test_a_long_plan_is_split_into_kernels(slot, monkeypatch):
    plan = PLANS["even and odd"]
    monkeypatch.setattr(gpu, "ENTRIES", 10)
    monkeypatch.setattr(gpu, "COMPONENTS", 3)
    gpu._kernels.cache_clear()
    try:
        assert len(gpu._kernels(plan, slot, torch.float64)) > 1
        assert_right(plan, slot, some_edges(), torch.float64)
    finally:
        gpu._kernels.cache_clear()


@runs_kernels
def test_what_does_not_fit_is_refused(unchecked):
    plan, edges = PLANS["one channel"], some_edges()
    values = some_values(plan, edges, torch.float64)
    with pytest.raises(ValueError, match="there is no slot 'v': choose one of x, y, w, z"):
        contraction(plan, "v", values, edges)
    with pytest.raises(ValueError, match=r"y needs the shape \(15, 4\), got \(14, 4\)"):
        contraction(plan, "x", {**values, "y": values["y"][1:]}, edges)
    with pytest.raises(TypeError, match="one floating-point type, got float32, float64"):
        contraction(plan, "x", {**values, "y": values["y"].float()}, edges)
    with pytest.raises(TypeError, match="one floating-point type, got int64"):
        contraction(plan, "x", {name: value.long() for name, value in values.items()}, edges)
    with pytest.raises(ValueError, match="different devices met: cpu, meta"):
        gpu.contraction(plan, "x", {**values, "y": values["y"].to("meta")}, edges)


@pytest.mark.gpu
@pytest.mark.skipif(INTERPRETED, reason="on a CUDA device")
@pytest.mark.parametrize("slot", "xywz")
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("channels", [64, 100])
def test_a_network_of_l_3_on_a_device(channels, dtype, slot):
    x = f"{channels}x0e+{channels}x1o+{channels}x2e+{channels}x3o"
    plan = TensorProductPlan.channelwise(x, "0e+1o+2e+3o", keep="0e+1o+2e+3o")
    edges = some_edges(n_nodes=50, n_edges=1001)
    assert_right(plan, slot, edges, dtype, device="cuda")


@needs_triton
@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.parametrize("slot", "xywz")
@pytest.mark.parametrize("dtype", ["fp64", "bf16"])
def test_the_compiler_accepts_the_kernels(dtype, slot, tmp_path, monkeypatch):
    """Down to machine code, which needs no device; coefficients keep their digits."""
    from triton.backends import backends
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    if "nvidia" not in backends:
        pytest.skip("triton cannot compile for CUDA here")
    monkeypatch.setenv("EUCLIDIUM_CACHE", str(tmp_path))
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    types = {"fp64": torch.float64, "bf16": torch.bfloat16}
    gpu._kernels.cache_clear()
    ((kernel, _),) = gpu._kernels(PLANS["unequal blocks"], slot, types[dtype])
    signature = dict.fromkeys("XYWZ", f"*{dtype}") | dict.fromkeys(gpu.INDICES[slot], "*i64")
    if "n_edges" in signature:
        signature["n_edges"] = "i32"
    options = {"num_warps": 1, "enable_fp_fusion": True}
    compiled = compile(ASTSource(kernel, signature, {}), GPUTarget("cuda", 80, 32), options)
    assert compiled.asm["cubin"]
    code = compiled.asm["ptx"]
    assert not re.search(r"\b(atom|red)\.", code)
    other = ".f32" if dtype == "fp64" else ".f64"
    assert other not in code


def test_only_channelwise_plans():
    plan = TensorProductPlan.fully_connected("2x0e", "1o", "2x1o")
    assert not gpu.supports(plan)
    assert all(gpu.supports(plan) for plan in PLANS.values())
    values = some_values(plan, some_edges(), torch.float32)
    with pytest.raises(ValueError, match=r"'uv,u,v->u'.* but not 2x0e ⊗ 1x1o -> 2x1o .*reference"):
        contraction(plan, "z", values, some_edges())


def test_why_it_cannot_run(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: None)
        assert gpu.unavailable() == "backend 'gpu' needs triton: pip install 'euclidium[gpu]'"
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: object())
        reason = gpu.unavailable()
        assert reason == "backend 'gpu' needs a CUDA device, and torch finds none here"
        plan = PLANS["one channel"]
        values = some_values(plan, some_edges(), torch.float32)
        with pytest.raises(ValueError, match=reason):
            contraction(plan, "z", values, some_edges(), device="cpu")
        patch.setenv("TRITON_INTERPRET", "1")
        assert gpu.unavailable() is None
        patch.setenv("TRITON_INTERPRET", "0")
        patch.setattr(torch.cuda, "is_available", lambda: True)
        with pytest.raises(ValueError, match="on a CUDA device, got some on cpu: move them"):
            contraction(plan, "z", values, some_edges(), device="cpu")


def test_it_says_what_runs(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A100")
    monkeypatch.setenv("TRITON_INTERPRET", "0")
    assert gpu.description() == "kernels by Triton for A100"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert gpu.description() == "kernels by Triton in its interpreter"


@pytest.mark.skipif(INTERPRETED, reason="the same without the interpreter")
def test_importing_the_backend_does_not_import_triton():
    code = "import sys, euclidium.ops.gpu; assert 'triton' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "src")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_kernels_are_kept(tmp_path, monkeypatch):
    """A file is reused, repaired if it is not what it should be, and put elsewhere if need be."""
    monkeypatch.setenv("EUCLIDIUM_CACHE", str(tmp_path / "own"))
    path = gpu._written("name", "text = 1\n")
    assert path == tmp_path / "own" / "triton" / "name.py"
    path.write_text("text =")
    assert gpu._written("name", "text = 1\n") == path
    assert path.read_text() == "text = 1\n"
    assert [file.name for file in path.parent.iterdir()] == ["name.py"]
    monkeypatch.delenv("EUCLIDIUM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "shared"))
    assert gpu._written("name", "").parent == tmp_path / "shared" / "euclidium" / "triton"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EUCLIDIUM_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(gpu, "_temporary_folder", lambda: tmp_path / "temporary")
    assert gpu._written("name", "") == tmp_path / "temporary" / "name.py"
