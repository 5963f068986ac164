"""The comparison of methods: every one on equal terms, in the order of the paper's tables."""

from collections.abc import Mapping
from dataclasses import dataclass

from fdsweep.orchestrator.studies.methods import describe
from fdsweep.orchestrator.studies.methods import names as all_methods
from fdsweep.orchestrator.studies.suited import (
    FD_CMKD,
    NONE_SUITED,
    WITHOUT_CLASSES,
    Suited,
    options_on_pixels,
    options_without_classes,
)
from fdsweep.results.compute.provenance import published, setting
from fdsweep.results.records.schema import CLASSIFICATION
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.fields import parse_names, parse_variant
from fdsweep.search_spaces.storage import tell_once
from fdsweep.search_spaces.sweep import Sweep, validated
from fdsweep.trainers import datasets, tasks
from fdsweep.trainers.datasets import DataLocation, DatasetInfo
from fdsweep.trainers.datasets.prepared import Prepared
from fdsweep.trainers.preparation.manifest import prepare_command

BASELINE = "none"
PROTOCOLS = {"validation": "ours", "test": "published"}
"""How epoch and head are chosen, by what they are chosen on."""

NONE = "none"
GROUPS = ("Uni", "Logit", "Feature", "Cross", "Combined")


@dataclass(frozen=True, slots=True)
class PaperTable:
    """One of the paper's tables: its file in `results/paper/`, the study's name, the title."""

    name: str
    study: str
    title: str


TABLE_1 = PaperTable("table1_classification", "table-1", "The paper's Table 1")
TABLE_3 = PaperTable("table3_segmentation", "table-3", "The paper's Table 3")
LINES_OF_TABLE_3 = {
    "none": "Uni",
    "dist": "DIST",
    "dkd": "DKD",
    "c2kd": "C2KD",
    FD_CMKD: "FD-CMKD",
    "cirkd-v2": "CIRKDv2",
    "cirkd-v2+fd-cmkd": "CIRKDv2+FD-CMKD",
}
"""Methods in the order of Table 3, and what they are called there."""

CHECKPOINTS = {"resnet-18": "microsoft/resnet-18"}
"""Where a checkpoint of the paper's setting is found, if not under its own name."""


def comparison(
    methods: str | None = None,
    pairing: str = "paired",
    task: str = CLASSIFICATION,
    *,
    align: bool = False,
    suited: Suited = NONE_SUITED,
    several: bool = False,
) -> Sweep:
    """The study of `methods` against `none`, each with its default options.

    Args:
        methods: names joined by commas; "+" adds up several methods to one. By default those of
            Table 3 where every pixel has a label, elsewhere all that can be used, those of
            installed packages included.
        pairing: which teacher sample stands beside a student sample, in every row.
        task: of the data set.
        align: where every pixel has a label, fd-cmkd aligns the classes of its bands, which it
            does not in Table 3.
        suited: options of methods that suit the data set there, by method.
        several: a direction has several teachers; methods that move theirs learn from one, and are
            left out unless they are named.

    Raises:
        ConfigError: a method or pairing that does not exist, a method that is named twice, or
            `align` where samples have one label each.
    """
    is_dense = tasks.find(task).dense
    if align and not is_dense:
        what = "is for data sets whose pixels have labels; on others fd-cmkd aligns unasked"
        raise ConfigError(what, "--align", "Leave it out")
    if methods is None:
        names = _all(tasks.find(task), several=several)
    else:
        names = parse_names(methods, "--methods")
    names = tuple(dict.fromkeys((BASELINE, *names)))
    if is_dense:
        rows = [_row_of_pixels(name, pairing, suited, align=align) for name in names]
    else:
        order = {group: number for number, group in enumerate(GROUPS)}
        rows = [_row(name, pairing) for name in names]
        if tasks.find(task).aligns:
            rows = [row | {"options": options_without_classes(str(row["name"]))} for row in rows]
        rows.sort(key=lambda row: order.get(str(row["group"]), len(order)))
    said = ["Methods compared", *([pairing] if pairing != "paired" else [])]
    content = {
        "study": "compare",
        "title": ", ".join([*said, "aligned by pixel"] if align else said),
        "rows": rows,
        "paper_table": (TABLE_3 if is_dense else TABLE_1).name,
    }
    return validated(content, "compare")


def info_of(dataset: str, location: DataLocation) -> DatasetInfo:
    """What `dataset` is; DataError if it must be prepared first."""
    return datasets.find(dataset, location).info


