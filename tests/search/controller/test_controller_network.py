"""The controller network: gradients, and draws from its probabilities."""

from __future__ import annotations

import torch

from kshot_viz.search.controller.network import Controller, ControllerStep


def steps(described=False):
    known = (0.5, -1.0) if described else ()
    return [ControllerStep(f"layer {i}", {f"a{i}": 3, f"b{i}": 4}, known) for i in range(3)]


def test_gradients_of_log_probabilities_equal_finite_differences():
    controller = Controller(steps(described=True), torch.Generator().manual_seed(0)).double()
    for parameter in controller.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(1))
    chosen = torch.tensor([[0, 1, 2, 3, 1, 0], [2, 2, 0, 0, 1, 3]])

    def total():
        logs = controller.log_probabilities(chosen)
        return sum(log.gather(1, chosen[:, i, None]).sum() for i, log in enumerate(logs))

    parameters = list(controller.parameters())
    analytic = torch.autograd.grad(total(), parameters, materialize_grads=True)
    for parameter, gradient in zip(parameters, analytic, strict=True):
        flat = parameter.data.view(-1)
        for i in range(0, flat.numel(), max(1, flat.numel() // 5)):
            before = flat[i].item()
            flat[i] = before + 1e-5
            up = total().item()
            flat[i] = before - 1e-5
            down = total().item()
            flat[i] = before
            slope = (up - down) / 2e-5
            assert abs(slope - gradient.view(-1)[i].item()) <= 1e-4 * max(1.0, abs(slope))


def test_rollouts_follow_the_probabilities():
    controller = Controller(steps(), torch.Generator().manual_seed(0))
    with torch.no_grad():
        controller.bias[0].copy_(torch.tensor([0.0, 1.0, 2.0]))
    draws = torch.rand(4000, 6, generator=torch.Generator().manual_seed(2))
    chosen = controller.sample(draws)
    shares = torch.bincount(chosen[:, 0], minlength=3) / 4000
    wanted = controller.log_probabilities(chosen)[0][0].exp()
    torch.testing.assert_close(shares, wanted.detach(), atol=0.03, rtol=0)
