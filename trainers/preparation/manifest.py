"""What there is of a prepared data set: `data/<name>/manifest.json`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fdsweep.search_spaces import layout
from fdsweep.search_spaces.configs import OptimConfig, Option
from fdsweep.search_spaces.errors import DataError
from fdsweep.search_spaces.fields import OWN, parse_variant
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.records import Record, UnreadableRecord
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.modalities import Extent, Payload
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped
from fdsweep.trainers.preparation.shards import Outcome, Shard, digest
from fdsweep.trainers.preparation.splits import SPLITS, shared_groups

SCHEMA = "fdsweep.data/2"


class Declared(Record):
    """What a data set says of itself that no module knows: a user's table.

    Attributes:
        columns: kind and settings of each modality's column.
        backbones: of each modality.
        optim: how its networks are trained by default.
        pixel_classes: of the pixels, where they have any.
        about: what it holds, for people.
        source: where it is from.
        licence: of the data.
        parts: of each group, where splits rotate with the seed (`splits.turn`).
        url: where it can be had; may be empty, as it may be nowhere.
        set_classes: those a sample may have several of, if it may.
        task: what it is for, where labels do not tell.
    """

    columns: dict[str, dict[str, Option]]
    backbones: dict[str, str]
    optim: OptimConfig
    pixel_classes: tuple[str, ...]
    about: str
    source: str
    licence: str
    url: str
    parts: dict[str, int]
    set_classes: tuple[str, ...] = ()
    task: str = ""


class Manifest(Record):
    """A prepared data set; sample i is row i of the shards in their order.

    Attributes:
        name: of the data set.
        classes: in the order of the labels.
        payloads: how each modality lies in the shards.
        counts: samples per split and class.
        groups: speakers, subjects or events per split.
        shared_groups: how many stand in both of two splits, by names such as "train/test".
        shards: in the order of the samples.
        folder: that holds the shards and assets.
        fingerprint: key of the content; see `fingerprint`.
        version: of the importer.
        decoders: name and version of the libraries that decoded.
        options: that the user chose; None where nothing was.
        missing: samples that are listed but not there, or lack a partner.
        damaged: samples that are there but could not be decoded.
        notes: whole sentences for people.
        assets: names of the files beside the shards, with their sha256.
        split: which samples train and test, in a few words; empty where nobody says.
        variant: how the data set is read: in its own way, or as a code that is named.
        declared: what a table says of itself; None where a module of its own does.
    """

    name: str
    classes: tuple[str, ...]
    payloads: dict[str, Payload]
    counts: dict[str, dict[str, int]]
    groups: dict[str, int]
    shared_groups: dict[str, int]
    shards: tuple[Shard, ...]
    folder: str
    fingerprint: str
    version: int
    decoders: dict[str, str]
    options: dict[str, str | None]
    missing: tuple[Skipped, ...]
    damaged: tuple[Skipped, ...]
    notes: tuple[str, ...]
    assets: dict[str, str]
    split: str
    variant: str
    declared: Declared | None = None

    @property
    def rows(self) -> int:
        """Number of samples."""
        return sum(shard.rows for shard in self.shards)

    @property
    def again(self) -> str:
        """What to type to prepare it again."""
        return f"Type: {prepare_table(self.name)}" if self.declared else prepare_again(self.name)

    def extent(self, modality: str) -> Extent:
        """What all samples of `modality` hold."""
        return sum((shard.extents[modality] for shard in self.shards), Extent())


def make_manifest(
    name: str,
    catalog: Catalog,
    payloads: dict[str, Payload],
    outcomes: Sequence[Outcome],
    *,
    folder: str,
    version: int,
    decoders: dict[str, str],
    options: dict[str, str | None],
    declared: Declared | None = None,
) -> Manifest:
    """The manifest of the shards that `outcomes` tell of, in the order of the samples."""
    damaged = tuple(skipped for outcome in outcomes for skipped in outcome.damaged)
    lost = {skipped.sample_id for skipped in damaged}
    kept = [item for item in catalog.items if item.sample_id not in lost]
    groups = {split: {item.group for item in kept if item.split == split} for split in SPLITS}
    both = shared_groups([item.split for item in kept], [item.group for item in kept])
    shards = tuple(outcome.shard for outcome in outcomes)
    _, variant = parse_variant(name)
    assets = {name: digest(content) for name, content in sorted(catalog.assets.items())}
    return Manifest(
        name=name,
        classes=catalog.classes,
        payloads=payloads,
        counts={
            split: _count(catalog.classes, (item for item in kept if item.split == split))
            for split in SPLITS
        },
        groups={split: len(members) for split, members in groups.items()},
        shared_groups={f"{one}/{other}": count for (one, other), count in both.items()},
        shards=shards,
        folder=folder,
        fingerprint=fingerprint(
            shards,
            catalog.classes,
            payloads,
            version,
            assets,
            variant,
            parts=declared.parts if declared else None,
            set_classes=declared.set_classes if declared else (),
        ),
        version=version,
        decoders=decoders,
        options=options,
        missing=catalog.missing,
        damaged=damaged,
        notes=(*catalog.notes, *(note for outcome in outcomes for note in outcome.notes)),
        assets=assets,
        split=catalog.split,
        variant=variant,
        declared=declared,
    )


def fingerprint(
    shards: Sequence[Shard],
    classes: Sequence[str],
    payloads: Mapping[str, Payload],
    version: int,
    assets: Mapping[str, str],
    variant: str,
    parts: Mapping[str, int] | None = None,
    set_classes: Sequence[str] = (),
) -> str:
    """Key of what is in the shards and what it means."""
    return content_key(
        shards=[shard.sha256 for shard in shards],
        classes=tuple(classes),
        payloads=dict(payloads),
        version=version,
        assets=dict(assets),
        variant=variant,
        **({"parts": dict(parts)} if parts else {}),
        **({"set_classes": tuple(set_classes)} if set_classes else {}),
    )


def load_manifest(storage: str, name: str) -> Manifest:
    """The manifest of the prepared data set `name`.

    Raises:
        DataError: it is not prepared in `storage`, or by another version of fdsweep.
    """
    kept, place = Storage(storage), layout.data_manifest(name)
    if not kept.exists(place):
        raise DataError(f"{name} is not prepared in {storage}", "", prepare_again(name))
    try:
        return Manifest.from_text(kept.read(place), SCHEMA)
    except UnreadableRecord as fault:
        raise DataError(
            f"is no manifest that can be read ({fault})", kept.uri(place), prepare_again(name)
        ) from None


def save_manifest(storage: str, manifest: Manifest) -> None:
    """Put `manifest` in its place; StorageError if it cannot be written."""
    Storage(storage).write_text(layout.data_manifest(manifest.name), manifest.to_text(SCHEMA))


def prepare_again(name: str) -> str:
    """What to type for the data set `name`."""
    return f"Type: {prepare_command(name)}"


def prepare_command(name: str) -> str:
    """The command that prepares the data set `name`, perhaps a variant."""
    base, variant = parse_variant(name)
    return f"fdsweep prepare {base} RAW_DIR" + f" --variant {variant}" * (variant != OWN)


def prepare_table(name: str) -> str:
    """The command that prepares the table `name`, whose description lies somewhere."""
    return f"fdsweep prepare {name}.yaml"


def _count(classes: Sequence[str], items: Iterable[Item]) -> dict[str, int]:
    counts = Counter(item.label for item in items)
    return {name: counts[label] for label, name in enumerate(classes)}
