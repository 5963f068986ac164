"""The options that commands share, and how they become typed values."""

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fdsweep.orchestrator.cli.help import completion
from fdsweep.orchestrator.cli.output import for_people

if TYPE_CHECKING:
    from fdsweep.orchestrator.studies.options import StudyOptions
    from fdsweep.search_spaces.sweep import Sweep

DEFAULT_STORAGE = "./fdsweep-runs"
CACHE_DIR, CACHE_GB = "FDSWEEP_CACHE_DIR", "FDSWEEP_CACHE_GB"
Storage = Annotated[
    str,
    typer.Option(envvar="FDSWEEP_STORAGE", help="Where results live: a path, or a URI."),
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster. (default: RAY_ADDRESS, else local)")
]
Repeat = Annotated[
    bool, typer.Option("--aa", help="Repeat the first row, to measure the noise of rounding.")
]
MethodOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        help="NAME=VALUE of every method that has it, or METHOD.NAME=VALUE; repeatable.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]


@dataclass(frozen=True, kw_only=True)
class Common:
    """The options of every command that trains a study."""

    dataset: Annotated[
        str | None,
        typer.Option(help="Data set; `watch` is embedded.", autocompletion=completion.datasets),
    ] = None
    seeds: Annotated[str | None, typer.Option(help="A count, or a list such as 0,3,7.")] = None
    epochs: Annotated[int | None, typer.Option(help="Epochs of every network.")] = None
    direction: Annotated[
        list[str] | None,
        typer.Option(
            help="teacher->student, such as 'audio->visual', 'a+b->c' or '*->c'; repeatable. "
            "(default: all of one teacher)",
            autocompletion=completion.directions,
        ),
    ] = None
    storage: Storage = DEFAULT_STORAGE
    gpus: Annotated[int | None, typer.Option(help="GPUs to use. (default: all that Ray sees)")] = (
        None
    )
    gpus_per_trial: Annotated[
        str | None, typer.Option(help="May be a part, such as 0.25; auto: as a probe finds it.")
    ] = None
    workers_per_trial: Annotated[
        int | None,
        typer.Option(help="Data-parallel workers of each trial. (default: one per GPU of it)"),
    ] = None
    spread: Annotated[
        bool, typer.Option("--spread", help="A trial's workers may stand on several nodes.")
    ] = False
    seeds_per_trial: Annotated[
        str, typer.Option(help="How many seeds of a cell share a trial; auto: as devices need.")
    ] = "auto"
    budget_hours: Annotated[
        float | None, typer.Option(help="Device hours after which no new trial begins.")
    ] = None
    hang_timeout: Annotated[
        float, typer.Option(help="Minutes without a step until a trial is started again.")
    ] = 10.0
    loading: Annotated[
        str, typer.Option(help="Data: resident in memory, streaming, or auto by size.")
    ] = "auto"
    memory_gb: Annotated[
        float, typer.Option(help="For each trial's data; larger ones are streamed.")
    ] = 8.0
    keep: Annotated[
        str, typer.Option(help="Students to keep: best of each configuration, all, or none.")
    ] = "best"
    backbone: Annotated[
        list[str] | None,
        typer.Option(help="modality=NAME, or modality=hf:NAME_OR_PATH; repeatable."),
    ] = None
    pretrained: Annotated[
        list[str] | None,
        typer.Option(help="modality=NAME_OR_PATH: a checkpoint to start from; repeatable."),
    ] = None
    freeze: Annotated[
        list[str] | None,
        typer.Option(help="Share of the blocks that stays as it starts, or modality=SHARE."),
    ] = None
    adapters: Annotated[
        list[str] | None,
        typer.Option(help="Rank of low-rank adapters, or modality=RANK; repeatable."),
    ] = None
    gradient_checkpointing: Annotated[
        bool, typer.Option("--gradient-checkpointing", help="Hold less in memory, compute more.")
    ] = False
    accumulate: Annotated[
        int | None, typer.Option(help="Parts of a batch that go through one after the other.")
    ] = None
    teacher: Annotated[
        list[str] | None,
        typer.Option(help="modality=FOLDER: an exported student to learn from; repeatable."),
    ] = None
    teacher_weight: Annotated[
        list[str] | None,
        typer.Option(help="modality=NUMBER: of each of several teachers; others teach not."),
    ] = None
    features: Annotated[
        str | None,
        typer.Option(help="Pooled post-relu or pre-relu. (default: post-relu)"),
    ] = None
    protocol: Annotated[
        str | None,
        typer.Option(help="ours, or published: epoch and head chosen on test. (default: ours)"),
    ] = None
    class_weights: Annotated[
        str | None,
        typer.Option(help="Of the loss: none, or balanced for rare classes. (default: none)"),
    ] = None
    sampling: Annotated[
        str | None,
        typer.Option(help="shuffled, or balanced: every class as often. (default: shuffled)"),
    ] = None
    cache_dir: Annotated[
        str | None,
        typer.Option(
            envvar=CACHE_DIR,
            help="Each node's copies of a remote storage, and what teachers gave. "
            "(default: ~/.cache/fdsweep)",
        ),
    ] = None
    cache_gb: Annotated[
        float | None,
        typer.Option(
            envvar=CACHE_GB, help="The most that is kept there; 0 for nothing. (default: 50)"
        ),
    ] = None
    address: Address = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False
    as_json: AsJson = False

    def choose_cache(self) -> None:
        """Let this process, and those that it starts, use the cache that is given here."""
        from fdsweep.search_spaces.storage import cache

        cache.choose(self.cache_dir, self.cache_gb)

    def apply_to(self, sweep: "Sweep") -> "Sweep":
        """`sweep` with what is given here; a ConfigError for what cannot be used."""
        from fdsweep.search_spaces.fields import parse_numbers, parse_pairs, parse_seeds
        from fdsweep.search_spaces.sweep import override

        return override(
            sweep,
            dataset=self.dataset,
            seeds=None if self.seeds is None else parse_seeds(self.seeds),
            epochs=self.epochs,
            directions=tuple(self.direction) if self.direction else None,
            backbones=parse_pairs(self.backbone, "--backbone") if self.backbone else None,
            freeze=parse_numbers(self.freeze, "--freeze", float) if self.freeze else None,
            adapters=parse_numbers(self.adapters, "--adapters", int) if self.adapters else None,
            gradient_checkpointing=self.gradient_checkpointing or None,
            accumulate=self.accumulate,
            pretrained=parse_pairs(self.pretrained, "--pretrained") if self.pretrained else None,
            teachers=parse_pairs(self.teacher, "--teacher") if self.teacher else None,
            teacher_weights=self._weights(),
            features=self.features,
            protocol=self.protocol,
            class_weights=self.class_weights,
            sampling=self.sampling,
        )

    def _weights(self) -> dict[str, float | str] | None:
        from fdsweep.search_spaces.fields import parse_pairs

        given = parse_pairs(self.teacher_weight or (), "--teacher-weight")
        return {name: number_or_word(text) for name, text in given.items()} or None

    def study_options(self) -> "StudyOptions":
        """Where and how the study runs."""
        from fdsweep.orchestrator.execution.cluster import ResourceRequest
        from fdsweep.orchestrator.execution.devices.budget import Budget
        from fdsweep.orchestrator.studies.options import (
            StudyOptions,
            parse_gpus_per_trial,
            parse_seeds_per_trial,
        )
        from fdsweep.search_spaces.trials import Keep, Loading, LoadingMode

        return StudyOptions(
            storage=self.storage,
            request=ResourceRequest(
                self.address,
                self.gpus,
                parse_gpus_per_trial(self.gpus_per_trial),
                self.workers_per_trial,
                self.hang_timeout,
                self.spread,
                Budget() if self.budget_hours is None else Budget(self.budget_hours),
            ),
            seeds_per_trial=parse_seeds_per_trial(self.seeds_per_trial),
            keep=cast(Keep, self.keep),
            loading=Loading(mode=cast(LoadingMode, self.loading), memory_gb=self.memory_gb),
        )


def with_common(act: Callable[..., None]) -> Callable[..., None]:
    """A command from `act(common, own options)`; the options of `Common` are added to its own."""
    own = list(inspect.signature(act).parameters.values())[1:]
    shared = inspect.signature(Common).parameters.values()

    @functools.wraps(act)
    def command(**given: object) -> None:
        values = cast(dict[str, Any], {option.name: given.pop(option.name) for option in shared})
        with for_people():
            common = Common(**values)
            common.choose_cache()
            act(common, **given)

    parameters = [*own, *shared]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {option.name: option.annotation for option in parameters}
    return command


def number_or_word(text: str) -> float | str:
    """`text` as a number if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def one_of(names: Collection[str]) -> str:
    """Names for a help text: "a, b or c"."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
