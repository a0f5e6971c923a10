"""Alpha is chosen by counts, a tie goes to the smaller, and the choice names its edit by fields."""

import numpy as np
import pytest

from stethoscope.evaluation.alpha_choice import best_alpha, choices, choose_alpha, chosen_edits
from stethoscope.names import EditId


def test_alpha_of_the_highest_accuracy_is_chosen_over_added_up_rows():
    rows = [(0.4, 10, 9), (0.8, 10, 5), (0.4, 50, 20), (0.8, 50, 25)]
    assert choose_alpha(rows) == 0.8  # 30 against 29 of 60


def test_tied_alphas_go_to_the_smaller_one_in_any_order_of_rows():
    rows = [(1.0, 50, 30), (0.6, 50, 29), (0.8, 50, 30)]
    assert choose_alpha(rows) == choose_alpha(rows[::-1]) == 0.8
    assert best_alpha(np.array([[1, 3, 3], [2, 0, 2]])).tolist() == [1, 0]


def test_alphas_of_unequal_numbers_of_problems_are_refused():
    with pytest.raises(ValueError, match=r"0\.4: 50, 0\.8: 49"):
        choose_alpha([(0.4, 50, 20), (0.8, 49, 25)])
    with pytest.raises(ValueError, match="no rows"):
        choose_alpha([])


def test_each_draw_chooses_its_own_alpha():
    counts = {("random", 1, 0.5): 3, ("random", 1, 1.0): 4, ("random", 2, 0.5): 6}
    counts |= {("random", 2, 1.0): 6}
    records = [
        {"spec": spec, "draw": draw, "alpha": alpha, "correct": correct, "n": 9, "files": {}}
        for (spec, draw, alpha), correct in counts.items()
    ]
    chosen = choices(records)
    assert chosen_edits(chosen) == [EditId("random", 1, 1.0), EditId("random", 2, 0.5)]
    assert chosen["random-1"]["grid"] == [
        {"alpha": 0.5, "n": 9, "correct": 3},
        {"alpha": 1.0, "n": 9, "correct": 4},
    ]
