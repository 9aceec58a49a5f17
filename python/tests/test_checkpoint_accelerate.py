"""holdall.Checkpointer takes what accelerate prepared as it is: the training goes on as if nothing had happened, amid an accumulation too."""

import random

import pytest
import run_accelerate
import torch
from equal import assert_same
from fresh import Fresh

import holdall


@pytest.fixture(scope="module")
def run():
    with Fresh("run_accelerate") as fresh:
        yield lambda ranks=1, **given: fresh.run(given, ranks)


def ends(folder):
    return torch.load(folder / "final.pt")


CASES = {
    "accumulation, bf16": {},
    "no accumulation": {"accelerator": {"gradient_accumulation_steps": 1, "mixed_precision": "no"}},
    "worker processes": {"loader": "workers"},
    "seedable sampler": {"accelerator": {"dataloader_config": {"use_seedable_sampler": True}}},
    "stateful loader": {"loader": "fixed", "accelerator": {"dataloader_config": {"use_stateful_dataloader": True}}},
}


@pytest.mark.parametrize("case", CASES)
def test_a_killed_training_ends_as_one_that_was_not_interrupted(run, case, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    codes, said = run(folder=str(whole), **CASES[case])
    assert codes == [0], said
    chance = random.Random(case)
    for at in (chance.randrange(3, 11), chance.randrange(13, 32)):
        codes, said = run(folder=str(parts), kill=at, **CASES[case])
        assert codes == [9], said
    codes, said = run(folder=str(parts), **CASES[case])
    assert codes == [0], said
    expected, found = ends(whole), ends(parts)
    assert_same(found["state"], expected["state"])
    assert found["losses"] == expected["losses"][-len(found["losses"]) :] and len(found["losses"]) < 32
    assert found["ema"] == expected["ema"]


def test_two_ranks_go_on_each_with_its_own_gradients_and_random_states(run, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir(), parts.mkdir()
    codes, said = run(ranks=2, folder=str(whole))
    assert codes == [0, 0], said
    # Behind the first batch of an accumulation: its gradients are each rank's own.
    codes, said = run(ranks=2, folder=str(parts), kill=16)
    assert codes == [9, 9], said
    codes, said = run(ranks=2, folder=str(parts))
    assert codes == [0, 0], said
    assert_same(ends(parts)["state"], ends(whole)["state"])
    assert ends(parts)["losses"] == ends(whole)["losses"][-len(ends(parts)["losses"]) :]


def test_the_file_holds_the_modules_own_names_and_what_the_accelerator_keeps(tmp_path):
    accelerator = run_accelerate.accelerator_of({})
    model, optimizer, scheduler, loader = run_accelerate.prepared(accelerator)
    accelerator.register_for_checkpointing(run_accelerate.Ema())
    with holdall.Checkpointer(tmp_path) as checkpoints:
        checkpoints.track(accelerator=accelerator, model=model, optimizer=optimizer, scheduler=scheduler, loader=loader)
        accelerator.step = 3
        path = checkpoints.save(step=3, wait=True)
        kept = torch.load(path, weights_only=True)
        assert kept["accelerator_state_dict"] == {"step": 3, "registered": [{"value": 0.0}]}
        assert_same(kept["model_state_dict"], accelerator.unwrap_model(model).state_dict())
        assert_same(kept["optimizer_state_dict"], optimizer.state_dict())
        accelerator.step = 0
        checkpoints.restore("latest", accelerator=accelerator)
        assert accelerator.step == 3
        accelerator._custom_objects.clear()
        with pytest.raises(holdall.MismatchError, match="1 objects were registered with accelerator, there are 0"):
            checkpoints.restore("latest", accelerator=accelerator)


def test_an_accumulation_that_nothing_counts_is_told(tmp_path):
    accelerator = run_accelerate.accelerator_of({})
    model, optimizer, _, _ = run_accelerate.prepared(accelerator)
    with holdall.Checkpointer(tmp_path) as checkpoints, pytest.warns(holdall.HoldallWarning, match="name it too"):
        checkpoints.resume(model=model, optimizer=optimizer)
