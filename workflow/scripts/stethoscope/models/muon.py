"""Muon, the optimizer of a small model's weight matrices, for many small matrices.

Computes what `torch.optim.Muon` does, number for number, but on stacks of matrices of one shape:
a small model has dozens of small matrices, and one at a time they cost more in calls than in
arithmetic.
"""

from collections.abc import Iterable

import torch

# The coefficients of the quintic Newton-Schulz iteration (Jordan et al., 2024), as in PyTorch.
_A, _B, _C = 3.4445, -4.7750, 2.0315


class StackedMuon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal, for 2-D parameters that all receive gradients.

    lr: step size; a tall matrix (rows > columns) steps sqrt(rows / columns) times as far.
    weight_decay: decoupled, times lr. momentum: Nesterov. iterations: of Newton-Schulz.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        iterations: int = 5,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "iterations": iterations,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter along its momentum."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[torch.Tensor]] = {}
            for parameter in group["params"]:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for (rows, columns), parameters in by_shape.items():
                gradients = torch.stack([parameter.grad for parameter in parameters])
                state = self.state[parameters[0]]
                if not state:
                    state["momentum"] = torch.zeros_like(gradients)
                state["momentum"].lerp_(gradients, 1 - group["momentum"])
                updates = gradients.lerp_(state["momentum"], group["momentum"])
                updates = orthogonalized(updates, group["iterations"]).float()
                stretch = max(1.0, rows / columns) ** 0.5
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, updates.unbind(), alpha=-group["lr"] * stretch)


def matrix_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the device multiplies matrices in it, else float32.

    A CPU without AVX512 emulates bfloat16 some 25 times slower than it computes in float32.
    """
    emulated = device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.float32 if emulated else torch.bfloat16


def orthogonalized(matrices: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Roughly U V^T of each matrix's singular value decomposition, in bfloat16 (`matrix_dtype`).

    matrices: (n, rows, columns). The singular values of the result lie around 1, between 0.5 and
    1.5, which is as good as exactly 1 for this purpose.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    result = matrices.to(matrix_dtype(matrices.device))
    if tall:
        result = result.mT.contiguous()
    result = result / result.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(iterations):
        gram = result @ result.mT
        result = torch.baddbmm(
            result, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), result, beta=_A
        )
    return result.mT if tall else result
