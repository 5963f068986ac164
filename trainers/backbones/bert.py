"""BERT for texts, built by transformers."""

from torch import Tensor, nn
from typing_extensions import override

from fdsweep.trainers.backbones import Backbone, init_weights, pretrained, registry
from fdsweep.trainers.backbones.base import recompute_blocks
from fdsweep.trainers.features.outputs import Outputs
from fdsweep.trainers.modalities.tokens import PADDING


class Bert(Backbone):
    """BERT (Devlin et al., NAACL 2019, arXiv 1810.04805) for token ids [N, L] int64, 0 for none.

    What a picture's last map is, the last layer's output for a text's tokens is here: a ReLU, which
    BERT itself lacks, and a mean over the tokens lead to the logits. Maps are the layers' outputs
    [N, D, L], where tokens that fill up count 0 and the others L / length, so that a mean over all
    L is one over the text.

    Args:
        channels: size of the vocabulary.
        num_classes: C.
        layers: of the encoder.
        width: D.
    """

    recomputes = True
    same_steps = True

    def __init__(self, *, channels: int, num_classes: int, layers: int, width: int) -> None:
        from transformers import BertConfig, BertModel  # slow to import

        super().__init__()
        config = BertConfig(
            vocab_size=channels,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            intermediate_size=4 * width,
        )
        self.network = BertModel(config, add_pooling_layer=False)
        self.dim = width
        self.map_dims = (width,) * layers
        self.classifier = nn.Linear(width, num_classes)
        init_weights(self.classifier)

    @override
    def forward(self, x: Tensor) -> Outputs:
        known = (x != PADDING).long()
        # of two axes the mask is looked at on the host: for a GPU it has the attention's own four
        length = x.shape[1]
        mask = known if x.is_cpu else known.bool()[:, None, None].expand(-1, 1, length, -1)
        outputs = self.network(x, attention_mask=mask, output_hidden_states=True)
        share = known * (length / known.sum(dim=1, keepdim=True).clamp(min=1))
        maps = tuple((h * share[..., None]).mT for h in outputs.hidden_states[1:])
        return self.outputs(*maps)

    @override
    def recompute(self) -> None:
        recompute_blocks(self.network)

    @override
    def load_pretrained(self, weights: dict[str, Tensor]) -> None:
        pretrained.adopt(self.network, weights, "bert.", "bert")


@registry.register("bert-base")
def bert_base(*, channels: int, num_classes: int) -> Bert:
    """Twelve layers of 768 channels."""
    return Bert(channels=channels, num_classes=num_classes, layers=12, width=768)


@registry.register("bert-small")
def bert_small(*, channels: int, num_classes: int) -> Bert:
    """Four layers of 512 channels (Turc et al. 2019, arXiv 1908.08962)."""
    return Bert(channels=channels, num_classes=num_classes, layers=4, width=512)
