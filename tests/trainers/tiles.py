"""A data set in memory whose pixels have classes, and a network of one convolution for it."""

import torch
from torch import nn

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.trainers import backbones, datasets
from fdsweep.trainers.backbones import Backbone
from fdsweep.trainers.datasets import Dataset, DatasetInfo, Fold, Modality
from fdsweep.trainers.features.pixels import IGNORE
from fdsweep.trainers.loaders import Plain
from fdsweep.trainers.modalities import Payload

PICTURES, TEST = 8, 4
HEIGHT, WIDTH, CHANNELS = 6, 8, 8


def register(patch):
    """Both under the names `tiles` and `coarse`, until `patch` is undone."""
    for registry, name, one in (
        (datasets.registry, "tiles", Tiles),
        (backbones.registry, "coarse", Coarse),
    ):
        registry.names()  # imports its package: modules register themselves but once
        patch.setattr(registry, "_entries", dict(registry._entries))
        registry.register(name)(one)


class Coarse(Backbone):
    """One convolution, a position for every two by two pixels."""

    dense = True
    dim, map_dims = CHANNELS, (CHANNELS,)

    def __init__(self, channels, num_classes):
        super().__init__()
        self.stage = nn.Conv2d(channels, CHANNELS, 2, stride=2)
        self.classifier = nn.Linear(CHANNELS, num_classes)

    def forward(self, x):
        return self.outputs(self.stage(x))


class Tiles(Dataset):
    """Two classes of pixels, drawn at random.

    A corner of every picture has no class, the opposite one in the last picture alone, and two rows
    of the last but one have none.
    """

    modalities = tuple(
        Modality(name, count, "coarse", Payload("raster", (count, HEIGHT, WIDTH)))
        for name, count in (("left", 2), ("right", 3))
    )
    info = DatasetInfo(
        name="tiles",
        modalities=modalities,
        classes=("a", "b"),
        fingerprint="tiles",
        optim=OptimConfig(epochs=1, batch_size=4),
        source="drawn at random",
        task="segmentation",
        scenes=("inside", "outside", "elsewhere"),
    )

    def __init__(self, location=None):
        del location

    def folds(self, modalities=None):
        draw = torch.Generator().manual_seed(0)
        inputs = {
            m.name: Plain(torch.randn(PICTURES, m.channels, HEIGHT, WIDTH, generator=draw))
            for m in self.modalities
        }
        labels = torch.randint(2, (PICTURES, HEIGHT, WIDTH), generator=draw)
        labels[:, 0, 0] = labels[:-1, -1, -1] = labels[-2, 2:4] = IGNORE
        fold = Fold(
            num_classes=2,
            inputs=inputs,
            labels=torch.arange(PICTURES) % 3,
            groups=tuple("aabbccdd"),
            sample_ids=tuple(map(str, range(PICTURES))),
            train=torch.arange(2),
            val=torch.arange(2, PICTURES - TEST),
            test=torch.arange(PICTURES - TEST, PICTURES),
            label_maps=Plain(labels),
        )
        return lambda seed: fold
