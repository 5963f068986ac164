"""From a raw tree to shards and their manifest, with Ray Data; finished shards are kept."""

import functools
import json
import logging
import os
import stat
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from statistics import mean

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fdsweep.orchestrator.execution.cluster import ResourceRequest, connect
from fdsweep.orchestrator.tracking.progress import clock
from fdsweep.search_spaces import errors
from fdsweep.search_spaces.errors import ClusterError, ConfigError, DataError, FdsweepError
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.storage import Storage
from fdsweep.trainers.datasets.prepared import Prepared
from fdsweep.trainers.preparation import media, shards
from fdsweep.trainers.preparation.catalog import Catalog, Damaged, Item, Options, Skipped
from fdsweep.trainers.preparation.shards import Manifest, Outcome
from fdsweep.trainers.preparation.splits import SPLITS

MOST_DAMAGED = 0.01
MOST_MISSING = 0.5
SAMPLED = 8
LINE_EVERY_S = 5.0
RETRIES = 3
"""Of a shard whose worker died; Ray Data's own number is without end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What all shards of a preparation have in common; `folder` is the plan's key."""

    dataset: Prepared
    raw: Path
    storage: str
    folder: str
    assets: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """One shard to be: its number, its items, and the key of the raw files they are read from."""

    number: int
    items: tuple[Item, ...]
    files: str


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
    if shard_mb <= 0:
        raise ConfigError(f"shards of {shard_mb:g} MB asked for", "--shard-mb", "Give more than 0")
    raw, storage = raw.expanduser().absolute(), Storage(storage).root
    console = Console(stderr=True)
    catalog = dataset.catalog(raw, options)
    _say(console, _found(dataset, catalog))
    _check_found(catalog, raw)
    job, parts = make_plan(dataset, raw, storage, options, catalog, shard_mb)
    left = [part for part in parts if _outcome(job, part) is None]
    if left:
        shards.write_assets(storage, dataset.name, job.folder, catalog.assets)
        connect(ResourceRequest(address=address))
        _run(job, left, console)
    outcomes = [outcome for part in parts if (outcome := _outcome(job, part))]
    _check_damaged(outcomes, catalog, allow_skips, raw)
    manifest = shards.make_manifest(
        dataset.name,
        catalog,
        dataset.payloads,
        outcomes,
        folder=job.folder,
        version=dataset.version,
        decoders=media.versions(),
        options=_spell(options, shard_mb),
    )
    known = _present(storage, dataset.name)
    if not left and known and replace(known, notes=manifest.notes) == manifest:
        _say(console, f"{dataset.name} is prepared already; nothing to do")
        return known
    notes = (*manifest.notes, *dataset.finish(raw, catalog))
    manifest = replace(manifest, notes=notes)
    shards.save_manifest(storage, manifest)
    shards.tidy(storage, dataset.name, job.folder)
    return manifest


