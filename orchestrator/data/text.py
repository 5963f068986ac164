"""What a preparation finds, makes and refuses, in words for people."""

from collections import Counter
from collections.abc import Sequence

from fdsweep.trainers.datasets.prepared import members
from fdsweep.trainers.preparation.catalog import Catalog, Skipped, Split
from fdsweep.trainers.preparation.manifest import Manifest
from fdsweep.trainers.preparation.splits import SPLITS

MAX_TOLD = 3
"""Samples that are named where many are meant."""


def found(name: str, catalog: Catalog) -> str:
    """What of the data set `name` is listed, found and missing, in a line."""
    splits = Counter(item.split for item in catalog.items)
    shares = ", ".join(f"{splits[split]:,} {split}" for split in SPLITS)
    missing = f" ({few(catalog.missing)})" if catalog.missing else ""
    return (
        f"{name}: {len(catalog.items) + len(catalog.missing):,} samples listed, "
        f"{len(catalog.items):,} found ({shares}), {len(catalog.missing):,} missing{missing}"
    )


def few(skipped: Sequence[Skipped]) -> str:
    """The first MAX_TOLD of `skipped` with their reasons, and how many more there are."""
    shown = [f"{one.sample_id}: {one.reason}" for one in skipped[:MAX_TOLD]]
    return "; ".join(
        [*shown, *([f"and {len(skipped) - MAX_TOLD:,} more"] * (len(skipped) > MAX_TOLD))]
    )


def _of_classes(manifest: Manifest) -> dict[str, Counter[Split]]:
    """How many samples of each split have each class; one may have several."""
    sets = manifest.declared.set_classes if manifest.declared else ()
    counts: dict[str, Counter[Split]] = {name: Counter() for name in sets or manifest.classes}
    for split in SPLITS:
        for name, count in manifest.counts[split].items():
            for one in members(name) if sets else (name,):
                counts[one][split] += count
    return counts


def to_text(manifest: Manifest) -> str:
    """What was prepared."""
    counts = _of_classes(manifest)
    width = max(map(len, (*counts, "samples")))
    size = sum(shard.bytes for shard in manifest.shards)
    lines = [
        f"{manifest.name}: {manifest.rows:,} samples in {len(manifest.shards):,} shards "
        f"({_megabytes(size)}), fingerprint {manifest.fingerprint}",
        "",
        f"{'':{width}}" + "".join(f"{split:>9}" for split in SPLITS),
    ]
    for name, own in counts.items():
        cells = "".join(f"{own[split]:9,}" for split in SPLITS)
        lines.append(f"{name:{width}}{cells}")
    totals = "".join(f"{sum(manifest.counts[split].values()):9,}" for split in SPLITS)
    groups = "".join(f"{manifest.groups[split]:9,}" for split in SPLITS)
    lines += [f"{'samples':{width}}{totals}", f"{'groups':{width}}{groups}", ""]
    lines += [
        f"Warning: {count:,} groups stand in both {pair.replace('/', ' and ')}"
        for pair, count in manifest.shared_groups.items()
        if count
    ]
    lines += _skips("missing", manifest.missing) + _skips("damaged", manifest.damaged)
    lines += manifest.notes
    return "\n".join(lines).rstrip()


def _skips(what: str, skipped: Sequence[Skipped]) -> list[str]:
    return [f"{len(skipped):,} {what}: {few(skipped)}"] if skipped else []


def _megabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.1f} MB"
