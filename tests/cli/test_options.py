from euclidium.cli.options import Device, Precision
from euclidium.models.potential import DTYPES


def test_every_type_can_be_chosen():
    assert {p.value for p in Precision} == {"model", *DTYPES}


def test_devices_are_torch_names():
    assert [d.value for d in Device] == ["auto", "cpu", "cuda"]
