"""JSON of public databases, written here as their users read it."""

import json
from io import BytesIO

import ase.io
import numpy as np
import pytest
from ase.build import bulk

from euclidium.atoms.dos import PhononDOS
from euclidium.atoms.phonon_documents import partial_modes, read_documents
from euclidium.atoms.problem import DataError
from euclidium.atoms.structure import Structure
from euclidium.units import THZ_TO_CM1

SALT = bulk("NaCl", "rocksalt", a=5.64)


def peaks(points, *places, width=15.0):
    """Gaussians of equal area."""
    return sum(np.exp(-(((points - place) / width) ** 2) / 2) for place in places)


def jarvis(curve, key="pdos_elast", **more):
    """An entry as jarvis-tools reads it."""
    atoms = {
        "lattice_mat": SALT.cell.tolist(),
        "coords": SALT.get_scaled_positions().tolist(),
        "elements": list(SALT.symbols),
        "abc": SALT.cell.lengths().tolist(),
        "angles": SALT.cell.angles().tolist(),
        "cartesian": False,
        "props": ["", ""],
    }
    return {"jid": "JVASP-23862", "atoms": atoms, key: curve, **more}


def petretto(points, curve):
    """A file of the data of Petretto et al."""
    buffer = BytesIO()
    ase.io.write(buffer, SALT, format="cif")
    metadata = {"material_id": "mp-22862", "structure": buffer.getvalue().decode()}
    phonon = {"dos_frequencies": points.tolist(), "ph_dos": curve.tolist()}
    return {"metadata": metadata, "phonon": phonon, "flags": {"has_neg_fr": False}}


def pymatgen(points, curves, occupied=({"Na": 1.0}, {"Cl": 1.0})):
    """A CompletePhononDos; frequencies in THz."""
    sites = [
        {"species": [{"element": e, "occu": f} for e, f in site.items()], "abc": list(place)}
        for site, place in zip(occupied, SALT.get_scaled_positions(), strict=True)
    ]
    return {
        "@class": "CompletePhononDos",
        "structure": {"lattice": {"matrix": SALT.cell.tolist()}, "sites": sites},
        "frequencies": points.tolist(),
        "densities": np.sum(curves, axis=0).tolist(),
        "pdos": [curve.tolist() for curve in curves],
    }


def same_salt(structure):
    found = structure.to_ase()
    assert list(found.symbols) == list(SALT.symbols)
    assert found.pbc.all()
    np.testing.assert_allclose(found.get_all_distances(mic=True), SALT.get_all_distances(mic=True))
    assert found.cell.volume == pytest.approx(SALT.cell.volume)


def test_jarvis_from_0_to_1000():
    points = np.linspace(0, 1000, 200)
    [record] = read_documents([jarvis(peaks(points, 150.0, 250.0).tolist())], "edos_pdos.json")
    same_salt(record.structure)
    assert (record.name, record.partial, record.split) == ("JVASP-23862", None, None)
    assert record.mean_frequency == pytest.approx(200.0, abs=1e-6)
    assert record.last_peak == pytest.approx(250.0, abs=2.5)
    assert record.dos.modes.sum() == pytest.approx(3.0)
    np.testing.assert_allclose(record.dos.centers, points, atol=1e-9)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("PhononData-Freq-300_1000_20.json", np.arange(-300.0, 1001.0, 20.0)),
        ("PhononData-Freq0_1000_5.json", np.arange(0.0, 1001.0, 5.0)),
        ("PhononData-Freq-200_1800_5.json", np.arange(-200.0, 1801.0, 5.0)),
    ],
)
def test_jarvis_with_a_range_in_the_name(name, points):
    curve = peaks(points, 150.0, 250.0).tolist()
    [record] = read_documents([jarvis(curve)], name)
    np.testing.assert_allclose(record.dos.centers, points, atol=1e-9)
    assert record.mean_frequency == pytest.approx(200.0, abs=0.1)
    [same] = read_documents([jarvis(curve, key="phdos", frequencies=points.tolist())], "any.json")
    np.testing.assert_allclose(same.dos.modes, record.dos.modes)


def test_jarvis_cartesian_and_without_a_curve():
    curve = peaks(np.linspace(0, 1000, 51), 200.0).tolist()
    entry = jarvis(curve)
    entry["atoms"] |= {"cartesian": True, "coords": SALT.positions.tolist()}
    records = read_documents([jarvis("na"), jarvis([]), entry], "x.json")
    assert len(records) == 1
    same_salt(records[0].structure)


