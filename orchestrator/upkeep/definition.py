"""What was asked for, as a file that asks for it again: `reports/<sweep>/study.yaml`."""

import yaml

from fdsweep.results.records.manifest import Manifest
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.sweep import Sweep

FILE = "study.yaml"
HEAD = "# {sweep}, as it was trained. To train it anew, type: fdsweep run {file}\n"


def keep(store: Store, sweep: Sweep, manifest: Manifest) -> None:
    """Write down `sweep`, over all the times that it was run, beside its `manifest`.

    Raises:
        StorageError: it cannot be written.
    """
    place, text = layout.report_file(manifest.sweep, FILE), to_yaml(sweep, manifest)
    if not (store.exists(place) and store.read(place) == text.encode()):
        store.write_text(place, text)


def to_yaml(sweep: Sweep, manifest: Manifest) -> str:
    """`sweep` as `fdsweep run` takes it; what stands at its default is left out."""
    directions = dict.fromkeys("->".join(row.direction) for row in manifest.rows)
    whole = sweep.model_copy(update={"seeds": manifest.seeds, "directions": tuple(directions)})
    said = whole.model_dump(mode="json", exclude_defaults=True)
    said = {**said, "dataset": whole.dataset, "seeds": list(whole.seeds)}
    head = HEAD.format(sweep=manifest.sweep, file=FILE)
    return head + yaml.safe_dump(said, sort_keys=False, allow_unicode=True, width=100)
