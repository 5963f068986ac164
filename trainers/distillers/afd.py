"""Every stage of the teacher matched with those of the student that attention picks for it."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import init_weights
from fdsweep.trainers.distillers import Distiller, Outputs, registry
from fdsweep.trainers.distillers.base import check_positive, check_weight
from fdsweep.trainers.features.maps import match, stages

FLOOR = 1e-8


@registry.register("afd", version=2)
class AFD(Distiller):
    """Attention-based feature distillation (Ji, Heo, Park, AAAI 2021, arXiv 2102.02973).

    FD-CMKD names an AFD without a citation; this one is the most likely. For the teacher's stages
    t and the student's stages s, with h [N, C, ...] a map and d = qk_dim:

        q_t  = BN(W_t mean(h_t))                 mean over positions
        k_st = BN(V_t ReLU(BN(W_s mean(h_s))))   V shared by the student's stages
        a_ts = softmax over s of (k_st · q_t + u_t · v_s) / √d
        e    = mean of h² over channels, resized to the teacher's positions, divided by its norm
        afd  = Σ over t, s of a_ts * mean over positions of (e_s - e_t)², the mean over N

    u and v are learned positions of the stages. This is the published code but for parameters that
    change nothing (biases before batch normalisation, scale and shift of V's) and the last map,
    which is that before the final ReLU. Maps with different numbers of axes are compared with their
    positions in one row. Networks without maps have one stage, the features, whose channels
    take the place of positions. A map of a single position has e = 1 and so no distance. Where
    networks predict every pixel, void ones count too.

    Args:
        student_map_dims: channels of the student's maps.
        teacher_map_dims: channels of the teacher's maps.
        weight: of `afd`, which is near 0.002.
        qk_dim: width of queries and keys.

    Defaults are those of the authors' public code, clovaai/attention-feature-distillation, for
    CIFAR-100. It adds 0.9 kd at T = 4, which is left to `kd+afd` with kd.weight 0.9.

    Raises:
        ConfigError: a negative weight, or a `qk_dim` below 1.
    """

    same_steps = same_epochs = True
    paper = "Ji, Heo, Park, AAAI 2021, arXiv 2102.02973"
    group = "Feature"
    level = "maps"
    look = 7
    one_label = ""
    needs_classes = ""
    student_maps = True
    teacher_maps = True
    on_maps = "maps"
    trains = ("teacher_positions", "student_positions", "queries", "keys", "spread")
    sources: ClassVar[dict[str, str]] = {
        "weight": "clovaai/attention-feature-distillation, CIFAR-100 (there beside 0.9 kd)",
        "qk_dim": "clovaai/attention-feature-distillation",
    }

    def __init__(
        self,
        *,
        student_map_dims: tuple[int, ...],
        teacher_map_dims: tuple[int, ...],
        weight: float = 200.0,
        qk_dim: int = 128,
    ) -> None:
        super().__init__()
        check_weight("weight", weight)
        check_positive("qk_dim", qk_dim)
        self.weights = {"afd": weight}
        self.queries = nn.ModuleList(_embed(dim, qk_dim) for dim in teacher_map_dims)
        self.keys = nn.ModuleList(
            nn.Sequential(_embed(dim, qk_dim), nn.ReLU()) for dim in student_map_dims
        )
        self.spread = _embed(qk_dim, len(teacher_map_dims) * qk_dim, affine=False)
        self.teacher_positions = nn.Parameter(torch.empty(len(teacher_map_dims), qk_dim))
        self.student_positions = nn.Parameter(torch.empty(len(student_map_dims), qk_dim))
        nn.init.xavier_normal_(self.teacher_positions)
        nn.init.xavier_normal_(self.student_positions)

    @override
    def forward(self, student: Outputs, teacher: Outputs, labels: Tensor) -> dict[str, Tensor]:
        teacher = teacher.detach()
        own = _energies(student, len(self.keys))
        distances = [
            torch.stack([_distance(guess, target) for guess in own], dim=1)
            for target in _energies(teacher, len(self.queries))
        ]
        attention = self._attention(student, teacher)
        afd = (attention * torch.stack(distances, dim=1)).sum(dim=(1, 2)).mean()
        return {"afd": afd}

    def _attention(self, student: Outputs, teacher: Outputs) -> Tensor:
        """[N, T, S], the shares of the student's S stages in each of the teacher's T."""
        queries, keys = _embed_all(self.queries, teacher), _embed_all(self.keys, student)
        n, stages, _ = keys.shape
        keys = self.spread(keys.flatten(0, 1)).view(n, stages, *queries.shape[1:])
        scores = torch.einsum("nstd,ntd->nts", keys, queries)
        scores = scores + self.teacher_positions @ self.student_positions.T
        return F.softmax(scores / queries.shape[-1] ** 0.5, dim=-1)


def _embed(inputs: int, outputs: int, affine: bool = True) -> nn.Sequential:
    layer = nn.Linear(inputs, outputs, bias=False)
    init_weights(layer)
    # only ever in training, so statistics of the batch are all it needs
    return nn.Sequential(layer, nn.BatchNorm1d(outputs, affine=affine, track_running_stats=False))


def _embed_all(layers: nn.ModuleList, outputs: Outputs) -> Tensor:
    """[N, stages, d], each stage's mean over positions embedded."""
    maps = stages(outputs, len(layers))
    means = (x.flatten(2).mean(dim=-1) for x in maps)
    return torch.stack([layer(mean) for layer, mean in zip(layers, means, strict=True)], dim=1)


def _energies(outputs: Outputs, count: int) -> tuple[Tensor, ...]:
    """Each stage's squares [N, 1, ...], averaged over channels."""
    if outputs.maps is None and outputs.features.ndim == 2:
        return (outputs.features.square()[:, None],)
    return tuple(x.square().mean(dim=1, keepdim=True) for x in stages(outputs, count))


def _distance(guess: Tensor, target: Tensor) -> Tensor:
    """[N], mean squares between two energies [N, 1, ...] of norm 1."""
    own, other = (F.normalize(x.flatten(1), eps=FLOOR) for x in match(guess, target))
    return (own - other).square().mean(dim=1)
