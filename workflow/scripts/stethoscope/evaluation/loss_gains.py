"""Effect of each layer of a task vector on the loss on a subject's problems.

These selectors measure without an SAE whether adding tau_l lowers the loss. They use the same
problems and solutions as SP, and no others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel

from stethoscope.edits.apply import edited
from stethoscope.models.loss import Batch, n_tokens, solution_loss, weighted_loss
from stethoscope.models.parameter_names import in_memory
from stethoscope.task_vectors.task_vector import TaskVector, layer_of


def first_order_gains(
    model: PreTrainedModel, batches: Sequence[Batch], vector: TaskVector, n_layers: int
) -> np.ndarray:
    """(layers,) -<grad_{W_l} L, tau_l> at the base: decrease of L due to tau_l, to first order.

    That is -dL/d alpha_l at alpha = 0, in nats a token; what AdaMerging follows.
    """
    weights = [model.get_parameter(f"{in_memory(name)}.weight") for name in vector.modules]
    gains, total = np.zeros(n_layers), n_tokens(batches)
    for ids, counted in batches:
        share = float(counted.sum()) / total
        loss = weighted_loss(model, ids.to(model.device), counted.to(model.device))
        gradients = torch.autograd.grad(loss, weights)
        for (name, delta), gradient in zip(vector.modules.items(), gradients, strict=True):
            # <G, B A> = <B^T G, A>: the dense difference is never formed
            inner = delta.B.astype(np.float64).T @ gradient.double().cpu().numpy()
            gains[layer_of(name)] -= share * delta.scale * np.sum(inner * delta.A)
    return gains


def layer_gains(
    model: PreTrainedModel, batches: Sequence[Batch], vector: TaskVector, n_layers: int
) -> pd.DataFrame:
    """Decrease of the loss due to each layer of a task vector; one row a layer, in nats a token.

    first_order: see `first_order_gains`. add_one_in: L(theta) - L(theta + tau_l), the layer alone.
    leave_one_out: L(theta + tau without tau_l) - L(theta + tau), the layer once all others are
    there. All are positive where the layer helps. loss_base and loss_full, L(theta) and
    L(theta + tau), are the same in each row.
    """
    every = range(n_layers)

    def loss(layers: Sequence[int]) -> float:
        with edited(model, vector.in_layers(list(layers))):
            return solution_loss(model, batches)

    base, full = loss([]), loss(every)
    return pd.DataFrame(
        {
            "layer": every,
            "first_order": first_order_gains(model, batches, vector, n_layers),
            "add_one_in": [base - loss([layer]) for layer in every],
            "leave_one_out": [loss([o for o in every if o != layer]) - full for layer in every],
            "loss_base": base,
            "loss_full": full,
        }
    )
