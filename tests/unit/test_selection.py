"""Layer selections: each selector by hand, controls that are never what they control."""

import itertools

import pandas as pd
import pytest

from stethoscope.selection import by_random, select

TABLE = pd.DataFrame(
    {
        "layer": [0, 1, 2, 3, 4],
        "sp": [1.0, 4.0, 3.9, 5.0, 4.0],
        "sp_smooth": [3.0, 1.0, 2.0, 1.0, 1.0],
    }
)


def test_all_selects_every_layer():
    assert select("all", 4) == [0, 1, 2, 3]


def test_a_range_includes_both_ends():
    assert select("range", 34, first=17, last=27) == [17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27]


@pytest.mark.parametrize("first, last", [(-1, 2), (2, 1), (0, 4)])
def test_a_range_outside_the_model_is_refused(first, last):
    with pytest.raises(ValueError, match="not a window of a model with 4 layers"):
        select("range", 4, first=first, last=last)


def test_a_threshold_selects_layers_at_it_and_above():
    assert select("specificity", 5, table=TABLE, at_least=4.0) == [1, 3, 4]


def test_a_threshold_above_all_layers_says_what_the_highest_is():
    expected = r"no layer has sp >= 9.0 \(highest: 5.00 in layer 3\); lower at_least"
    with pytest.raises(ValueError, match=expected):
        select("specificity", 5, table=TABLE, at_least=9.0)


def test_top_selects_the_highest_in_the_order_of_the_layers():
    assert select("specificity", 5, table=TABLE, top=1) == [3]
    assert select("specificity", 5, table=TABLE, top=3) == [1, 3, 4]


def test_of_equal_layers_the_earlier_one_is_selected_whatever_the_order_of_the_rows():
    for order in itertools.permutations(range(5)):
        rows = TABLE.iloc[list(order)]
        assert select("specificity", 5, table=rows, top=2) == [1, 3]


def test_the_smoothed_score_can_be_chosen_instead():
    assert select("specificity", 5, table=TABLE, score="sp_smooth", top=2) == [0, 2]
    assert select("specificity", 5, table=TABLE, score="sp_smooth", at_least=2.0) == [0, 2]


def test_a_table_of_another_model_is_refused():
    with pytest.raises(ValueError, match="expected the layers 0-3, one row each"):
        select("specificity", 4, table=TABLE, top=1)
    with pytest.raises(ValueError, match="expected the layers 0-4, one row each"):
        select("specificity", 5, table=pd.concat([TABLE[:4], TABLE[:1]]), top=1)


def test_random_sets_have_the_size_of_the_set_they_control_and_differ_from_it_and_each_other():
    like = [1, 3, 4]
    draws = [by_random(6, like, draw, seed=1) for draw in range(1, 11)]
    assert all(len(set(draw)) == 3 and draw == sorted(draw) for draw in draws)
    assert all(0 <= layer < 6 for draw in draws for layer in draw)
    assert len({tuple(draw) for draw in [like, *draws]}) == 11


def test_a_draw_is_the_same_each_time_and_does_not_depend_on_how_many_there_are():
    again = [by_random(8, [0, 1], draw, seed=3) for draw in (1, 2, 3)]
    assert [by_random(8, [0, 1], draw, seed=3) for draw in (3, 2, 1)] == again[::-1]
    assert [by_random(8, [0, 1], draw, seed=4) for draw in (1, 2, 3)] != again


def test_the_order_of_the_controlled_set_does_not_matter():
    assert by_random(8, [5, 2, 0], 2, seed=1) == by_random(8, [0, 2, 5], 2, seed=1)


def test_all_other_sets_can_be_drawn_but_not_one_more():
    every = {tuple(by_random(4, [0, 1], draw, seed=0)) for draw in range(1, 6)}
    assert every == set(itertools.combinations(range(4), 2)) - {(0, 1)}
    with pytest.raises(ValueError, match="fewer than 6 other sets of 2 of 4 layers exist"):
        by_random(4, [0, 1], 6, seed=0)


def test_there_is_no_random_control_for_all_layers():
    with pytest.raises(ValueError, match="fewer than 1 other sets of 4 of 4 layers"):
        by_random(4, [0, 1, 2, 3], 1, seed=0)
