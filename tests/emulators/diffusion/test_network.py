"""What the U-Net knows by construction: periodic fields, any grid, its parameters everywhere."""

import pytest
import torch
from torch import Tensor, nn

from sbipipe.emulators.diffusion.network import UNet
from sbipipe.records import InputError

SPACES = [(16,), (16, 8), (8, 4, 8)]


def awake(seed: int = 1, **changes: object) -> UNet:
    """A network none of whose weights are zero, in double precision."""
    settings = {"channels": 2, "outputs": 3, "dimensions": 2, "width": 4, "conditions": 2}
    torch.manual_seed(seed)
    network = UNet(**{**settings, **changes}).double()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2)
    return network


def inputs(space: tuple[int, ...], n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(2)
    z, log_snr, s = torch.randn(n, 2, *space), torch.linspace(-8, 8, n), torch.rand(n, 2) * 2 - 1
    return z.double(), log_snr.double(), s.double()


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("attention_below", [0, 64])
def test_output_moves_with_the_input(space: tuple[int, ...], attention_below: int):
    network = awake(
        dimensions=len(space), multipliers=(1, 2, 2), blocks=1, attention_below=attention_below
    )
    z, log_snr, s = inputs(space)
    axes = tuple(range(2, z.ndim))

    def move(x: Tensor, cells: int) -> Tensor:
        return torch.roll(x, (cells,) + (-4,) * (len(space) - 1), axes)

    fields = network(z, log_snr, s)
    assert fields.shape == (3, 3, *space)
    torch.testing.assert_close(network(move(z, 4), log_snr, s), move(fields, 4))
    assert not torch.allclose(network(move(z, 1), log_snr, s), move(fields, 1))


@pytest.mark.parametrize("space", [(16,), (16, 16), (8, 8, 8)])
def test_a_single_level_moves_by_every_cell(space: tuple[int, ...]):
    network = awake(dimensions=len(space), multipliers=(1,))
    z, log_snr, s = inputs(space)
    axes = tuple(range(2, z.ndim))
    moved = network(torch.roll(z, (3,) * len(space), axes), log_snr, s)
    torch.testing.assert_close(moved, torch.roll(network(z, log_snr, s), (3,) * len(space), axes))


def test_symmetric_kernels_make_a_symmetric_network():
    """Nothing but the kernels knows an axis or a direction."""
    network = awake(multipliers=(1, 2), attention_below=16)
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = sum(torch.rot90(parameter, turn, (2, 3)) for turn in range(4)) / 4
    z, log_snr, s = inputs((8, 8))
    fields = network(z, log_snr, s)
    turned = network(torch.rot90(z, 1, (2, 3)), log_snr, s)
    torch.testing.assert_close(turned, torch.rot90(fields, 1, (2, 3)))


def test_a_field_tiled_gives_tiles():
    """Padding is periodic at every level, so a field twice side by side is the same field."""
    network = awake(multipliers=(1, 2, 2))
    z, log_snr, s = inputs((16, 8))
    tiled = network(z.tile(1, 1, 2, 2), log_snr, s)
    torch.testing.assert_close(tiled, network(z, log_snr, s).tile(1, 1, 2, 2))


def test_weights_of_small_fields_go_on_on_larger_ones():
    small = UNet(channels=1, outputs=1, dimensions=2, width=8, conditions=2, attention_below=64)
    large = UNet(channels=1, outputs=1, dimensions=2, width=8, conditions=2, attention_below=64)
    small(torch.randn(2, 1, 16, 16), torch.zeros(2), torch.zeros(2, 2))
    large.load_state_dict(small.state_dict())
    assert large(torch.randn(2, 1, 64, 64), torch.zeros(2), torch.zeros(2, 2)).shape[2:] == (64, 64)


def test_parameters_and_level_enter_every_block():
    network = awake()
    z, log_snr, s = inputs((8, 8))
    fields = network(z, log_snr, s)
    assert not torch.allclose(network(z, log_snr, -s), fields)
    assert not torch.allclose(network(z, log_snr + 1, s), fields)
    films = [part for name, part in network.named_modules() if name.endswith("film.linear")]
    assert len(films) == 2 + 2 + 2 + 1
    for film in films:
        weight = film.weight.data.clone()
        film.weight.data.zero_()
        assert not torch.allclose(network(z, log_snr, s), fields)
        film.weight.data = weight


def test_rows_of_a_batch_do_not_see_each_other():
    network = awake(attention_below=64)
    z, log_snr, s = inputs((8, 8))
    torch.testing.assert_close(network(z, log_snr, s)[1:2], network(z[1:2], log_snr[1:2], s[1:2]))


def test_without_parameters_nothing_reads_them():
    network = awake(conditions=0)
    z, log_snr, s = inputs((8, 8))
    assert torch.equal(network(z, log_snr, s), network(z, log_snr))


def test_the_amplitude_of_the_field_is_not_forgotten():
    """At the start the network is affine in z, and its output small."""
    torch.manual_seed(1)
    network = UNet(channels=2, outputs=3, dimensions=2, conditions=2, attention_below=64).double()
    z, log_snr, s = inputs((16, 16))
    none, one, two = (network(factor * z, log_snr, s) for factor in (0, 1, 2))
    torch.testing.assert_close(two - none, 2 * (one - none))
    assert 1e-3 < one.std() < 1e-1


@pytest.mark.parametrize("attention_below", [0, 16])
def test_every_weight_is_trained(attention_below: int):
    network = awake(attention_below=attention_below, multipliers=(1, 2))
    network(*inputs((4, 4))).square().mean().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


def test_attention_stays_on_small_grids():
    """Without attention a point of the field touches only what lies near."""
    log_snr, s = torch.zeros(1).double(), torch.zeros(1, 2).double()
    point = torch.zeros(1, 2, 64, 4).double()
    point[0, :, 0] = 1.0

    def touched(attention_below: int) -> bool:
        network = awake(multipliers=(1, 2), blocks=1, attention_below=attention_below)
        for module in network.modules():
            if isinstance(module, nn.GroupNorm):
                module.forward = torch.clone
        change = network(point, log_snr, s) - network(0 * point, log_snr, s)
        return bool(change[0, 0, 32].abs().max() > 1e-9)

    assert touched(64)
    assert not touched(63)


def test_equal_seeds_give_equal_weights():
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed)
        network = UNet(channels=1, outputs=1, dimensions=2, conditions=2)
        return torch.cat([tensor.flatten() for tensor in network.state_dict().values()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("space", SPACES)
def test_bfloat16_keeps_the_result_close(space: tuple[int, ...]):
    network = awake(dimensions=len(space), attention_below=64).float()
    z, log_snr, s = (tensor.float() for tensor in inputs(space))
    expected = network(z, log_snr, s)
    with torch.autocast("cpu", torch.bfloat16):
        fields = network(z, log_snr, s)
    assert fields.dtype == torch.float32
    assert not torch.equal(fields, expected)
    assert (fields - expected).std() < 0.03 * expected.std()


def test_bfloat16_makes_no_steps_in_theta():
    """Shift and scale answer to a millionth of the prior's width."""
    network, seen = awake().float(), []
    for name, module in network.named_modules():
        if name.endswith("film.linear"):
            module.register_forward_hook(lambda *call: seen.append(call[-1]))
    z, log_snr, s = (tensor.float() for tensor in inputs((8, 8)))
    with torch.autocast("cpu", torch.bfloat16):
        network(z, log_snr, s)
        network(z, log_snr, s + 2e-6)
    here, there = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert all(not torch.equal(*pair) for pair in zip(here, there, strict=True))


def test_sizes_are_those_of_the_docstring():
    def millions(**settings: object) -> float:
        with torch.device("meta"):
            network = UNet(channels=1, outputs=1, dimensions=2, conditions=2, **settings)
        return sum(parameter.numel() for parameter in network.parameters()) / 1e6

    assert millions(width=16, multipliers=(1, 2), blocks=1) == pytest.approx(0.060, abs=5e-4)
    assert millions(width=16, multipliers=(1, 2)) == pytest.approx(0.097, abs=5e-4)
    assert millions(width=64, multipliers=(1, 2, 4, 8)) == pytest.approx(21.3, abs=5e-2)


def test_grids_that_cannot_be_halved_are_refused():
    network = UNet(channels=1, outputs=1, dimensions=2, width=4, multipliers=(1, 1, 1))
    with pytest.raises(InputError, match=r"given fields with sides \(8, 6\).*multiples of 4"):
        network(torch.zeros(1, 1, 8, 6), torch.zeros(1))