@pytest.mark.parametrize("pair", [True, False])
def test_petretto(pair):
    points = np.arange(-2.4, 300.0, 1.0)
    document = petretto(points, 1e-4 * peaks(points, 160.0, 240.0))
    if pair:
        curve = document["phonon"].pop("ph_dos")
        document["phonon"]["ph_dos"] = [document["phonon"].pop("dos_frequencies"), curve]
    [record] = read_documents(json.loads(json.dumps(document)), "mp-22862.json")
    same_salt(record.structure)
    assert record.name == "mp-22862"
    assert record.mean_frequency == pytest.approx(200.0, abs=0.01)
    assert record.last_peak == pytest.approx(240.0, abs=2.5)
    assert record.dos.formula_atoms == 2.0
    assert record.info["flags"] == {"has_neg_fr": False}
    assert record.imaginary == 0.0


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: {"mp_id": "mp-22862", "phonon_dos": d}])
def test_pymatgen(wrap):
    points = np.linspace(-0.5, 9.0, 201)
    curves = [peaks(points, 4.5, width=0.4), peaks(points, 7.0, width=0.4)]
    document = json.loads(json.dumps(wrap(pymatgen(points, curves))))
    [record] = read_documents(document, "mp-22862.json.xz")
    same_salt(record.structure)
    assert record.name == "mp-22862"
    assert record.last_peak == pytest.approx(7.0 * THZ_TO_CM1, abs=2.6)
    assert set(record.partial) == {"Na", "Cl"}
    np.testing.assert_allclose(sum(record.partial.values()), record.dos.modes, atol=1e-12)
    sodium = record.partial["Na"]
    assert sodium.sum() == pytest.approx(1.5, rel=1e-6)
    assert sodium @ record.dos.centers / sodium.sum() == pytest.approx(4.5 * THZ_TO_CM1, rel=1e-6)


def test_pymatgen_with_mixed_sites():
    points = np.linspace(0.0, 9.0, 91)
    occupied = ({"Na": 0.75, "K": 0.25}, {"Cl": 1.0})
    document = pymatgen(points, [peaks(points, 4.0), peaks(points, 4.0)], occupied)
    [record] = read_documents(document, "alloy.json")
    assert record.structure.is_mixed
    assert record.structure.composition == pytest.approx({"Cl": 1.0, "K": 0.25, "Na": 0.75})
    assert record.partial is None  # curves of sites say nothing of the elements on them


def test_partial_modes_that_do_not_sum_to_the_total():
    structure = Structure.from_ase(SALT)
    points = np.arange(0.0, 300.0, 5.0)
    first, second = peaks(points, 100.0), peaks(points, 200.0)
    dos = PhononDOS.from_curve(points, first + second, structure)
    found = partial_modes(dos, {"Na": 7.0 * first, "Cl": second}, structure)
    np.testing.assert_allclose(found["Na"] + found["Cl"], dos.modes, atol=1e-12)
    assert found["Na"].sum() == pytest.approx(1.5)
    assert partial_modes(dos, {"Na": first, "Cl": first}, structure) is None
    assert partial_modes(dos, {"Na": first}, structure) is None
    assert partial_modes(dos, {"Na": first, "Cl": 0 * first}, structure) is None
    assert partial_modes(dos, {"Na": first[:-1], "Cl": second[:-1]}, structure) is None


BAD = jarvis([1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (
            [{"jid": 1, "formula": "Si"}],
            r"object 0 of x.json is not phonon data: it has formula, j",
        ),
        ([3], "object 0 of x.json is not phonon data: expected an object, got 3"),
        ({"metadata": {}, "phonon": {}}, "x.json cannot be read: it has no 'structure'"),
        ([BAD | {"pdos_elast": [0, 0]}], "object 0 of x.json: the density of states is zero"),
        ([BAD | {"frequencies": [1.0]}], "3 values of pdos_elast at 1 frequencies"),
        ([BAD | {"atoms": BAD["atoms"] | {"elements": ["Na", "Qq"]}}], "'Qq' is not an element"),
        ({"frequencies": [0, 1], "densities": [1, 1]}, "without a structure"),
    ],
)
def test_documents_that_make_no_sense(document, sentence):
    with pytest.raises(DataError, match=sentence):
        read_documents(document, "x.json")
