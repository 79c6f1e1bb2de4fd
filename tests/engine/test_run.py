"""A training run that is interrupted goes on as if it had not been, and its weights can be sent elsewhere."""

import pytest

torch = pytest.importorskip("torch")

from training import run, sources  # noqa: E402

STEPS, BATCH = 40, 4


def trained(name, until):
    """A run on a line to be learned, up to some step."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    learner = run.Run(name, model, STEPS * BATCH, BATCH, 0.1, 0.5, saved_every=10)

    def lesson(rows, truth):
        loss = (model(rows) - truth).square().mean()
        return loss, {"square": loss}, rows.sum()

    while learner.step < until:
        rows = torch.randn(BATCH, 3, generator=torch.Generator().manual_seed(learner.step))
        assert learner.learn(lesson, rows, rows.sum(1, keepdim=True)) == rows.sum()
        if learner.is_to_be_saved:
            learner.save({"loss": 0.0})
    return learner


def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "WORK", tmp_path)
    monkeypatch.setattr(run, "WARM_UP_STEPS", 5)
    whole = trained("whole", STEPS)
    trained("parts", 27)  # last saved at 20
    resumed = trained("parts", STEPS)
    for mine, theirs in ((whole.model, resumed.model), (whole.average, resumed.average)):
        for name, values in mine.state_dict().items():
            torch.testing.assert_close(values, theirs.state_dict()[name])
    rows = torch.randn(100, 3)
    assert (whole.model(rows) - rows.sum(1, keepdim=True)).abs().mean() < 0.2
    assert run.saved("whole")["step"] == STEPS


def test_a_run_takes_as_many_steps_as_its_minutes_suffice_for(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "WORK", tmp_path)
    for name, value in {"WARM_UP_STEPS": 5, "PACED_FROM": 8, "PACED_EVERY": 4, "PACED_UNTIL": 6}.items():
        monkeypatch.setattr(run, name, value)
    clock = [1000.0]
    monkeypatch.setattr(run.time, "time", lambda: clock[0])
    model = torch.nn.Linear(3, 1)
    learner = run.Run("paced", model, 30 * BATCH, BATCH, 0.1, 0.9, minutes=5)

    def lesson(rows):
        clock[0] += 2 if learner.step < 50 else 4  # seconds: another program comes
        return model(rows).square().mean(), {}, None

    rates = []
    while learner.step < learner.steps:
        rates.append(learner.rate)
        learner.learn(lesson, torch.randn(BATCH, 3))
    assert abs(clock[0] - 1300) < 16 and learner.steps > 60
    assert max(rates) > 0.08 and rates[-1] < 0.01  # the rate ends where it should all the same


def test_light_weights_say_what_the_whole_ones_say(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    from training.elsewhere import light
    from training.export_refinement import load_run
    from training.refinement import Refinement

    monkeypatch.setattr(sources, "WORK", tmp_path)
    torch.manual_seed(0)
    model = Refinement()
    rows = torch.randn(200, model.deeper.in_features) + 1
    model.deeper.take(torch.nn.Linear(*model.deeper.weight.T.shape), rows)
    for name in ("whole", "light"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    torch.save({"average": model.state_dict(), "step": 7}, tmp_path / "runs" / "whole" / "checkpoint.pt")
    torch.save(light("whole"), tmp_path / "runs" / "light" / "checkpoint.pt")
    back, step = load_run("light")
    assert step == 7
    said = model.deeper(rows)
    assert (back.deeper(rows) - said).abs().max() < 5e-3 * said.std()
    crops = torch.randn(2, 4, 120, 120)
    features = [one.body.features.eval()(crops) for one in (model, back)]
    assert (features[0] - features[1]).abs().max() < 0.01 * features[0].std()