def make_plan(
    dataset: Prepared,
    raw: Path,
    storage: str,
    options: Options,
    catalog: Catalog,
    shard_mb: float,
) -> tuple[Job, list[Part]]:
    """Which items make which shard, decided before any is written.

    The plan's key does not hold where the raw tree or the published lists lie: the items say what
    was read there.

    Raises:
        DataError: not one item can be decoded.
    """
    per_shard = max(1, round(shard_mb * 2**20 / _mean_size(dataset, raw, catalog)))
    count = -(-len(catalog.items) // per_shard)
    folder = content_key(
        items=catalog.items,
        shards=count,
        classes=catalog.classes,
        payloads=dataset.payloads,
        version=dataset.version,
        decoders=media.versions(),
        assets={name: sha256(content).hexdigest() for name, content in catalog.assets.items()},
        task=options.task,
        tokenizer=options.tokenizer,
    )
    bounds = [len(catalog.items) * number // count for number in range(count + 1)]
    job = Job(dataset=dataset, raw=raw, storage=storage, folder=folder, assets=catalog.assets)
    parts = []
    for number in range(count):
        items = catalog.items[bounds[number] : bounds[number + 1]]
        parts.append(Part(number, items, _files_key(raw, items)))
    return job, parts


def to_text(manifest: Manifest) -> str:
    """What was prepared, for people."""
    width = max(map(len, (*manifest.classes, "samples")))
    size = sum(shard.bytes for shard in manifest.shards)
    lines = [
        f"{manifest.name}: {manifest.rows:,} samples in {len(manifest.shards):,} shards "
        f"({_megabytes(size)}), fingerprint {manifest.fingerprint}",
        "",
        f"{'':{width}}" + "".join(f"{split:>9}" for split in SPLITS),
    ]
    for name in manifest.classes:
        cells = "".join(f"{manifest.counts[split][name]:9,}" for split in SPLITS)
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


def _run(job: Job, parts: Sequence[Part], console: Console) -> None:
    """Make `parts`, each a task of Ray Data that needs one core."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    rows = [{"part": json.dumps(asdict(part))} for part in parts]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
    dataset.context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    make = functools.partial(_make_row, job=job)
    with warnings.catch_warnings():  # Ray 2.60 has no other way yet to say how often to retry
        warnings.simplefilter("ignore", DeprecationWarning)
        made = dataset.map(make, num_cpus=1, max_retries=RETRIES)
    sizes = {part.number: len(part.items) for part in parts}
    try:
        with _shown(console, sum(sizes.values())) as advance:
            for row in made.iter_rows():
                if row["error"]:
                    kind, *told = json.loads(row["error"])
                    raise getattr(errors, kind)(*told)
                advance(sizes[row["number"]])
    except RayTaskError:  # a fault of the importer: its traceback is in the message
        raise
    except RayError as error:
        raise ClusterError(
            f"a worker failed while decoding ({str(error).splitlines()[0].rstrip('.')})",
            str(job.raw),
            "Type the same command again to go on: finished shards are kept",
        ) from None


def _make_row(row: dict[str, str], job: Job) -> dict[str, int | str]:
    """Make the part in `row`; an error for people is returned, since Ray Data would bury it."""
    fields = json.loads(row["part"])
    items = tuple(Item(**item) for item in fields["items"])
    try:
        make_shard(job, Part(fields["number"], items, fields["files"]))
    except FdsweepError as error:
        told = [type(error).__name__, error.what, error.where, error.fix]
        return {"number": fields["number"], "error": json.dumps(told)}
    return {"number": fields["number"], "error": ""}


def make_shard(job: Job, part: Part) -> None:
    """Decode the items of `part` and write its shard; damaged ones are left out and told of."""
    damaged: list[Skipped] = []
    notes: list[str] = []
    payloads, name = job.dataset.payloads, job.dataset.name
    rows = _decode(job, part.items, damaged, notes)
    shard = shards.write_shard(job.storage, name, job.folder, part.number, rows, payloads)
    outcome = Outcome(
        shard=shard, damaged=tuple(damaged), notes=tuple(sorted(set(notes))), files=part.files
    )
    shards.write_outcome(job.storage, name, job.folder, outcome)


def _decode(
    job: Job, items: Sequence[Item], damaged: list[Skipped], notes: list[str]
) -> Iterator[dict[str, object]]:
    """A row of each item that can be decoded; what is wrong with others goes to the two lists."""
    for item in items:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("ignore")
                warnings.simplefilter("always", media.ShortWarning)
                decoded = job.dataset.decode(job.raw, item, job.assets)
        except Damaged as error:
            damaged.append(Skipped(item.sample_id, str(error)))
            continue
        notes += [f"{item.sample_id}: {warning.message}." for warning in caught]
        yield shards.row(item, decoded, job.dataset.payloads)


def _mean_size(dataset: Prepared, raw: Path, catalog: Catalog) -> float:
    """Mean bytes of the first rows that can be made."""
    job = Job(dataset=dataset, raw=raw, storage="", folder="", assets=catalog.assets)
    damaged: list[Skipped] = []
    rows = _decode(job, catalog.items, damaged, [])
    sizes = [shards.size(row) for row in islice(rows, SAMPLED)]
    if not sizes:
        raise DataError(
            f"not one of {len(catalog.items):,} samples can be decoded; "
            f"the first, {damaged[0].sample_id}: {damaged[0].reason}",
            str(raw),
        )
    return mean(sizes)


def _files_key(raw: Path, items: Sequence[Item]) -> str:
    """Key of the sizes of the files that `items` name: a repaired file gives another key."""
    parts = [str(part) for item in items for part in item.parts.values() if isinstance(part, str)]
    return content_key(sizes=[_size(raw, part) for part in parts])


def _size(raw: Path, part: str) -> int | None:
    try:
        found = os.stat(raw / part)
    except (OSError, ValueError):  # not a file's name but text, too long or with null characters
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _outcome(job: Job, part: Part) -> Outcome | None:
    """What became of `part`; None if it is yet to be made, or its raw files have changed."""
    found = shards.find_outcome(job.storage, job.dataset.name, job.folder, part.number)
    return found if found and found.files == part.files else None


def _present(storage: str, name: str) -> Manifest | None:
    try:
        return shards.load_manifest(storage, name)
    except DataError:
        return None


def _check_found(catalog: Catalog, raw: Path) -> None:
    listed = len(catalog.items) + len(catalog.missing)
    if len(catalog.missing) > MOST_MISSING * listed or not catalog.items:
        raise DataError(
            f"{len(catalog.missing):,} of {listed:,} samples are missing ({_few(catalog.missing)})",
            str(raw),
            "Check the path: more than half of a data set should be there",
        )


def _check_damaged(
    outcomes: Sequence[Outcome], catalog: Catalog, allow_skips: int | None, raw: Path
) -> None:
    damaged = [skipped for outcome in outcomes for skipped in outcome.damaged]
    if len(damaged) <= max(MOST_DAMAGED * len(catalog.items), allow_skips or 0):
        return
    raise DataError(
        f"{len(damaged):,} of {len(catalog.items):,} samples are damaged, more than 1 % "
        f"({_few(damaged)})",
        str(raw),
        "Repair them and type the same command again (finished shards are kept), "
        f"or leave them out: --allow-skips {len(damaged)}",
    )


def _found(dataset: Prepared, catalog: Catalog) -> str:
    splits = Counter(item.split for item in catalog.items)
    shares = ", ".join(f"{splits[split]:,} {split}" for split in SPLITS)
    missing = f" ({_few(catalog.missing)})" if catalog.missing else ""
    return (
        f"{dataset.name}: {len(catalog.items) + len(catalog.missing):,} samples listed, "
        f"{len(catalog.items):,} found ({shares}), {len(catalog.missing):,} missing{missing}"
    )


def _few(skipped: Sequence[Skipped], most: int = 3) -> str:
    shown = [f"{one.sample_id}: {one.reason}" for one in skipped[:most]]
    return "; ".join([*shown, *([f"and {len(skipped) - most:,} more"] * (len(skipped) > most))])


def _skips(what: str, skipped: Sequence[Skipped]) -> list[str]:
    return [f"{len(skipped):,} {what}: {_few(skipped)}"] if skipped else []


def _spell(options: Options, shard_mb: float) -> dict[str, str | None]:
    split_dir = None if options.split_dir is None else str(options.split_dir)
    return {
        "split_dir": split_dir,
        "task": options.task,
        "tokenizer": options.tokenizer,
        "shard_mb": f"{shard_mb:g}",
    }


def _megabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GB" if size >= 2**30 else f"{size / 2**20:.1f} MB"


@contextmanager
def _shown(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how many of `total` samples are through; gives what is called with each new number."""
    start = printed = time.monotonic()
    through = 0
    bar = Progress(
        TextColumn("decoding"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=total)

    def line() -> str:
        elapsed = time.monotonic() - start
        left = (
            f", ETA {clock(elapsed / through * (total - through))}" if 0 < through < total else ""
        )
        return f"{clock(elapsed)}  {through:,} of {total:,} samples decoded{left}"

    def advance(samples: int) -> None:
        nonlocal through, printed
        through += samples
        bar.advance(task, samples)
        if not console.is_terminal and time.monotonic() - printed >= LINE_EVERY_S:
            printed = time.monotonic()
            _say(console, line())

    if console.is_terminal:
        bar.start()
    try:
        yield advance
    finally:
        if console.is_terminal:
            bar.stop()
        _say(console, line())


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
