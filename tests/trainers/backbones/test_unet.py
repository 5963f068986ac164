import pytest
import torch

from fdsweep.trainers import backbones


@pytest.mark.parametrize("size", [(48, 64), (11, 6), (1, 3)])
def test_pictures_of_any_size_are_seen_at_half_resolution(size: tuple[int, int]) -> None:
    network = backbones.build("unet", channels=1, num_classes=5, width=4)
    outputs = network(torch.randn(2, 1, *size))

    def at(stride: int) -> tuple[int, ...]:
        return tuple(-(-n // stride) for n in size)

    assert outputs.maps is not None
    assert [tuple(x.shape[2:]) for x in outputs.maps] == [at(s) for s in (2, 4, 8, 4, 2)]
    assert outputs.logits.shape == (2, 5, *at(2))


def test_the_way_up_joins_the_way_down() -> None:
    network = backbones.build("unet", channels=3, num_classes=5, width=4)
    joined = {"back_to_quarter": 8, "back_to_half": 4}  # channels that come from the way down
    x = torch.randn(2, 3, 9, 12)
    for stage, count in joined.items():
        before = network.eval()(x).logits
        with torch.no_grad():
            network.get_parameter(f"{stage}.0.weight")[:, -count:] = 0
        assert (network(x).logits != before).any()


def test_the_number_of_weights_is_that_of_its_layers() -> None:
    network = backbones.build("unet", channels=3, num_classes=12)
    ways = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64 + 32, 32), (32 + 16, 32)]
    convolutions = sum(9 * inward * outward + 2 * outward for inward, outward in ways)
    count = sum(p.numel() for p in network.parameters())
    assert count == convolutions + 32 * 12 + 12
