"""The comparison of methods: every one on equal terms, in the groups of the paper's Table 1."""

from collections.abc import Mapping

from fdsweep.results.compute.provenance import published, setting
from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.search_spaces.fields import parse_names, parse_variant
from fdsweep.search_spaces.sweep import Sweep, validated
from fdsweep.trainers import datasets, distillers
from fdsweep.trainers.datasets import DataLocation, DatasetInfo
from fdsweep.trainers.datasets.prepared import Prepared
from fdsweep.trainers.preparation.manifest import prepare_command

BASELINE = "none"
TABLE = "table1_classification"
PROTOCOLS = {"validation": "ours", "test": "published"}
"""How epoch and head are chosen, by what they are chosen on."""

NONE = "none"
GROUPS = ("Uni", "Logit", "Feature", "Cross", "Combined")


def comparison(methods: str | None = None, pairing: str = "paired") -> Sweep:
    """The study of `methods` against `none`, each with its default options.

    Args:
        methods: names joined by commas; "+" adds up several methods to one. All by default,
            those of installed packages included.
        pairing: which teacher sample stands beside a student sample, in every row.

    Raises:
        ConfigError: a method or pairing that does not exist, or a method that is named twice.
    """
    names = distillers.names() if methods is None else parse_names(methods, "--methods")
    rows = [_row(name, pairing) for name in dict.fromkeys((BASELINE, *names))]
    order = {group: number for number, group in enumerate(GROUPS)}
    rows.sort(key=lambda row: order.get(str(row["group"]), len(order)))
    title = "Methods compared" if pairing == "paired" else f"Methods compared, {pairing}"
    content = {"study": "compare", "title": title, "rows": rows}
    return validated({**content, "paper_table": TABLE}, "compare")


def table_1(dataset: str, location: DataLocation) -> Sweep:
    """The paper's Table 1 on `dataset`, in the paper's setting (`provenance.setting`).

    Raises:
        ConfigError: the paper does not use the data set.
        DataError: it is not prepared as the paper has it; the command that does so is named.
    """
    base, _ = parse_variant(dataset)
    lines = [line for line in published.read(TABLE) if line["dataset"] == base]
    if not lines:
        theirs = ", ".join(sorted({line["dataset"] for line in published.read(TABLE)}))
        what = f"{base} is not in the paper's Table 1, which has {theirs}"
        raise ConfigError(what, "--paper", "Leave it out to compare methods on other data")
    facts = {key: fact.value for key, fact in setting.facts(base).items()}
    info = _prepared(datasets.with_variant(base, facts["variant", ""]), facts, location)
    order = list(dict.fromkeys(line["method"] for line in lines))
    lines_of = {name: distillers.specimen(name, {}).published for name in distillers.names()}
    methods = sorted(
        (name for name, line in lines_of.items() if line in order),
        key=lambda name: order.index(lines_of[name]),
    )
    content = {
        "study": "table-1",
        "title": "The paper's Table 1",
        "rows": [_row(name, "paired") for name in methods],
        "paper_table": TABLE,
        "dataset": info.name,
        "backbones": _of_networks(info, facts, "backbone"),
        "pretrained": _of_networks(info, facts, "pretraining"),
        "epochs": int(facts["epochs", ""]),
        "batch_size": int(facts["batch size", ""]),
        "features": facts["feature point", ""],
        "protocol": PROTOCOLS[facts["selection", ""]],
    }
    return validated(content, "--paper")


def _prepared(
    name: str, facts: Mapping[tuple[str, str], str], location: DataLocation
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
            what = f"{fact}: {value or 'unknown'}, but {wanted} in the paper's Table 1"
            raise DataError(what, name, fix)
    return info


def _of_networks(
    info: DatasetInfo, facts: Mapping[tuple[str, str], str], name: str
) -> dict[str, str]:
    """What `facts` say of each modality's network, where that is something."""
    said = {m.name: facts.get((name, m.name), facts.get((name, ""), NONE)) for m in info.modalities}
    return {modality: value for modality, value in said.items() if value != NONE}


def _row(name: str, pairing: str) -> dict[str, object]:
    method = distillers.specimen(name, {})
    paper = {"method": method.published} if method.published else None
    return {"name": name, "method": name, "group": method.group, "pairing": pairing, "paper": paper}
