"""Gains by layer: differences of one loss, and its gradient along the task vector."""

import numpy as np
import pandas as pd
import pytest
import torch

from stethoscope.edits.apply import edited
from stethoscope.evaluation.loss_gains import first_order_gains, layer_gains
from stethoscope.models.base import load_model
from stethoscope.models.loss import n_tokens, solution_batches, solution_loss
from stethoscope.selection.select import select_and_score
from stethoscope.task_vectors.task_vector import scaled

LAYERS = 3


@pytest.fixture(scope="module")
def vector(vector):
    return scaled(vector, 0.3)


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(tiny.folder)


@pytest.fixture(scope="module")
def batches(tiny, problems):
    return solution_batches(tiny.tokenizer, problems[:20], batch_size=6)


@pytest.fixture(scope="module")
def gains(model, batches, vector):
    return layer_gains(model, batches, vector, LAYERS)


def test_the_loss_is_that_of_each_solution_token_on_its_own(tiny, model, problems, batches):
    """One problem at a time through the whole model, with no batches, weights or padding."""
    losses = []
    for record in problems[:20]:
        head = tiny.tokenizer(f"Problem:\n{record['problem']}\n\nSolution:")["input_ids"]
        tail = tiny.tokenizer(" " + record["solution"], add_special_tokens=False)["input_ids"]
        ids = torch.tensor([[*head, *tail, tiny.tokenizer.eos_token_id]])
        with torch.inference_mode():
            logs = model(ids).logits[0].log_softmax(-1)
        losses += [-float(logs[at - 1, ids[0, at]]) for at in range(len(head), ids.shape[1])]
    assert n_tokens(batches) == len(losses)
    assert solution_loss(model, batches) == pytest.approx(np.mean(losses), abs=1e-6)


def test_batches_change_nothing_but_rounding(tiny, model, problems):
    losses = [
        solution_loss(model, solution_batches(tiny.tokenizer, part, batch_size=size))
        for part, size in ((problems, 64), (problems, 5), (problems[::-1], 1))
    ]
    assert losses == pytest.approx([losses[0]] * 3, abs=1e-6)


def test_the_first_order_gain_is_the_slope_of_the_loss_along_the_task_vector(
    tiny, problems, vector
):
    """Against central differences of the tokens' losses, in double precision."""
    wide = load_model(tiny.folder, dtype=torch.float64)
    parts = solution_batches(tiny.tokenizer, problems[:20], batch_size=6)
    weights = {name: wide.get_parameter(f"{name}.weight") for name in vector.modules}
    slopes = []
    for layer in range(LAYERS):
        moves = vector.in_layers([layer]).modules
        losses = []
        for step in (0.02, -0.02):
            with torch.no_grad():
                before = {name: weights[name].clone() for name in moves}
                for name, delta in moves.items():
                    dense = delta.scale * delta.B.astype(float) @ delta.A.astype(float)
                    weights[name] += step * torch.from_numpy(dense)
            losses.append(double_loss(wide, parts))
            with torch.no_grad():
                for name, values in before.items():
                    weights[name].copy_(values)
        slopes.append((losses[0] - losses[1]) / 0.04)
    first_order = first_order_gains(wide, parts, vector, LAYERS)
    assert first_order == pytest.approx(-np.array(slopes), rel=1e-3)
    assert min(abs(first_order)) > 1e-5


def double_loss(model, batches) -> float:
    total = 0.0
    with torch.inference_mode():
        for ids, weights in batches:
            logs = model(ids).logits[:, :-1].double().log_softmax(-1)
            picked = logs.gather(-1, ids[:, 1:, None])[..., 0]
            total -= float((picked * weights[:, 1:]).sum())
    return total / n_tokens(batches)


def test_gains_are_differences_of_the_loss_of_edited_models(model, batches, vector, gains):
    def loss(*layers: int) -> float:
        with edited(model, vector.in_layers(list(layers))):
            return solution_loss(model, batches)

    assert list(gains) == [
        "layer", "first_order", "add_one_in", "leave_one_out", "loss_base", "loss_full",
    ]  # fmt: skip
    assert gains["layer"].tolist() == [0, 1, 2]
    assert set(gains["loss_base"]) == {loss()} and set(gains["loss_full"]) == {loss(0, 1, 2)}
    assert gains["add_one_in"].tolist() == [loss() - loss(layer) for layer in range(3)]
    assert gains["leave_one_out"].tolist() == [
        loss(*pair) - loss(0, 1, 2) for pair in ((1, 2), (0, 2), (0, 1))
    ]


def test_for_a_small_task_vector_all_gains_are_the_first_order_gain(model, batches, vector):
    small = layer_gains(model, batches, scaled(vector, 0.01), LAYERS)
    for measure in ("add_one_in", "leave_one_out"):
        assert small[measure].to_numpy() == pytest.approx(small["first_order"], rel=0.1, abs=2e-5)


def test_measuring_leaves_the_model_as_it_was(tiny, model, gains):
    pristine = load_model(tiny.folder).state_dict()
    assert all(torch.equal(values, pristine[key]) for key, values in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert np.isfinite(gains.to_numpy()).all()


def test_each_gain_is_a_selector_that_picks_where_it_is_highest():
    table = pd.DataFrame(
        {
            "layer": [2, 0, 1],  # in any order
            "first_order": [0.3, -0.1, 0.2],
            "add_one_in": [0.0, 0.5, 0.1],
            "leave_one_out": [0.1, 0.2, 0.3],
        }
    )
    assert select_and_score("first_order_gain", 3, loss_gains=table, top=2) == (
        [1, 2],
        [-0.1, 0.2, 0.3],
    )
    assert select_and_score("add_one_in", 3, loss_gains=table, top=1) == ([0], [0.5, 0.1, 0.0])
    assert select_and_score("leave_one_out", 3, loss_gains=table, like=[0], lowest=True)[0] == [2]
    with pytest.raises(ValueError, match="add_one_in: expected the layers 0-3, one row each"):
        select_and_score("add_one_in", 4, loss_gains=table, top=1)
