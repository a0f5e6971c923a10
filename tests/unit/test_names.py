"""Ids have one spelling each."""

from stethoscope.names import EditId, SelectionId, edit_folder, edit_name, selection_name


def test_an_edit_has_one_name_and_one_folder():
    assert edit_name(EditId("random", 3, 0.8)) == edit_name(EditId("random", 3)) == "random-3"
    assert selection_name(SelectionId("random", 3)) == "random-3"
    assert edit_folder(EditId("random", 3, 0.80)) == "random-3/alpha-0.8"
    assert [edit_folder(EditId("sp").at(alpha)) for alpha in (1, 0, -2)] == [
        *("sp/alpha-1.0", "sp/alpha-0.0", "sp/alpha--2.0"),
    ]
