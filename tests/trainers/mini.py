"""A small prepared data set of three kinds of payload, its shards and its manifest."""

import numpy as np
from PIL import Image

from fdsweep.trainers.modalities import Payload
from fdsweep.trainers.preparation import shards
from fdsweep.trainers.preparation.catalog import Catalog, Item, Skipped
from fdsweep.trainers.preparation.manifest import make_manifest, save_manifest

PAYLOADS = {
    "audio": Payload("spectrogram", (3, 5)),
    "visual": Payload("frames", (6,)),
    "words": Payload("tokens", (4,)),
}
PER_SHARD = 20
ALL = ["sample_id", "group", "label", "split", *PAYLOADS, "clean_text"]


def make_items(count=50):
    splits = ("train", "train", "train", "val", "test")
    return tuple(
        Item(
            sample_id=f"s{i:03d}",
            group=f"g{i % 7}",
            label=i % 2,
            split=splits[i % 5],
            parts={"n": i},
        )
        for i in range(count)
    )


def frame_sizes(i):
    """Width and height of sample `i`'s frames, which differ between samples."""
    return [(8 + i % 5, 5 + i % 2)] * (1 + i % 3)


def decoded(item):
    i = int(item.parts["n"])
    return {
        "audio": np.arange(15, dtype=np.float16).reshape(3, 5) + i,
        "visual": [Image.new("RGB", size, (5 * i, 0, 0)) for size in frame_sizes(i)],
        "words": list(range(i % 5)),
        "clean_text": f"words of {i}",
    }


def rows_of(items):
    return [shards.row(item, decoded(item), PAYLOADS) for item in items]


def prepare(storage, items, folder="key", damaged=(), **changes):
    outcomes = []
    for number, start in enumerate(range(0, len(items), PER_SHARD)):
        part = [i for i in items[start : start + PER_SHARD] if i.sample_id not in damaged]
        shard = shards.write_shard(str(storage), "mini", folder, number, rows_of(part), PAYLOADS)
        lost = tuple(Skipped(i.sample_id, "broken") for i in items[start : start + PER_SHARD] if
                     i.sample_id in damaged)  # fmt: skip
        outcomes.append(
            shards.Outcome(shard=shard, damaged=lost, notes=(f"Note {number}.",), files="k")
        )
        shards.write_outcome(str(storage), "mini", folder, outcomes[-1])
    fields = {
        "catalog": Catalog(
            items=items,
            missing=(Skipped("gone", "no file"),),
            classes=("a", "b"),
            notes=("A note.",),
            assets={"vocab.json": b"{}"},
            split="somebody's",
        ),
        "payloads": PAYLOADS,
        "folder": folder,
        "version": 1,
        "decoders": {"av": "1"},
        "options": {"task": None},
        **changes,
    }
    catalog, payloads = fields.pop("catalog"), fields.pop("payloads")
    manifest = make_manifest("mini", catalog, payloads, outcomes, **fields)
    save_manifest(str(storage), manifest)
    return manifest
