"""The paper's setting beside a sweep's: is it the same task, and what else is not the same?

The paper's stands in `results/paper/setting.csv`, a line for each thing that is known of a data
set's numbers (of one modality, or of all). What no source says but a likely reading gives is marked
as assumed there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fdsweep.results.compute.provenance.published import SETTING, read
from fdsweep.results.records.manifest import Manifest
from fdsweep.search_spaces.fields import OWN, parse_variant

INCOMPARABLE_MARK = "‡"
NOT_COMPARABLE = "not comparable"
TASK = ("split", "labelling", "classes")
"""What makes another task of it where it is not the same; all else leaves the task as it is."""

PHRASES = {
    "classes": "{} classes",
    "epochs": "{} epochs",
    "batch size": "batches of {}",
    "selection": "epoch and head chosen on {}",
}
"""How a thing and its value are said; the others by their name before the value."""

SELECTION = {"ours": "validation", "published": "test"}
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing of the paper's setting: its value, and whether that is our assumption."""

    value: str
    is_assumed: bool


@dataclass(frozen=True, slots=True)
class Deviations:
    """What a sweep does otherwise than the paper, in phrases.

    `task` makes its numbers those of another task; `setting` does not. `assumed` is what we take
    the paper's setting to be though it does not say, `unstated` names what is not known of it.
    """

    task: tuple[str, ...]
    setting: tuple[str, ...]
    assumed: tuple[str, ...]
    unstated: tuple[str, ...]

    @property
    def refusal(self) -> str | None:
        """Why no number of the sweep is a hit or a miss of the paper's; None where one may be."""
        return f"{NOT_COMPARABLE}: {'; '.join(self.task)}" if self.task else None


def deviations(manifest: Manifest) -> Deviations | None:
    """What `manifest` does otherwise than the paper; None on data that the paper does not use."""
    theirs = facts(manifest.dataset)
    if not theirs:
        return None
    task: list[str] = []
    setting: list[str] = []
    assumed: list[str] = []
    unstated: list[str] = []
    for (name, modality), value in _ours(manifest).items():
        said = f"{modality} {name}".strip()
        fact = theirs.get((name, modality)) or theirs.get((name, ""))
        if fact is None:
            unstated += [said] if value not in ("", OWN) else []
            continue
        if fact.is_assumed:
            assumed.append(_phrase(name, said, fact.value))
        if value != fact.value:
            doubt = " (assumed)" if fact.is_assumed else ""
            differs = f"{_phrase(name, said, value or UNKNOWN)} instead of {fact.value}{doubt}"
            (task if name in TASK else setting).append(differs)
    return Deviations(tuple(task), tuple(setting), tuple(assumed), tuple(unstated))


def sentences(found: Deviations) -> Iterator[str]:
    """What a table says below the paper's numbers."""
    if found.task:
        yield (
            f"{INCOMPARABLE_MARK} {NOT_COMPARABLE}, so neither a hit nor a miss: the task is not "
            f"the paper's ({'; '.join(found.task)})."
        )
    if found.setting:
        yield f"Differs from the paper's setting: {'; '.join(found.setting)}."
    if found.assumed:
        yield f"Assumed of the paper, which does not say: {'; '.join(found.assumed)}."
    if found.unstated:
        yield f"Not stated by the paper: {', '.join(found.unstated)}."


def facts(dataset: str) -> dict[tuple[str, str], Fact]:
    """What is known of the paper's setting, by name and modality ("" for all).

    `dataset` may be a variant; nothing is known of data that the paper does not use.
    """
    base, _ = parse_variant(dataset)
    return {
        (line["field"], line["modality"]): Fact(line["value"], line["standing"] == "assumed")
        for line in read(SETTING)
        if line["dataset"] == base
    }


def _ours(manifest: Manifest) -> dict[tuple[str, str], str]:
    """The same of a sweep; empty where unknown."""
    setting = manifest.setting
    of_all = {
        "split": setting.split,
        "labelling": setting.labelling,
        "classes": str(setting.classes or ""),
        "variant": setting.variant,
        "epochs": str(manifest.epochs),
        "batch size": str(setting.batch_size or ""),
        "optimiser": setting.optimiser,
        "schedule": setting.schedule,
        "feature point": manifest.features,
        "selection": SELECTION[manifest.protocol],
    }
    of_each = {"backbone": setting.backbones, "pretraining": setting.pretraining}
    return {(name, ""): value for name, value in of_all.items()} | {
        (name, modality): value
        for name, values in of_each.items()
        for modality, value in (values or dict.fromkeys(_modalities(manifest), "")).items()
    }


def _modalities(manifest: Manifest) -> list[str]:
    """Those that learn; each teaches, too, or its teacher's network is in the setting."""
    return list(dict.fromkeys(row.student_modality for row in manifest.rows))


def _phrase(name: str, said: str, value: str) -> str:
    return PHRASES.get(name, f"{said} {{}}").format(value)
