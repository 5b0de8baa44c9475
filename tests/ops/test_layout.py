import torch

from euclidium.o3 import Irreps
from euclidium.ops import from_e3nn, to_e3nn


def test_channels_come_first_in_e3nn():
    x = torch.arange(6.0)  # x0 x1 y0 y1 z0 z1
    assert to_e3nn(x, "2x1o").tolist() == [0, 2, 4, 1, 3, 5]
    assert from_e3nn(to_e3nn(x, "2x1o"), "2x1o").tolist() == x.tolist()


def test_rotations_agree_at_the_border():
    """kron(D, 1) here is kron(1, D) there."""
    irreps = Irreps("2x0e+3x1o+2x2e")
    matrix = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0].numpy()
    d = torch.as_tensor(irreps.D_from_matrix(matrix))
    blocks = [
        torch.kron(torch.eye(b.mul).double(), torch.as_tensor(b.ir.D_from_matrix(matrix)))
        for b in irreps
    ]
    x = torch.randn(irreps.dim, dtype=torch.float64)
    torch.testing.assert_close(
        to_e3nn(d @ x, irreps), torch.block_diag(*blocks) @ to_e3nn(x, irreps)
    )
