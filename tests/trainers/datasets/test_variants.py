"""Ways to read a data set: what each shares with the data set's own."""

import pytest

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.fields import parse_variant
from fdsweep.trainers import datasets
from fdsweep.trainers.datasets import DataLocation
from fdsweep.trainers.datasets.prepared import Prepared

VARIANTS = [name for name in datasets.names() if parse_variant(name)[1] != "own"]


def test_c2kd_reads_three_data_sets_and_hha_one():
    assert VARIANTS == ["ave@c2kd", "crisismmd@c2kd", "nyu-depth-v2@hha", "vggsound@c2kd"]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_the_data_set_read_otherwise(name):
    base, variant = parse_variant(name)
    own, other = datasets.find(base), datasets.find(name)
    assert isinstance(other, type(own))
    assert isinstance(other, Prepared)
    assert other.name == datasets.with_variant(base, variant) == name
    assert base == datasets.with_variant(name, "own")
    assert [m.name for m in other.modalities] == [m.name for m in own.modalities]
    assert (other.source, other.licence, other.expects) == (own.source, own.licence, own.expects)
    assert other.about != own.about


def test_a_variant_that_a_data_set_lacks_is_answered_with_those_it_has():
    with pytest.raises(ConfigError) as error:
        datasets.with_variant("crema-d", "c2kd")
    assert str(error.value) == (
        "crema-d --variant: unknown variant 'c2kd'. Choose from: own."
    )  # fmt: skip
    with pytest.raises(ConfigError, match="unknown variant 'c3kd'. Choose from: c2kd, own"):
        datasets.with_variant("ave@c2kd", "c3kd")
    with pytest.raises(ConfigError, match="unknown data set 'avee'"):
        datasets.with_variant("avee", "c2kd")


def test_what_is_not_prepared_says_what_to_type(tmp_path):
    with pytest.raises(DataError, match=r"Type: fdsweep prepare ave RAW_DIR --variant c2kd\.$"):
        _ = datasets.find("ave@c2kd", DataLocation(str(tmp_path))).info
