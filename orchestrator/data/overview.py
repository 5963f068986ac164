"""`fdsweep datasets`: what can be studied, where it is to be had, and what is prepared here."""

from typing import Any

from fdsweep.search_spaces.errors import ConfigError, DataError
from fdsweep.trainers import datasets, tasks
from fdsweep.trainers.datasets import table


def overview(storage: str) -> list[dict[str, Any]]:
    """A dictionary per data set, by name; one that cannot be loaded has an `error` alone."""
    known = sorted({*datasets.names(), *table.names(storage)})
    return [{"dataset": name, **_describe(name, storage)} for name in known]


def to_text(datasets: list[dict[str, Any]]) -> str:
    """`datasets` as paragraphs for a person."""
    return "\n\n".join(_paragraph(one) for one in datasets)


def _describe(name: str, storage: str) -> dict[str, Any]:
    try:
        found = datasets.find(name, datasets.DataLocation(storage))
    except (ConfigError, DataError) as error:
        return {"error": str(error)}
    told: dict[str, Any] = {
        "about": found.about,
        "source": found.source,
        "licence": found.licence,
        "url": found.url,
        "expects": found.expects,
        "modalities": [modality.name for modality in found.modalities],
    }
    try:
        info, counts = found.info, found.counts
    except DataError as error:
        return {**told, "samples": None, "ready": False, "why_not": str(error)}
    return {
        **told,
        "samples": counts,
        "backbones": {modality.name: modality.backbone for modality in info.modalities},
        "task": info.task,
        "metric": tasks.metric(info.task),
        "classes": list(info.classes),
        "scenes": list(info.scenes),
        "fingerprint": info.fingerprint,
        "variant": info.variant,
        "split": info.split,
        "ready": True,
    }


def _paragraph(one: dict[str, Any]) -> str:
    if "error" in one:
        return f"{one['dataset']}: {one['error']}"
    lines = [f"{one['dataset']}: {one['about']}", f"  modalities: {', '.join(one['modalities'])}"]
    if one["ready"]:
        kind = f"  task: {one['task']}, scored by {one['metric']}"
        lines += [kind, f"  classes: {', '.join(one['classes'])}"]
        if one["scenes"] and tasks.find(one["task"]).dense:
            lines.append(f"  scenes: {', '.join(one['scenes'])}")
        if one["samples"] is None:
            lines.append("  ready: comes with fdsweep")
        else:
            counts = {split: sum(classes.values()) for split, classes in one["samples"].items()}
            told = ", ".join(f"{count:,} {split}" for split, count in counts.items())
            lines.append(f"  ready: {told}")
    else:
        lines.append(f"  not ready: {one['why_not']}")
        lines.append("  RAW_DIR should look like this:")
        lines += [f"    {line}" for line in one["expects"].strip().splitlines()]
    lines += [f"  source: {one['source']}", f"  licence: {one['licence']}"]
    lines += [f"  from: {one['url']}"] * bool(one["url"])
    return "\n".join(lines)
