import signal

import pytest
import torch
from torch import nn

from detseg.training.checkpoint import load_checkpoint
from detseg.training.loop import NonFiniteLoss, fit

STEPS = 18  # of a run of three epochs


class Line(nn.Module):
    """A model that learns y = 2x + 1, with dropout, so that every source of chance is at work."""

    def __init__(self, broken_at: int = 0, gradient_broken_at: int = 0):
        super().__init__()
        torch.manual_seed(5)
        self.net = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
        self.broken_at, self.gradient_broken_at, self.calls = broken_at, gradient_broken_at, 0

    def losses(self, x, y, generator):
        self.calls += 1
        weight = torch.rand(len(x), 1, generator=generator)
        error = self.net(x) - y
        zero = self.net[0].bias.sum() * 0
        return {
            "fit": (weight * error**2).mean() * (float("nan") if self.calls == self.broken_at else 1),
            # its value is 0, its slope infinite
            "size": zero.abs().sqrt() if self.calls == self.gradient_broken_at else zero,
        }


class Points:
    """Points on the line; every batch asked for is written down."""

    def __init__(self, stop_at: int = 0):
        self.asked: list[list[int]] = []
        self.stop_at = stop_at

    def __len__(self):
        return 50

    def batch(self, indices, generator, device):
        self.asked.append(indices)
        if len(self.asked) == self.stop_at:
            signal.raise_signal(signal.SIGINT)  # what the stop button sends
        x = torch.tensor(indices, dtype=torch.float32, device=device)[:, None] / 50
        return x + 0.01 * torch.randn(x.shape, generator=generator), 2 * x + 1


@pytest.fixture
def stop_button():
    """Ctrl-C raises KeyboardInterrupt, also where a shell has started the tests in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def train(model, points=None, **options):
    return fit(model, points or Points(), epochs=3, **{"progress": False, "warmup": 2, **options})


def weights(model):
    return torch.cat([value.flatten().float() for value in model.state_dict().values()])


def test_losses_fall_and_the_model_is_ready_for_use(capsys):
    model = Line()
    run = fit(model, Points(), epochs=40, learning_rate=1e-2, seed=4, progress=False)
    assert run.reason == "finished"
    assert run.steps == 240
    assert sum(run.history["fit"][-20:]) < 0.2 * sum(run.history["fit"][:20])
    assert not model.training
    assert "seed 4, 240 steps of 8, cpu" in capsys.readouterr().out


def test_every_epoch_visits_the_examples_in_another_order_without_repeats():
    points = Points()
    train(Line(), points)
    assert len(points.asked) == STEPS
    epochs = [torch.tensor(points.asked[start : start + 6]).flatten().tolist() for start in (0, 6, 12)]
    assert all(len(set(epoch)) == 48 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


def test_the_seed_decides():
    results = []
    for seed in (0, 0, 1):
        model = Line()
        train(model, seed=seed)
        results.append(weights(model))
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_the_notebooks_random_numbers_are_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    model = Line()
    torch.manual_seed(0)
    train(model)
    assert torch.equal(torch.rand(3), expected)


def test_an_interrupted_and_resumed_run_ends_with_the_same_weights(tmp_path, capsys, stop_button):
    whole = Line()
    train(whole)

    path = tmp_path / "run.pt"
    first = train(Line(), Points(stop_at=9), checkpoint=path)
    assert (first.reason, first.steps) == ("interrupted", 8)
    reported = []
    second = Line()  # as after a kernel restart
    nn.init.zeros_(second.net[0].weight)
    run = train(second, checkpoint=path, on_step=lambda step, losses: reported.append((step, losses["fit"])))
    assert "resumed" in capsys.readouterr().out
    assert (run.reason, run.steps) == ("finished", STEPS)
    assert torch.equal(weights(second), weights(whole))
    assert reported == list(enumerate(run.history["fit"], start=1))
    assert len(reported) == STEPS


def test_a_finished_run_is_not_trained_again(tmp_path, capsys):
    path = tmp_path / "run.pt"
    first, second = Line(), Line()
    train(first, checkpoint=path)
    points = Points()
    run = train(second, points, checkpoint=path)
    assert run.steps == STEPS
    assert points.asked == []
    assert torch.equal(weights(first), weights(second))
    assert f"resumed {path} after {STEPS} steps; delete the file to start anew" in capsys.readouterr().out


def test_another_recipe_starts_anew_and_says_why(tmp_path, capsys):
    path = tmp_path / "run.pt"
    train(Line(), checkpoint=path)
    points = Points()
    train(Line(), points, checkpoint=path, learning_rate=0.01)
    assert len(points.asked) == STEPS
    assert "learning_rate was 0.001, is 0.01" in capsys.readouterr().out


def test_a_damaged_checkpoint_starts_anew_and_says_so(tmp_path, capsys):
    path = tmp_path / "run.pt"
    path.write_bytes(b"PK")
    assert train(Line(), checkpoint=path).steps == STEPS
    assert "is damaged" in capsys.readouterr().out
    assert load_checkpoint(path)["step"] == STEPS


def test_a_checkpoint_that_cannot_be_written_costs_no_training(tmp_path):
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="training goes on unsaved"):
        assert train(Line(), checkpoint=tmp_path / "file" / "run.pt").steps == STEPS


def test_a_nan_names_step_part_and_images_and_keeps_the_last_good_state(tmp_path):
    path, points = tmp_path / "run.pt", Points()
    with pytest.raises(NonFiniteLoss, match=r"step 8: the fit loss is nan, on images \[") as caught:
        train(Line(broken_at=8), points, checkpoint=path, save_every=0.0)
    assert str(points.asked[-1]) in str(caught.value)
    assert "lower learning_rate" in str(caught.value)
    assert f"{path} keeps the last state" in caught.value.__notes__[0]
    saved = load_checkpoint(path)
    assert saved["step"] == 7
    assert all(value.isfinite().all() for value in saved["model"].values())


def test_a_gradient_that_is_not_finite_stops_before_the_update():
    model = Line(gradient_broken_at=4)
    with pytest.raises(NonFiniteLoss, match="step 4: the losses are finite, their gradient is nan"):
        train(model)
    assert weights(model).isfinite().all()


def test_the_time_budget_ends_the_run(tmp_path):
    path = tmp_path / "run.pt"
    run = train(Line(), seconds=1e-9, checkpoint=path)
    assert (run.reason, run.steps) == ("out of time", 0)
    assert train(Line(), seconds=1e9, checkpoint=path).steps == STEPS  # more time: the same run goes on


def test_too_few_examples_for_a_batch():
    with pytest.raises(ValueError, match="50 examples do not fill a batch of 64"):
        train(Line(), batch_size=64)
