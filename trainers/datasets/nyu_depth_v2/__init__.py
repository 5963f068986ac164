"""`nyu-depth-v2`: rooms in colour and depth, 40 classes of pixels; `nyu-depth-v2@hha`: from HHA.

1,449 frames of a Kinect in 464 places (Silberman et al. 2012), labelled with the 40 classes of
Gupta et al. 2013.

takes   nyu_depth_v2_labeled.mat with splits.mat and classMapping40.mat (`matlab`), or the extracted
        folders that later papers share, RGB, Depth or HHA, and Label (`folders`)
yields  rgb and depth (millimetres) of every frame, the class of every pixel or void, and, of the
        .mat, the kind of room as the sample's own label
splits  the published one, 795 train and 654 test; validation, a tenth of train, is whole scenes

`nyu-depth-v2@hha` has HHA (Gupta et al. 2014: disparity, height, angle to gravity) as depth, three
channels, which only the extracted folders hold. fdsweep makes none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from fdsweep.search_spaces.configs import OptimConfig
from fdsweep.search_spaces.errors import DataError
from fdsweep.trainers.datasets import Modality, registry
from fdsweep.trainers.datasets.nyu_depth_v2 import folders, matlab
from fdsweep.trainers.datasets.nyu_depth_v2.frames import Listing
from fdsweep.trainers.datasets.prepared import LABEL_MAP, Payload, Prepared
from fdsweep.trainers.preparation.catalog import Catalog, Item, Options, wrong_tree
from fdsweep.trainers.preparation.manifest import prepare_again

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf",
    "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror",
    "floor mat", "clothes", "ceiling", "books", "refrigerator", "television", "paper", "towel",
    "shower curtain", "box", "whiteboard", "person", "night stand", "toilet", "sink", "lamp",
    "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip
BACKBONE = "deeplab-resnet18"
MOST = (480, 640)
"""Height and width of a training view at most: a Kinect's."""


@registry.register("nyu-depth-v2")
class NYUDepthV2(Prepared):
    """The importer.

    Attributes:
        depth: the extracted folder of that modality.
        other: the data set that reads the other one.
    """

    name: ClassVar = "nyu-depth-v2"
    modalities: ClassVar = (Modality("rgb", 3, BACKBONE), Modality("depth", 1, BACKBONE))
    payloads: ClassVar = {
        "rgb": Payload("scene-picture", MOST),
        "depth": Payload("scene-depth", MOST),
        LABEL_MAP: Payload("scene-labels", MOST),
    }
    pixel_classes: ClassVar = CLASSES
    optim: ClassVar = OptimConfig(
        epochs=800,  # 40,000 steps: what is usual there counts steps, 40,000 to 80,000
        batch_size=16,
        lr=0.02,
        final_lr=1e-6,  # published is 0, which leaves the last step nothing to do
        weight_decay=1e-4,
        schedule="polynomial-per-step",
    )
    version: ClassVar = 1
    lists: ClassVar = "splits.mat and classMapping40.mat, where they do not lie in RAW_DIR"
    about: ClassVar = "1,449 frames of rooms in colour and depth; a class for each pixel, 40 in all"
    source: ClassVar = (
        "Silberman et al. 2012, Indoor segmentation and support inference from RGBD images"
    )
    licence: ClassVar = "none stated; for research"
    url: ClassVar = "https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html"
    expects: ClassVar = """\
RAW_DIR/
  nyu_depth_v2_labeled.mat            (2.8 GB, MATLAB v7.3; needs h5py: pip install 'fdsweep[nyu]')
  splits.mat                          (of the same authors; or in --split-dir)
  classMapping40.mat                  (Gupta et al. 2013; or in --split-dir)
or, as extracted by others:
RAW_DIR/
  RGB/0.jpg ...
  Depth/0.png ...                     (16 bits: millimetres)
  HHA/0.jpg ...                       (in place of Depth, read by --variant hha)
  Label/0.png ...                     (0 or 255 void, 1 to 40)
  train.txt, test.txt                 (a name such as 0, or RGB/0.jpg, begins each line)"""

    depth: ClassVar = "Depth"
    other: ClassVar = "nyu-depth-v2@hha"

    @override
    def catalog(self, raw: Path, options: Options) -> Catalog:
        return self.listing(raw, options).catalog()

    def listing(self, raw: Path, options: Options) -> Listing:
        """The frames of either raw tree."""
        if (raw / matlab.FILE).is_file():
            return matlab.listing(raw, options.split_dir)
        return self.extracted(raw, options)

    def extracted(self, raw: Path, options: Options) -> Listing:
        """The frames of extracted folders."""
        has = {name for name in (folders.RGB, self.depth, folders.LABEL) if (raw / name).is_dir()}
        if {folders.RGB, folders.LABEL} <= has and self.depth not in has:
            raise DataError(f"holds no {self.depth}/", str(raw), prepare_again(self.other))
        if len(has) < 3:
            looked_for = f"{matlab.FILE} or {folders.RGB}/, {self.depth}/ and {folders.LABEL}/"
            raise wrong_tree(raw, looked_for, self.expects)
        return folders.listing(raw, self.depth, options.split_dir or raw)

    @override
    def decode(self, raw: Path, item: Item, assets: Mapping[str, bytes]) -> dict[str, Any]:
        if matlab.FRAME in item.parts:
            return matlab.decode(raw, item.parts, assets)
        return folders.decode(raw, item.parts)

    @override
    def read_file(self, modality: str, file: Path, assets: Mapping[str, bytes]) -> list[Any]:
        in_colour = modality == "rgb" or self.depth == folders.HHA
        return [folders.colours(file) if in_colour else folders.millimetres(file)]


@registry.register("nyu-depth-v2@hha")
class NYUDepthV2HHA(NYUDepthV2):
    """The importer that takes the folder HHA in place of Depth."""

    name: ClassVar = "nyu-depth-v2@hha"
    modalities: ClassVar = (Modality("rgb", 3, BACKBONE), Modality("depth", 3, BACKBONE))
    payloads: ClassVar = {**NYUDepthV2.payloads, "depth": Payload("scene-picture", MOST)}
    about: ClassVar = "nyu-depth-v2 with depth as disparity, height and angle (HHA)"
    depth: ClassVar = "HHA"
    other: ClassVar = "nyu-depth-v2"

    @override
    def listing(self, raw: Path, options: Options) -> Listing:
        return self.extracted(raw, options)
