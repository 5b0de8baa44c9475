"""What a network knows of the elements."""

import numpy as np
import pytest
import torch

from euclidium.models.elements import ElementEmbedding, element_properties


def test_properties_are_scaled_and_distinct():
    table = element_properties()
    assert np.abs(table[1:104].mean(axis=0)).max() < 1e-12
    assert len(np.unique(table[1:].round(6), axis=0)) == 118


def test_elements_of_a_group_are_nearer_to_each_other_than_to_other_groups():
    table = element_properties()
    potassium, rubidium, selenium = table[19], table[37], table[34]
    assert np.linalg.norm(potassium - rubidium) < np.linalg.norm(potassium - selenium)


def test_a_mixed_site_is_the_average_of_its_elements():
    embedding = ElementEmbedding(8).eval()
    torch.nn.init.normal_(embedding.rows)
    occupations = torch.zeros(1, 119)
    occupations[0, 51], occupations[0, 83] = 0.3, 0.1
    pure = embedding(torch.tensor([51, 83]))
    expected = 0.75 * pure[0] + 0.25 * pure[1]
    torch.testing.assert_close(embedding(torch.tensor([51]), occupations)[0], expected)


def test_an_element_is_sometimes_known_by_its_properties_alone():
    torch.manual_seed(0)
    embedding = ElementEmbedding(4, dropout=0.5)
    torch.nn.init.ones_(embedding.rows)
    alone = embedding.network(embedding.properties)[14]
    draws = [(embedding(torch.tensor([14])) - alone).detach().mean() for _ in range(20)]
    assert {round(float(draw), 4) for draw in draws} == {0.0, 1.0}


def test_an_untrained_row_says_nothing():
    embedding = ElementEmbedding(4).eval()
    alone = embedding.network(embedding.properties)
    assert torch.equal(embedding(torch.tensor([61]))[0], alone[61])


@pytest.mark.parametrize("width", [1, 16])
def test_width(width):
    assert ElementEmbedding(width)(torch.tensor([1, 118])).shape == (2, width)
