"""`crisismmd`: tweets with pictures from seven natural disasters of 2017; `crisismmd@c2kd`.

16,097 tweets with 18,126 pictures (Alam et al. 2018, "CrisisMMD: Multimodal Twitter Datasets from
Natural Disasters", ICWSM, arXiv 1805.00713); splits by Ofli et al. 2020 (arXiv 2004.11838).

takes   data_image/<event>/<day>/<tweet id>_<n>.jpg and the split files task_..._train.tsv, _dev
        and _test, tab-separated without quoting
yields  per picture at most 128 token ids of its tweet without URLs and user names, the cleaned
        text, and the picture
splits  published (dev validates)

`crisismmd@c2kd` reads tweets for BERT-base, with the vocabulary of `bert-base-uncased` unless
`--tokenizer` names another, as the comparison of C2KD (Huo et al., CVPR 2024) is said to: its
public code holds nothing of CrisisMMD.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fdsweep.search_spaces.errors import DataError, first_line, unknown
from fdsweep.trainers.datasets import Modality, registry
from fdsweep.trainers.datasets.prepared import FRAMES, Payload, Prepared
from fdsweep.trainers.imports.lazy import Image
from fdsweep.trainers.preparation import media, text
from fdsweep.trainers.preparation.catalog import (
    Catalog,
    Damaged,
    Item,
    Options,
    Skipped,
    Split,
    of_lists,
    wrong_tree,
)

PARTS: dict[Split, str] = {"test": "test", "val": "dev", "train": "train"}
TOKENIZER = "tokenizer.json"
MAX_VOCABULARY = 30522
"""BERT's; a vocabulary trained on the tweets is smaller."""
ALIKE_BITS = 4
"""Pictures whose hashes of 64 bits differ in no more are near duplicates."""

