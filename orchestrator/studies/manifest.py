"""What a report must know of a sweep, written down before anything is trained."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from fdsweep.orchestrator.studies.plan import sweep_name
from fdsweep.results.records.manifest import Manifest, ManifestRow
from fdsweep.results.records.setting import Setting
from fdsweep.search_spaces.configs import NetworkConfig, OptimConfig, StudentConfig
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.ranking.retrieval import RECALLS
from fdsweep.search_spaces.sweep import Sweep
from fdsweep.search_spaces.trials import Cell
from fdsweep.trainers import tasks
from fdsweep.trainers.datasets import DatasetInfo
from fdsweep.trainers.registry import JOIN


@dataclass(frozen=True, slots=True)
class MethodFacts:
    """What methods declare of themselves for reports.

    Args:
        looks: casefolded name of a row or a method -> its place among the pictures' looks.
        response_options: method as it stands in rows -> full name of the option whose response
            is drawn, such as "fd-cmkd.cutoff" for "kd+fd-cmkd".
    """

    looks: dict[str, int]
    response_options: dict[str, str]


def method_facts(methods: Iterable[str]) -> MethodFacts:
    """What `methods`, as they stand in rows, declare; one that adds up several tells of each."""
    looks: dict[str, int] = {}
    options: dict[str, str] = {}
    for method in dict.fromkeys(methods):
        parts = method.split(JOIN)
        for part in parts:
            look, variants, option = _declared(part)
            if look is not None:
                names = {part: look, **{name: look + i for i, name in enumerate(variants)}}
                looks |= {name.casefold(): place for name, place in names.items()}
            if option:
                options[method] = option if len(parts) == 1 else f"{part}.{option}"
    return MethodFacts(looks, options)


def _declared(method: str) -> tuple[int | None, tuple[str, ...], str]:
    """`look`, `variants` and `response_option` of a method; a function declares nothing."""
    from fdsweep.trainers import distillers
    from fdsweep.trainers.distillers import Distiller

    factory = distillers.registry.get(method).factory
    if not (isinstance(factory, type) and issubclass(factory, Distiller)):
        return None, (), ""
    return factory.look, factory.variants, factory.response_option


def crossed_switches(cells: Iterable[Cell]) -> tuple[str, ...]:
    """The switches that rows of one method cross in each of their directions; empty if none do.

    Rows of other methods may stand beside them, and A/A rows. But all rows of the method itself
    must differ in switches alone, or it would not be clear which of them to compare.
    """
    from fdsweep.trainers.distillers.switches import crossed

    compared = [cell for cell in cells if not cell.row.control]
    for method in dict.fromkeys(cell.config.method for cell in compared):
        settings: dict[Direction, list[StudentConfig]] = {}
        for cell in compared:
            if cell.config.method == method:
                settings.setdefault(cell.direction, []).append(cell.config)
        found = {crossed(group) for group in settings.values()}
        if len(found) == 1 and found != {()}:
            return found.pop()
    return ()


def make_manifest(sweep: Sweep, cells: Sequence[Cell], info: DatasetInfo) -> Manifest:
    """What `sweep` consists of, each time by itself."""
    network = cells[0].config.network
    task = tasks.find(network.task)
    facts = method_facts(cell.config.method for cell in cells)
    return Manifest(
        sweep=sweep_name(sweep, cells),
        study=sweep.study,
        title=sweep.title,
        dataset=info.name,
        paper_table=sweep.paper_table,
        task=network.task,
        metric=task.metric,
        epochs=network.optim.epochs,
        seeds=tuple(sorted(sweep.seeds)),
        seed_history=(tuple(sorted(sweep.seeds)),),
        rows=tuple(map(_row, cells)),
        teachers={
            _teacher_name(teacher): key
            for cell in cells
            for key, teacher in cell.config.trained_teachers.items()
        },
        data_fingerprint=info.fingerprint,
        data_notes=(*info.notes, *_balance(network), *_alignment(task)),
        protocol=network.protocol,
        features=network.features,
        setting=_setting(sweep, cells, info),
        looks=facts.looks,
        response_options=facts.response_options,
        factors=crossed_switches(cells),
        class_names=_class_names(task, info),
    )


def _teacher_name(teacher: NetworkConfig) -> str:
    """Its modality, and what it learnt beside, of which it may have several."""
    beside = teacher.partner and f" beside {teacher.partner.modality}"
    return f"{teacher.modality}{beside or ''}"


def _alignment(task: tasks.Task) -> Iterator[str]:
    """Who learns to meet whom, if that is the task."""
    if task.aligns:
        yield (
            "Retrieval: a teacher learnt beside a network of the student's modality, which was "
            "then left; students, those without distillation included, learn to meet the teacher "
            "as it is, and all are judged by how they find each other's samples."
        )


def _class_names(task: tasks.Task, info: DatasetInfo) -> tuple[str, ...]:
    """Names of what the report has a score of, if it names them: of a retrieval its recalls."""
    if task.aligns:
        return RECALLS
    return info.classes if task.dense or task.sets else ()


def _balance(network: NetworkConfig) -> Iterator[str]:
    """What is done about classes of unequal sizes, if anything."""
    if network.class_weights == "balanced":
        yield (
            "Class weights: in the task's loss of students and teachers every class weighs the "
            "same; terms of distillation are not weighted."
        )
    if network.sampling == "balanced":
        yield "Sampling: an epoch shows students and teachers every class as often as any other."


def _setting(sweep: Sweep, cells: Sequence[Cell], info: DatasetInfo) -> Setting:
    """What decides with which numbers of others those of `sweep` can be compared.

    A checkpoint is named without its folder, which is this machine's.
    """
    networks = {
        network.modality: network
        for cell in cells
        for network in (cell.config.network, *cell.config.teachers)
    }
    optim = cells[0].config.network.optim
    return Setting(
        split=info.split,
        labelling=info.labelling,
        variant=info.variant,
        classes=len(info.classes),
        batch_size=optim.batch_size,
        optimiser=_changed(optim, optim.optimizer, ("momentum", "weight_decay")),
        schedule=_changed(optim, optim.schedule, ("warmup_epochs", "final_lr", "power")),
        backbones={modality: _backbone(network) for modality, network in networks.items()},
        pretraining={
            modality: PurePath(sweep.pretrained[modality]).name if network.pretrained else "none"
            for modality, network in networks.items()
        },
    )


def _backbone(network: NetworkConfig) -> str:
    """Its name with the options that are short: "hf:vit, freeze 0.5"."""
    told = [
        f"{name} {x:g}"
        for name, x in network.backbone_options.items()
        if isinstance(x, float | int)
    ]
    return ", ".join([network.backbone, *told])


def _changed(optim: OptimConfig, name: str, parts: tuple[str, ...]) -> str:
    """`name` with those `parts` of `optim` that are not as published: "adamw, momentum 0.8"."""
    published = OptimConfig()
    values = {part: getattr(optim, part) for part in parts}
    changes = [f"{p} {x:g}" for p, x in values.items() if x != getattr(published, p)]
    return ", ".join([name, *(change.replace("_", " ") for change in changes)])


def _row(cell: Cell) -> ManifestRow:
    return ManifestRow(
        row=cell.row.name,
        method=cell.config.method,
        teacher_modality=cell.direction.teacher,
        student_modality=cell.direction.student,
        key=cell.key,
        teacher_keys=cell.config.teacher_keys,
        paper=cell.row.paper,
        group=cell.row.group,
        pairing=_pairing(cell.config),
        taught_by=_taught_by(cell.config) if len(cell.direction.teachers) > 1 else "",
        options=cell.config.options,
        control=cell.row.control,
    )


def _pairing(config: StudentConfig) -> str:
    """Which teacher sample stands beside a student sample, in a word or in one for each teacher."""
    if not config.pairings:
        return config.pairing if config.teachers else ""
    given = zip(config.teachers, config.pairings, strict=True)
    return ", ".join(f"{teacher.modality} {pairing}" for teacher, pairing in given)


def _taught_by(config: StudentConfig) -> str:
    """The teachers in a word, with their shares where they differ: "rgb 0.67 + normals 0.33"."""
    names = [teacher.modality for teacher in config.teachers]
    if config.teacher_weights:
        given = zip(names, config.teacher_weights, strict=True)
        names = [f"{name} {share:.2g}" for name, share in given]
    return " + ".join(names)
