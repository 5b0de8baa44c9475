import matplotlib as mpl
import pytest

from euclidium.plot import canvas


def test_columns_share_one_figure_and_have_the_given_widths():
    left, right = canvas(columns=2, widths=(3, 1), share_y=True)
    assert left.figure is right.figure
    assert left.get_gridspec().get_width_ratios() == (3, 1)
    left.set_ylim(0, 7)
    assert right.get_ylim() == (0, 7)


def test_the_look_is_not_left_behind():
    before = dict(mpl.rcParams)
    canvas()
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(("columns", "widths"), [(2, (1,)), (0, None)])
def test_one_width_for_each_column(columns, widths):
    with pytest.raises(ValueError, match="give each column one width"):
        canvas(columns, widths)
