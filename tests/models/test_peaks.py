"""Peaks: all modes are there, they move with their readouts, and their gradients are right."""

import pytest
import torch

from euclidium.models.peaks import Peaks

EDGES = torch.linspace(-100.0, 1000.0, 111, dtype=torch.float64)


@pytest.fixture
def peaks() -> Peaks:
    """A readout without dropout, in double precision."""
    torch.manual_seed(0)
    return Peaks(6, 8, EDGES, n=7, dropout=0.0).double()


def test_every_site_has_all_its_modes_whatever_it_is(peaks: Peaks):
    share, modes = peaks(100 * torch.randn(50, 6).double())
    torch.testing.assert_close(modes.sum(1), torch.ones(50).double())
    assert (modes >= 0).all()
    assert ((share >= 0) & (share <= 1)).all()


def test_peaks_begin_at_their_places(peaks: Peaks):
    with torch.no_grad():
        peaks.readout[-1].weight.zero_()
    share, modes = peaks(torch.randn(1, 6).double())
    centers = (EDGES[1:] + EDGES[:-1]) / 2
    assert (modes[0] * centers).sum().item() == pytest.approx(360.0, abs=2.0)
    assert share.item() == 0.5


def test_a_stretched_curve_has_the_same_peaks_further_up(peaks: Peaks):
    with torch.no_grad():
        peaks.readout[-1].weight.zero_()
        peaks.readout[-1].bias[14:21] = torch.tensor([0, 0, 9.0, 0, 0, 0, 0])
        means = []
        for stretch in (0.0, 2 * torch.log(torch.tensor(1.5)).item()):
            peaks.readout[-1].bias[-2] = stretch
            modes = peaks(torch.randn(1, 6).double())[1][0]
            means.append((modes * (EDGES[1:] + EDGES[:-1]) / 2).sum().item())
    assert means[1] / means[0] == pytest.approx(1.5, rel=1e-3)


def test_first_and_second_gradients_are_those_of_finite_differences(peaks: Peaks):
    x = torch.randn(2, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(peaks, (x,))
    assert torch.autograd.gradgradcheck(peaks, (x,))


def test_far_from_a_peak_gradients_are_finite(peaks: Peaks):
    """Where the density of a peak is no normal number any more, it counts as the least of them."""
    far = Peaks(6, 8, torch.linspace(-100.0, 1e6, 50), n=2, dropout=0.0)
    x = torch.randn(3, 6, requires_grad=True)
    far(x)[1][:, 20].sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad.abs().max() < 1e-20