MERGED = {
    "injured_or_dead_people": "affected_individuals",
    "missing_or_found_people": "affected_individuals",
    "vehicle_damage": "infrastructure_and_utility_damage",
}
HUMANITARIAN = (
    "affected_individuals", "infrastructure_and_utility_damage", "injured_or_dead_people",
    "missing_or_found_people", "not_humanitarian", "other_relevant_information",
    "rescue_volunteering_or_donation_effort", "vehicle_damage",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """One labelling: its files are task_<stem>_<part>.tsv; `merged` labels count as another."""

    stem: str
    classes: tuple[str, ...]
    merged: Mapping[str, str]


FIVE = tuple(label for label in HUMANITARIAN if label not in MERGED)
INFORMATIVE = ("informative", "not_informative")
DAMAGE = ("little_or_no_damage", "mild_damage", "severe_damage")
DEFAULT = "humanitarian"
TASKS = {
    DEFAULT: Task("humanitarian_text_img_agreed_lab", FIVE, MERGED),
    "humanitarian-all": Task("humanitarian_text_img", HUMANITARIAN, {}),
    "informative": Task("informative_text_img_agreed_lab", INFORMATIVE, {}),
    "informative-all": Task("informative_text_img", INFORMATIVE, {}),
    "damage": Task("damage_text_img", DAMAGE, {}),
}


class Row(NamedTuple):
    """A line of a split file, without the columns that are not needed."""

    split: Split
    event: str
    tweet_id: str
    image_id: str
    tweet: str
    image: str
    label: str


COLUMNS = ("event_name", "tweet_id", "image_id", "tweet_text", "image", "label")
"""Of a split file, as in `Row`."""


@registry.register("crisismmd")
class CrisisMMD(Prepared):
    """The importer."""

    name: ClassVar = "crisismmd"
    modalities: ClassVar = (
        Modality("text", MAX_VOCABULARY, "bert-small"),
        Modality("visual", 3, "resnet18"),
    )
    payloads: ClassVar = {
        "text": Payload("tokens", (text.LENGTH,)),
        "visual": FRAMES,
    }
    about: ClassVar = "tweets with pictures from seven natural disasters of 2017"
    read_with: ClassVar = (TOKENIZER,)
    default_task: ClassVar = "humanitarian"
    default_tokenizer: ClassVar[str | None] = None
    source: ClassVar = "Alam et al. 2018, ICWSM, arXiv 1805.00713; Ofli et al. 2020, 2004.11838"
    licence: ClassVar = "CC BY-NC-SA 4.0; tweets under Twitter's terms"
    url: ClassVar = "https://crisisnlp.qcri.org/crisismmd"
    expects: ClassVar = """RAW_DIR/   (or with CrisisMMD_v2.0/ in between)
  data_image/<event>/<day_month_year>/<tweet id>_<n>.jpg ...
  crisismmd_datasplit_agreed_label/task_humanitarian_text_img_agreed_lab_{train,dev,test}.tsv
  crisismmd_datasplit_all/task_..._text_img_{train,dev,test}.tsv   (for the tasks *-all, damage)
  (the split archives may lie elsewhere, with --split-dir)"""

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        name = options.task or DEFAULT
        if name not in TASKS:
            raise unknown("task", name, TASKS, "--task")
        task = TASKS[name]
        home = _find(raw, "data_image")
        if home is None:
            raise wrong_tree(raw, "the folder data_image", self.expects)
        rows, listed, found = self._listed(options.split_dir or raw, task)
        items, missing = [], []
        for row in rows:
            picture = home / row.image.removeprefix("data_image").lstrip("/")
            if not picture.is_file():
                missing.append(Skipped(row.image_id, "its picture is not on disk"))
                continue
            items.append(
                Item(
                    sample_id=row.image_id,
                    group=row.tweet_id,
                    label=task.classes.index(row.label),
                    split=row.split,
                    parts={
                        "visual": picture.relative_to(raw).as_posix(),
                        "text": text.clean(row.tweet),
                    },
                )
            )
        training = [text.clean(row.tweet) for row in rows if row.split == "train"]
        tokenizer, origin = _tokenizer(options.tokenizer or self.default_tokenizer, training)
        tweets = {row.tweet_id: row.tweet for row in rows}
        repaired = sum(text.repair(tweet) != tweet for tweet in tweets.values())
        notes = [
            f"The task is {name}, {len(task.classes)} classes; which one the FD-CMKD paper used "
            "is not known to us.",
            f"Splits are the published lists: {len(rows)} pictures of {len(tweets)} tweets, which "
            f"are the groups, and {len({row.event for row in rows})} events.",
            origin,
            f"Tweets in which doubly encoded UTF-8 is put right: {repaired}.",
            *found,
        ]
        return Catalog(
            items=tuple(items),
            missing=tuple(missing),
            classes=task.classes,
            notes=tuple(notes),
            assets={TOKENIZER: tokenizer},
            split=of_lists(listed, "pictures"),
        )

    def _listed(self, lists: Path, task: Task) -> tuple[list[Row], Counter[Split], list[str]]:
        """The rows of the task's three files by their ids, lines of each, and what was unusual."""
        rows: dict[str, Row] = {}
        lines = Counter[Split]()
        strange = Counter[str]()
        merged = repeats = 0
        for split, part in PARTS.items():
            name = f"task_{task.stem}_{part}.tsv"
            path = _find(lists, name)
            if path is None:
                raise wrong_tree(lists, name, self.expects)
            for row in _read(path, split):
                lines[split] += 1
                label = task.merged.get(row.label, row.label)
                if label not in task.classes:
                    strange[row.label or "none"] += 1
                    continue
                merged += label != row.label
                repeats += row.image_id in rows
                rows.setdefault(row.image_id, row._replace(label=label))
        if not rows:
            raise DataError(
                f"no line of {name} and its like has one of the labels {', '.join(task.classes)}",
                str(lists),
                "Take the published lists",
            )
        names = ", ".join(f"{label} ({count})" for label, count in sorted(strange.items()))
        found = {
            f"Labels of the eight that are merged into the five: {merged}.": merged,
            f"Lines with labels that are not of this task are left out: {names}.": names,
            f"Lines that list a picture again, of which test keeps its own: {repeats}.": repeats,
        }
        unusual = [note for note, is_so in found.items() if is_so]
        return [rows[i] for i in sorted(rows)], lines, unusual

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        words = str(item.parts["text"])
        return {
            "text": text.encode(text.load_tokenizer(assets[TOKENIZER]), words),
            "clean_text": words,
            "visual": [media.image(raw / str(item.parts["visual"]))],
        }

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        if modality == "visual":
            return [[media.image(file)]]
        try:
            words = text.clean(file.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            raise Damaged(f"no text in UTF-8 ({first_line(error)})") from None
        return [text.encode(text.load_tokenizer(assets[TOKENIZER]), words)]

    @override
    def finish(self, raw: Path, catalog: Catalog) -> tuple[str, ...]:
        alike = near_duplicates(raw, catalog)
        return tuple(
            f"Pictures of {first} that nearly repeat one of {second} (at most {ALIKE_BITS} of 64 "
            f"bits of a perceptual hash differ): {len(samples)}."
            for (first, second), samples in alike.items()
        )


@registry.register("crisismmd@c2kd")
class CrisisMMDC2KD(CrisisMMD):
    """The importer whose tweets are for BERT-base."""

    name: ClassVar = "crisismmd@c2kd"
    modalities: ClassVar = (
        Modality("text", MAX_VOCABULARY, "bert-base"),
        Modality("visual", 3, "resnet18"),
    )
    about: ClassVar = "the tweets and pictures of crisismmd, in the word pieces of BERT-base"
    default_tokenizer: ClassVar = "bert-base-uncased"


def near_duplicates(raw: Path, catalog: Catalog) -> dict[tuple[Split, Split], list[str]]:
    """Sample ids of the first split whose pictures nearly repeat one of the second.

    Damaged pictures are left out.
    """
    with ThreadPoolExecutor() as threads:
        found = list(
            threads.map(lambda item: _hash(raw / str(item.parts["visual"])), catalog.items)
        )
    hashes = {
        split: [(item.sample_id, code) for item, code in zip(catalog.items, found, strict=True)
                if code is not None and item.split == split]
        for split in PARTS
    }  # fmt: skip
    pairs: tuple[tuple[Split, Split], ...] = (("test", "train"), ("test", "val"), ("val", "train"))
    alike: dict[tuple[Split, Split], list[str]] = {}
    for first, second in pairs:
        known = np.array([code for _, code in hashes[second]], dtype=np.uint64)
        alike[first, second] = [
            sample_id
            for sample_id, code in hashes[first]
            if (np.bitwise_count(known ^ code) <= ALIKE_BITS).any()
        ]
    return alike


def _hash(path: Path) -> np.uint64 | None:
    """64 bits of the picture's coarse shape: signs of low cosine frequencies about their median."""
    from scipy.fft import dctn  # slow to import

    try:
        with Image.open(path) as picture:
            picture.draft("L", (64, 64))  # lets libjpeg decode at an eighth of the size
            pixels = np.asarray(picture.convert("L").resize((32, 32)), dtype=np.float64)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    low: NDArray[np.float64] = dctn(pixels, norm="ortho")[:8, :8].ravel()
    bits: NDArray[np.bool_] = low > np.median(low)
    code: np.uint64 = np.packbits(bits).view(np.uint64)[0]
    return code


def _find(folder: Path, name: str, depth: int = 3) -> Path | None:
    """The first file or folder `name` at most `depth` folders down, pictures not searched.

    Names that macOS adds to archives are passed over.
    """
    for path, folders, files in os.walk(folder):
        if name in (*folders, *files):
            return Path(path, name)
        level = len(Path(path).relative_to(folder).parts)
        hidden = ("data_image", "__MACOSX", "json")
        folders[:] = sorted(f for f in folders if f not in hidden) if level < depth else []
    return None


def _read(path: Path, split: Split) -> Iterator[Row]:
    """The rows of a split file; DataError naming a line without a label."""
    header, *lines = path.read_text("utf-8-sig", errors="replace").split("\n")
    columns = header.rstrip("\r").split("\t")
    for column in COLUMNS:
        if column not in columns:
            raise DataError(f"has no column {column}", str(path), "Take the published list")
    for number, line in enumerate(lines, start=2):
        if not line.strip():
            continue
        cells = dict(zip(columns, line.rstrip("\r").split("\t"), strict=False))
        if not cells.keys() >= set(COLUMNS):
            raise DataError(
                f"has {len(cells)} columns, too few for a label",
                f"{path}:{number}",
                "Take the published list",
            )
        yield Row(split, *(cells[column].strip() for column in COLUMNS))


def _tokenizer(name: str | None, tweets: list[str]) -> tuple[bytes, str]:
    """The vocabulary and a sentence on where it is from."""
    if name is None:
        content = text.train_tokenizer(dict.fromkeys(tweets))
        size = text.load_tokenizer(content).get_vocab_size()
        return content, f"The vocabulary of {size} word pieces is trained on the training tweets."
    content = text.pretrained_tokenizer(name)
    size = text.load_tokenizer(content).get_vocab_size()
    if size > MAX_VOCABULARY:
        raise DataError(
            f"has {size} word pieces, more than the {MAX_VOCABULARY} that are provided for",
            f"--tokenizer {name}",
            "Take an English BERT's",
        )
    return content, f"The vocabulary of {size} word pieces is that of {name}."
