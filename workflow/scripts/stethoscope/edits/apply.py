"""A loaded model with an edit in it for a while (paper, eq. 3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from stethoscope.models.parameter_names import in_memory
from stethoscope.task_vectors.task_vector import TaskVector


@contextmanager
def edited(model: PreTrainedModel, edit: TaskVector) -> Iterator[PreTrainedModel]:
    """The model with theta_l + alpha * tau_l in the edit's layers (paper, eq. 3), then restored.

    fp32 weights are replaced: computed from the pristine ones, which are put back afterwards, so
    that nothing drifts over many edits. In bf16 weights a part of a small edit would be rounded
    away, and a bf16 output with the edit's part added is rounded back to where it was; so a bf16
    module computes with W + alpha * tau in fp32 for a while, and rounds its output once.

    Raises ValueError when a module of the edit is not an fp32 or bf16 weight of its shape.
    """
    weights = _edited_parameters(model, edit)
    pristine, widened = {}, []
    try:
        with torch.no_grad():
            for name, weight in weights.items():
                before = weight.detach().float().cpu().numpy()
                changed = torch.from_numpy(before + edit.modules[name].dense())
                if weight.dtype == torch.float32:
                    pristine[name] = weight.detach().clone()
                    weight.copy_(changed)
                else:
                    module = model.get_submodule(in_memory(name))
                    module.forward = partial(_in_fp32, changed.to(weight.device), module.bias)
                    widened.append(module)
        yield model
    finally:
        for module in widened:
            del module.forward
        with torch.no_grad():
            for name, values in pristine.items():
                weights[name].copy_(values)


def _edited_parameters(model: PreTrainedModel, edit: TaskVector) -> dict[str, torch.nn.Parameter]:
    """The weights that an edit changes, by module name; ValueError where one does not fit."""
    parameters = dict(model.named_parameters())
    weights = {}
    for name, shape in edit.shapes().items():
        weight = parameters.get(f"{in_memory(name)}.weight")
        if weight is None:
            raise ValueError(f"edit: {name} matches no weight of the model")
        if weight.dtype not in (torch.float32, torch.bfloat16) or tuple(weight.shape) != shape:
            raise ValueError(
                f"edit: {name} is {weight.dtype} {tuple(weight.shape)}, "
                f"expected torch.float32 or torch.bfloat16 {shape}"
            )
        weights[name] = weight
    return weights


def _in_fp32(weight: torch.Tensor, bias: torch.Tensor | None, x: torch.Tensor) -> torch.Tensor:
    """A linear module with fp32 weights between inputs and outputs of another type."""
    bias = None if bias is None else bias.float()
    return functional.linear(x.float(), weight, bias).to(x.dtype)
