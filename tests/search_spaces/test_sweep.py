import pytest

from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.sweep import load_sweep, override

GOOD = """
title: Mine
seeds: [0, 3]
rows:
  - {name: Feat, method: feat}
  - {name: FD, options: {cutoff: 0.25}, pairing: same-class}
"""


def test_a_users_sweep_is_read(tmp_path):
    path = tmp_path / "my_sweep.yaml"
    path.write_text(GOOD)
    sweep = load_sweep(path)
    assert (sweep.study, sweep.seeds, sweep.rows[1].pairing) == ("my-sweep", (0, 3), "same-class")
    assert override(sweep, epochs=4, dataset=None).epochs == 4


def test_numbers_are_written_with_or_without_a_point(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + "lr: 1e-3\nweight_decay: 5E-4\nfinal_lr: 1.0e-6\nwarmup_epochs: 2\n")
    sweep = load_sweep(path)
    assert (sweep.lr, sweep.weight_decay, sweep.final_lr) == (0.001, 0.0005, 0.000001)
    assert repr(sweep.warmup_epochs) == "2.0"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title:", "titel:", "unknown field 'titel'. Choose from: .*title"),
        ("pairing:", "paring:", "rows.1.paring: unknown field 'paring'. Choose from: .*pairing"),
        ("same-class", "same", "'paired', 'shuffled', 'same-class' or 'unpaired', not 'same'"),
        ("[0, 3]", "[]", "seeds"),
        ("[0, 3]", "[3, 3]", "seeds must be different"),
        ("[0, 3]", "[0, -3]", "not negative"),
        ("name: FD", "name: Feat", "row 'Feat' stands twice"),
        ("seeds: [0, 3]", "epochs: many", "epochs: .*integer, not 'many'"),
        ("seeds: [0, 3]", "epochs: 0", "epochs: .*not 0"),
        ("seeds: [0, 3]", "weight_decay: -1e-4", "weight_decay: .*not -0.0001"),
        ("seeds: [0, 3]", "momentum: 1", "momentum: .*less than 1, not 1"),
        ("seeds: [0, 3]", "warmup_epochs: few", "warmup_epochs: .*number, not 'few'"),
        ("seeds: [0, 3]", "schedule: 3", "schedule: .*string, not 3"),
        ("rows:", "rows: [", "is not YAML"),
        (GOOD, "", "holds no fields"),
    ],
)
def test_a_fault_in_a_sweep_is_one_sentence(tmp_path, old, new, message):
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigError, match=message) as caught:
        load_sweep(path)
    assert "mine.yaml" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_sweep(tmp_path / "none.yaml")