def papers_table(dataset: str, location: DataLocation) -> Sweep:
    """The paper's table that has `dataset`, in the paper's setting (`provenance.setting`).

    Raises:
        ConfigError: the paper does not use the data set.
        DataError: it is not prepared as the paper has it; the command that does so is named.
    """
    base, _ = parse_variant(dataset)
    table = _table_with(base)
    facts = {key: fact.value for key, fact in setting.facts(base).items()}
    name = datasets.with_variant(base, facts["variant", ""])
    info = _prepared(name, facts, location, table.title)
    pretrained = _of_networks(info, facts, "pretraining")
    content = {
        "study": table.study,
        "title": table.title,
        "rows": _rows_of(table, info),
        "paper_table": table.name,
        "dataset": info.name,
        "backbones": _of_networks(info, facts, "backbone"),
        "pretrained": {m: CHECKPOINTS.get(name, name) for m, name in pretrained.items()},
        "epochs": int(facts["epochs", ""]),
        "batch_size": int(facts["batch size", ""]),
        "features": facts["feature point", ""],
        "protocol": PROTOCOLS[facts["selection", ""]],
    }
    return validated(content, "--paper")


def _all(task: tasks.Task, *, several: bool) -> tuple[str, ...]:
    """What is compared unless methods are named."""
    known = {name: describe(name) for name in (LINES_OF_TABLE_3 if task.dense else all_methods())}
    found = [
        name
        for name, told in known.items()
        if task.dense or not (told["dense_only"] or (task.sets and told["one_label"]))
        if not task.aligns or not told["needs_classes"] or name in WITHOUT_CLASSES
    ]
    moving = [name for name in found if several and known[name]["moves_teacher"]]
    if moving:
        tell_once(f"Left out, as it moves its teacher and so learns from one: {', '.join(moving)}.")
    return tuple(name for name in found if name not in moving)


def _table_with(dataset: str) -> PaperTable:
    known = {
        table: sorted({line["dataset"] for line in published.read(table.name)})
        for table in (TABLE_1, TABLE_3)
    }
    for table, names in known.items():
        if dataset in names:
            return table
    theirs = " and ".join(", ".join(names) for names in known.values())
    what = f"{dataset} is not in the paper's Tables 1 and 3, which have {theirs}"
    raise ConfigError(what, "--paper", "Leave it out to compare methods on other data")


def _rows_of(table: PaperTable, info: DatasetInfo) -> list[dict[str, object]]:
    if table is TABLE_3:
        return [_row_of_pixels(name, "paired", info.suited) for name in LINES_OF_TABLE_3]
    dataset, _ = parse_variant(info.name)
    lines = [line for line in published.read(table.name) if line["dataset"] == dataset]
    order = list(dict.fromkeys(line["method"] for line in lines))
    lines_of = {name: describe(name)["published"] for name in all_methods()}
    methods = sorted(
        (name for name, line in lines_of.items() if line in order),
        key=lambda name: order.index(lines_of[name]),
    )
    return [_row(name, "paired") for name in methods]


def _prepared(
    name: str, facts: Mapping[tuple[str, str], str], location: DataLocation, table: str
) -> DatasetInfo:
    """What the data set `name` is; DataError if it is not prepared as `facts` of the paper say."""
    dataset = datasets.find(name, location)
    assert isinstance(dataset, Prepared), "each data set of the paper has an importer"
    fix = f"Type: {prepare_command(name)}"
    if dataset.lists:
        fix += f" --split-dir LISTS, where LISTS holds {dataset.lists}"
    try:
        info = dataset.info
    except DataError as error:
        raise DataError(error.what, error.where, fix) from None
    ours = {"split": info.split, "labelling": info.labelling, "classes": str(len(info.classes))}
    for fact, value in ours.items():
        wanted = facts.get((fact, ""), value)
        if value != wanted:
            what = f"{fact}: {value or 'unknown'}, but {wanted} in {table[:1].lower()}{table[1:]}"
            raise DataError(what, name, fix)
    return info


def _of_networks(
    info: DatasetInfo, facts: Mapping[tuple[str, str], str], name: str
) -> dict[str, str]:
    """What `facts` say of each modality's network, where that is something."""
    said = {m.name: facts.get((name, m.name), facts.get((name, ""), NONE)) for m in info.modalities}
    return {modality: value for modality, value in said.items() if value != NONE}


def _row(name: str, pairing: str) -> dict[str, object]:
    method = describe(name)
    paper = {"method": method["published"]} if method["published"] else None
    return {
        "name": name,
        "method": name,
        "group": method["group"],
        "pairing": pairing,
        "paper": paper,
    }


def _row_of_pixels(
    name: str, pairing: str, suited: Suited, *, align: bool = False
) -> dict[str, object]:
    """The row where every pixel has a label: fd-cmkd is as in Table 3, but for `align`."""
    line = LINES_OF_TABLE_3.get(name)
    options = options_on_pixels(name, suited, align=align)
    return {**_row(name, pairing), "options": options, "paper": {"method": line} if line else None}
