"""The stacked Muon is PyTorch's Muon."""

import pytest
import torch

from stethoscope.models.muon import StackedMuon, orthogonalized

SHAPES = [(8, 8), (4, 8), (24, 8), (8, 24), (8, 8), (4, 8), (24, 8), (8, 24)]


def test_it_moves_each_matrix_as_pytorchs_own_does():
    generator = torch.Generator().manual_seed(0)
    start = [torch.randn(shape, generator=generator) for shape in SHAPES]
    ours, theirs = ([matrix.clone().requires_grad_() for matrix in start] for _ in range(2))
    optimizers = [
        StackedMuon(ours, lr=0.02, weight_decay=0.1),
        torch.optim.Muon(theirs, lr=0.02, weight_decay=0.1),
    ]
    for _ in range(5):
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for one, other, first in zip(ours, theirs, start, strict=True):
        torch.testing.assert_close(one, other, atol=2e-3, rtol=0)
        assert (one - first).abs().max() > 0.02


@pytest.mark.parametrize("shape", [(3, 6, 6), (3, 4, 9), (3, 9, 4)])
def test_singular_values_become_about_one_and_vectors_stay(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    result = orthogonalized(matrices).float()
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.3 and values.max() < 1.6
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    inside = left.mT @ result @ right.mT
    off_diagonal = inside - torch.diag_embed(inside.diagonal(dim1=1, dim2=2))
    assert off_diagonal.abs().max() < 0.1
