"""What predictions of a sweep's networks cost."""

from pydantic import Field

from fdsweep.results.records.record_file import RecordFile
from fdsweep.results.records.store import Store
from fdsweep.search_spaces import layout
from fdsweep.search_spaces.records import Record


class NetworkCost(Record):
    """A network of the `modality`, and what a prediction with it costs.

    Heads and projections that only the training of a student needs are not part of it.
    `parameters` counts its weights; `flops` those operations of one sample's forward pass, a
    multiply-add as 2, that `torch.utils.flop_counter` knows. `latency` and `batch_latency` are
    median seconds of a pass of one sample and of `batch` samples on `device`.
    """

    modality: str
    backbone: str
    parameters: int
    flops: int
    latency: float
    batch: int
    batch_latency: float
    device: str


class Costs(Record):
    """The `networks` of a sweep by key, that which they have as teachers.

    `students` gives the key of a row's results the key of its student's network.
    """

    networks: dict[str, NetworkCost] = Field(default_factory=dict)
    students: dict[str, str] = Field(default_factory=dict)


FILE = RecordFile("costs.json", Costs, "fdsweep.costs/1", "costs", "Run the sweep again")


def look_up(store: Store, sweep: str) -> Costs:
    """What is known of `sweep`; nothing, where nothing was measured or the file is damaged.

    Raises:
        StorageError: the file cannot be opened, or is of a version not read here.
    """
    return FILE.find(store, sweep) or Costs()


def add(store: Store, sweep: str, new: Costs) -> None:
    """Write `new` together with what is known: what was measured first stays.

    Raises:
        StorageError: it cannot be written, or what is there is of a version not read here.
    """
    with store.locked(layout.lock("sweeps")):
        old = look_up(store, sweep)
        merged = Costs(networks=new.networks | old.networks, students=new.students | old.students)
        FILE.save(store, sweep, merged)
