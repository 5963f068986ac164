"""From a sweep to trials with content keys: what is done and what is left. Pure functions.

Methods and backbones bring torch, so they are imported where cells are made: a plan of cells that
are known (`outline`) does without.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from fdsweep.orchestrator.execution.devices.sharing import group_name
from fdsweep.orchestrator.studies import several
from fdsweep.search_spaces.configs import (
    AA_PERTURBATION,
    GivenTeacher,
    NetworkConfig,
    OptimConfig,
    Option,
    StudentConfig,
)
from fdsweep.search_spaces.errors import ConfigError
from fdsweep.search_spaces.fields import Direction
from fdsweep.search_spaces.keys import content_key
from fdsweep.search_spaces.sweep import Row, Sweep
from fdsweep.search_spaces.trials import AUTO, Cell, Keep, Loading, Plan, TrialConfig, TrialKind
from fdsweep.trainers import tasks
from fdsweep.trainers.datasets import DatasetInfo

LATER = ("lr", "directions", "control", "taught_by", "teacher_weights", "pairings")
"""Fields of rows that came later than names of sweeps; `BARE` has what they are if unset."""

BARE = Row(name="bare")
NONE: Mapping[str, str] = MappingProxyType({})
NOBODY: Mapping[str, GivenTeacher] = MappingProxyType({})
PLAIN = {"class_weights": "none", "sampling": "shuffled"}
"""What is done about classes of unequal sizes unless a sweep asks for more."""


def make_cells(
    sweep: Sweep,
    info: DatasetInfo,
    checkpoints: Mapping[str, str] = NONE,
    given: Mapping[str, GivenTeacher] = NOBODY,
) -> tuple[Cell, ...]:
    """Every row of `sweep` in every direction, direction by direction.

    `checkpoints` gives the digest of what a modality's network starts from, if it is pretrained,
    `given` the teachers that are not trained for the study, by modality.

    Raises:
        ConfigError: a method, option, backbone or direction that does not exist.
    """
    networks = {
        m.name: replace(_network(sweep, info, m.name), pretrained=checkpoints.get(m.name, ""))
        for m in info.modalities
    }
    if sweep.gradient_checkpointing and not any(
        network.gradient_checkpointing for network in networks.values()
    ):
        what = "no network here can compute its blocks again"
        raise ConfigError(what, "--gradient-checkpointing", "Leave it out")
    teachers = networks | {name: one.instead_of(networks[name]) for name, one in given.items()}
    cells = []
    for direction in info.directions(sweep.directions):
        rows = [
            one
            for row in sweep.rows
            if not row.directions or direction in info.directions(row.directions)
            for one in several.rows(row, direction)
        ]
        several.check_names(rows, direction)
        for row in rows:
            is_aa = row.control == "aa"
            asked = rows[0] if is_aa else row
            learnt = several.of_row(asked, sweep, direction, info)
            config = _student(asked, direction, networks, teachers, learnt)
            if tasks.find(info.task).aligns:
                config = _aligned(config, row.name, direction, networks, teachers)
            if config.network.optim.accumulate > 1:
                _check_parts(config, info, row.name)
            if is_aa:
                config = replace(config, perturbation=AA_PERTURBATION)
            cells.append(Cell(row, direction, config))
    return tuple(cells)


def sweep_name(sweep: Sweep, cells: Sequence[Cell]) -> str:
    """`study-dataset-` and six digits of what is studied; seeds and directions are not part."""
    rows = [_content(row) for row in sweep.rows]
    setting = cells[0].config.network
    checkpoints = {
        cell.config.network.modality: cell.config.network.pretrained
        for cell in cells
        if cell.config.network.pretrained
    }
    given = {
        teacher.modality: teacher.weights
        for cell in cells
        for teacher in cell.config.teachers
        if teacher.weights
    }
    options = {
        network.modality: network.backbone_options
        for cell in cells
        for network in (cell.config.network, *cell.config.teachers)
        if network.backbone_options
    }
    digits = content_key(
        rows=rows,
        backbones={modality: name.partition(":")[0] for modality, name in sweep.backbones.items()},
        optim=setting.optim,
        data=setting.data_fingerprint,
        features=sweep.features,
        protocol=sweep.protocol,
        **{name: value for name, value in _balance(sweep).items() if value != PLAIN[name]},
        **({"checkpoints": checkpoints} if checkpoints else {}),
        **({"teachers": given} if given else {}),
        **({"teacher_weights": sweep.teacher_weights} if sweep.teacher_weights else {}),
        **({"options": options} if options else {}),
    )[:6]
    return f"{sweep.study}-{sweep.dataset}-{digits}"


def make_plan(
    sweep: Sweep,
    cells: tuple[Cell, ...],
    *,
    finished: Collection[tuple[str, int]],
    missing_teachers: Callable[[str, tuple[int, ...]], tuple[int, ...]],
    storage: str,
    loading: Loading = AUTO,
    keep: Keep = "none",
    unrecorded_teachers: Callable[[str, tuple[int, ...]], tuple[int, ...]] | None = None,
) -> Plan:
    """The trials for what is not in `finished`, and for the teachers missing for them.

    Each holds all the seeds of its cell: `sharing` makes several of it.

    Args:
        sweep: the study.
        cells: what `make_cells` gave for it.
        finished: (key, seed) of the replicates whose results are stored.
        missing_teachers: tells which seeds of a teacher key are not in the storage.
        storage: where the workers find teachers and leave them.
        loading: how the workers hold the data.
        keep: which trained students stay in the storage.
        unrecorded_teachers: tells which seeds of a teacher key lost their record, which reports
            need even where all students are finished.
    """

    def trial(kind: TrialKind, key: str, config: StudentConfig, left: set[int]) -> TrialConfig:
        return TrialConfig(
            kind=kind,
            key=key,
            config=config,
            seeds=tuple(seed for seed in sweep.seeds if seed in left),
            group=group_name(sweep.seeds),
            storage=storage,
            loading=loading,
            keep=keep if kind == "student" else "none",
        )

    students: list[TrialConfig] = []
    wanted: dict[str, tuple[NetworkConfig, set[int]]] = {}
    by_key = {cell.key: cell for cell in cells}
    for key, cell in by_key.items():
        left = {seed for seed in sweep.seeds if (key, seed) not in finished}
        if left:
            students.append(trial("student", key, cell.config, left))
        for teacher_key, network in cell.config.trained_teachers.items():
            wanted.setdefault(teacher_key, (network, set()))[1].update(left)
    teachers: list[TrialConfig] = []
    for key, (network, seeds) in wanted.items():
        left = set(missing_teachers(key, tuple(sorted(seeds))))
        if unrecorded_teachers:
            left.update(unrecorded_teachers(key, sweep.seeds))
        if left:
            teachers.append(trial("teacher", key, teacher_config(network), left))
    total = len(by_key) * len(sweep.seeds)
    return Plan(
        sweep=sweep_name(sweep, cells),
        cells=cells,
        seeds=sweep.seeds,
        teachers=tuple(teachers),
        students=tuple(students),
        done=total - sum(len(trial.seeds) for trial in students),
        total=total,
    )


def teacher_config(network: NetworkConfig) -> StudentConfig:
    """How a teacher is trained: by cross-entropy alone."""
    from fdsweep.trainers import distillers

    return StudentConfig(network=network, method="none", method_version=distillers.version("none"))


def _student(
    row: Row,
    direction: Direction,
    networks: Mapping[str, NetworkConfig],
    teachers: Mapping[str, NetworkConfig],
    learnt: several.Learnt,
) -> StudentConfig:
    """What `row` trains in `direction`, of `networks` by modality, from `teachers` by theirs.

    `learnt` says which of them, and how they stand to one another.
    """
    from fdsweep.trainers import distillers

    options = distillers.told_options(row.method, row.options)
    method = distillers.specimen(row.method, options)
    task = tasks.find(networks[direction.student].task)
    dense = task.dense
    if (dense and not method.on_maps) or (method.dense_only and not dense):
        what = f"{row.method} is {'not ' if dense else ''}for data sets whose pixels have labels"
        raise ConfigError(what, f"row {row.name}", "Leave it out, or name another method")
    if task.sets and method.one_label:
        what = f"{row.method} is for samples of one label: {method.one_label}"
        raise ConfigError(what, f"row {row.name}", "Leave it out, or name another method")
    config = StudentConfig(
        network=_at_rate(networks[direction.student], row.lr),
        method=row.method,
        method_version=distillers.version(row.method),
        options=options,
    )
    if not method.needs_teacher:
        return config
    several.check(method, learnt, f"row {row.name}, {direction}")
    known = teachers if row.teacher == "trained" else networks
    return replace(
        config,
        teachers=tuple(known[name] for name in learnt.teachers),
        teacher_state=row.teacher,
        teacher_channels=row.teacher_channels,
        pairing=learnt.pairing,
        teacher_weights=learnt.weights,
        pairings=learnt.pairings,
    )


def _aligned(
    config: StudentConfig,
    row: str,
    direction: Direction,
    networks: Mapping[str, NetworkConfig],
    teachers: Mapping[str, NetworkConfig],
) -> StudentConfig:
    """`config` with the teacher that every row is to meet: it learnt beside the student's network.

    Raises:
        ConfigError: the method, the direction or the control has no such space.
    """
    from fdsweep.trainers import distillers

    method = distillers.specimen(config.method, config.options)
    if method.needs_classes:
        what = f"{config.method} is for samples with classes: {method.needs_classes}"
        fix = "Leave it out, or name another method or other options"
        raise ConfigError(what, f"row {row}", fix)
    if len(direction.teachers) > 1:
        what = "a student learns into the space of one teacher"
        raise ConfigError(what, f"--direction {direction}", "Name one teaching modality")
    if config.teacher_state == "random" or config.pairing == "same-class":
        what = "a random teacher has no space to learn into"
        if config.teacher_state != "random":
            what = "samples have no classes to pair them by"
        raise ConfigError(what, f"row {row}", "Leave it out")
    (name,) = direction.teachers
    teacher = teachers[name]
    if not teacher.weights:
        teacher = replace(teacher, partner=networks[direction.student])
    return replace(config, teachers=(teacher,))


def _check_parts(config: StudentConfig, info: DatasetInfo, row: str) -> None:
    """ConfigError if a batch in parts is not the same as the whole batch to what is trained."""
    from fdsweep.trainers import distillers, teachers

    fix = "Give accumulate=1, or other networks and methods"
    where = f"accumulate, row {row}"
    if distillers.specimen(config.method, config.options).couples_samples:
        what = f"{config.method} compares the samples of a batch, which parts would keep apart"
        raise ConfigError(what, where, fix)
    if tasks.find(config.network.task).couples_samples:
        what = f"the loss of {config.network.task} is not the mean of those of a batch's parts"
        raise ConfigError(what, where, fix)
    for network in (config.network, *config.teachers):
        if not network.weights and teachers.traits(network, info).couples_samples:
            what = f"{network.backbone} normalises over the batch, of which it would see a part"
            raise ConfigError(what, where, fix)


def _at_rate(network: NetworkConfig, lr: float | None) -> NetworkConfig:
    return network if lr is None else replace(network, optim=replace(network.optim, lr=lr))


def _content(row: Row) -> dict[str, Any]:
    """What of `row` decides results; what it leaves unset is left out, so that names last."""
    unset = {name for name in LATER if getattr(row, name) == getattr(BARE, name)}
    return row.model_dump(exclude={"paper", "group", *unset})


def _network(sweep: Sweep, info: DatasetInfo, modality: str) -> NetworkConfig:
    from fdsweep.trainers import backbones, optimisation, teachers
    from fdsweep.trainers.loop import LOOP_VERSION

    for name in (*sweep.backbones, *sweep.pretrained):
        info.modality(name)
    _check_balance(sweep, info)
    backbone, options = _backbone(sweep, info, modality)
    dense = backbones.is_dense(backbone)
    if dense != tasks.find(info.task).dense:
        what = f"{backbone} predicts {'every pixel' if dense else 'whole samples'}"
        fix = f"Name one such as {info.modality(modality).backbone}"
        raise ConfigError(f"{what}, which is not the task of {info.name}", "backbones", fix)
    given: dict[str, Any] = {
        field.name: getattr(sweep, field.name)
        for field in fields(OptimConfig)
        if getattr(sweep, field.name, None) is not None
    }
    network = NetworkConfig(
        dataset=info.name,
        data_fingerprint=info.fingerprint,
        modality=modality,
        backbone=backbone,
        backbone_version=backbones.version(backbone),
        loop_version=LOOP_VERSION,
        optim=optimisation.versioned(replace(info.optim, **given)),
        task=info.task,
        task_version=tasks.version(info.task),
        backbone_options=options,
        features=sweep.features,
        protocol=sweep.protocol,
        **_balance(sweep),
    )
    if options:
        teachers.traits(network, info)  # refuses what cannot be built before Ray starts
    if sweep.gradient_checkpointing:
        return replace(network, gradient_checkpointing=teachers.traits(network, info).recomputes)
    return network


def _backbone(sweep: Sweep, info: DatasetInfo, modality: str) -> tuple[str, dict[str, Option]]:
    """The backbone of `modality`, and those of its options that are not its defaults."""
    from fdsweep.trainers import backbones
    from fdsweep.trainers.backbones import architecture

    known = info.modality(modality)
    name, options = sweep.backbones.get(modality, known.backbone), dict[str, Option]()
    if name.startswith(backbones.HUB):
        name, options["architecture"] = architecture.read(name, known.payload)
    for option, given in (("freeze", sweep.freeze), ("adapters", sweep.adapters)):
        for named in given if isinstance(given, dict) else ():
            info.modality(named)
        value = given.get(modality, 0) if isinstance(given, dict) else given
        if value and not options:
            what = f"{name} has none: only an encoder {backbones.HUB}NAME has"
            raise ConfigError(
                what, f"{option} of {modality}", f"Name other modalities for {option}"
            )
        if value:
            options[option] = value
    return name, options


def _balance(sweep: Sweep) -> dict[str, Any]:
    """What `sweep` does about classes of unequal sizes."""
    return {name: getattr(sweep, name) for name in PLAIN}


def _check_balance(sweep: Sweep, info: DatasetInfo) -> None:
    """ConfigError where the labels of `info` are not such that classes can be balanced."""
    task = tasks.find(info.task)
    if sweep.class_weights != "none" and not task.balances:
        what = f"the loss of {info.task} knows no weights of classes"
        raise ConfigError(what, "--class-weights", "Leave it out")
    if sweep.sampling != "shuffled" and (task.dense or task.sets or task.aligns):
        of = "pixels have a class each" if task.dense else "samples have several labels"
        of = "samples have none" if task.aligns else of
        what = f"samples cannot be drawn by their class, as on {info.name} {of}"
        raise ConfigError(what, "--sampling", "Leave it out, or give --class-weights balanced")
