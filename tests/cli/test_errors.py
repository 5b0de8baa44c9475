from euclidium.cli.errors import error_rows, error_table
from euclidium.train.metrics import Metrics, Row


def test_rows_name_the_element():
    metrics = Metrics(
        (
            Row("energy", None, "meV/atom", 1.5, 2.0, 10),
            Row("forces", "Si", "meV/Å", 20.0, 30.0, 240),
            Row("stress_GPa", None, "GPa", 0.1, 0.2, 90),
        )
    )
    names = [row[0] for row in error_rows(metrics)]
    assert names == ["energy", "forces on Si", "stress"]
    assert error_table("Errors", metrics).row_count == 3
