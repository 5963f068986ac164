"""From a raw tree to shards and their manifest; finished shards are kept."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from fdsweep.orchestrator import voice
from fdsweep.orchestrator.data.decode import make_shards
from fdsweep.orchestrator.data.plan import make_plan
from fdsweep.orchestrator.data.text import few, found
from fdsweep.orchestrator.execution.cluster import ResourceRequest, check_keys, connect
from fdsweep.orchestrator.tracking.progress import Steps
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.datasets.prepared import Prepared
from fdsweep.trainers.preparation import media, shards
from fdsweep.trainers.preparation.catalog import Catalog, Options
from fdsweep.trainers.preparation.decoding import find_outcome
from fdsweep.trainers.preparation.manifest import (
    Manifest,
    load_manifest,
    make_manifest,
    save_manifest,
)
from fdsweep.trainers.preparation.shards import Outcome

MAX_DAMAGED = 0.01
MAX_MISSING = 0.5
LINE_EVERY_S = 5.0


def prepare(
    dataset: Prepared,
    raw: Path,
    storage: str,
    options: Options,
    *,
    shard_mb: float = 128,
    allow_skips: int | None = None,
    address: str | None = None,
) -> Manifest:
    """Decode the raw tree of `dataset` into shards in `storage`; what is done is not done again.

    Says on stderr what is found and how far it is. More than 1 % damaged samples are an error
    unless `allow_skips` is at least their number; the shards stay.

    Raises:
        DataError: the tree is not what it should be, or too much of it is missing or damaged.
        ConfigError: an option that cannot be used.
        ClusterError: no cluster answers, or its workers die.
        StorageError: the storage cannot be written.
    """
    if not 0 < shard_mb < math.inf:
        raise ConfigError(f"shards of {shard_mb:g} MB asked for", "--shard-mb", "Give more than 0")
    request = ResourceRequest(address=address, gpus=0)
    check_keys(request, storage)
    raw, storage = raw.expanduser().absolute(), Storage(storage).root
    console = Console(stderr=True, quiet=voice.is_quiet())
    catalog = dataset.catalog(raw, options)
    _say(console, found(dataset.name, catalog))
    _check_found(catalog, raw)
    job, parts = make_plan(dataset, raw, storage, options, catalog, shard_mb)
    left = [part for part in parts if find_outcome(job, part) is None]
    if left:
        shards.write_assets(storage, dataset.name, job.folder, catalog.assets)
        connect(request)
        samples = sum(len(part.items) for part in left)
        from fdsweep.orchestrator.execution.driver.watch import attended

        steps = Steps(samples, "decoding", "samples decoded", LINE_EVERY_S, console)
        with steps, attended():
            make_shards(job, left, made=lambda part: steps.advance(len(part.items)))
    outcomes = [outcome for part in parts if (outcome := find_outcome(job, part))]
    _check_damaged(outcomes, catalog, allow_skips, raw)
    manifest = make_manifest(
        dataset.name,
        catalog,
        job.payloads,
        outcomes,
        folder=job.folder,
        version=dataset.version,
        decoders=media.versions(),
        options=_spell(options, shard_mb),
        declared=dataset.declared,
    )
    known = _present(storage, dataset.name)
    if not left and known and known.model_copy(update={"notes": manifest.notes}) == manifest:
        _say(console, f"{dataset.name} is prepared already; nothing to do")
        return known
    notes = (*manifest.notes, *dataset.finish(raw, catalog))
    manifest = manifest.model_copy(update={"notes": notes})
    save_manifest(storage, manifest)
    shards.tidy(storage, dataset.name, job.folder)
    return manifest


def _present(storage: str, name: str) -> Manifest | None:
    try:
        return load_manifest(storage, name)
    except DataError:
        return None


def _check_found(catalog: Catalog, raw: Path) -> None:
    listed = len(catalog.items) + len(catalog.missing)
    if len(catalog.missing) > MAX_MISSING * listed or not catalog.items:
        raise DataError(
            f"{len(catalog.missing):,} of {listed:,} samples are missing ({few(catalog.missing)})",
            str(raw),
            "Check the path: more than half of a data set should be there",
        )


def _check_damaged(
    outcomes: Sequence[Outcome], catalog: Catalog, allow_skips: int | None, raw: Path
) -> None:
    damaged = [skipped for outcome in outcomes for skipped in outcome.damaged]
    if len(damaged) <= max(MAX_DAMAGED * len(catalog.items), allow_skips or 0):
        return
    raise DataError(
        f"{len(damaged):,} of {len(catalog.items):,} samples are damaged, more than 1 % "
        f"({few(damaged)})",
        str(raw),
        "Repair them and type the same command again (finished shards are kept), "
        f"or leave them out: --allow-skips {len(damaged)}",
    )


def _spell(options: Options, shard_mb: float) -> dict[str, str | None]:
    split_dir = None if options.split_dir is None else str(options.split_dir)
    return {
        "split_dir": split_dir,
        "task": options.task,
        "tokenizer": options.tokenizer,
        "frame_side": None if options.frame_side is None else str(options.frame_side),
        "shard_mb": f"{shard_mb:g}",
    }


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
