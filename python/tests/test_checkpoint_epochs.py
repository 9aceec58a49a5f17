"""Loops of one's own say where epochs end, or leave it to be seen: each is saved once, and a resume begins with the right one."""

import torch

import holdall


def test_an_epoch_that_was_said_to_have_ended_is_saved_once(tmp_path):
    module = torch.nn.Linear(2, 1)
    for first in (0, 2):
        with holdall.Checkpointer(tmp_path, every_epochs=1) as ckpt:
            ckpt.resume(model=module)
            for epoch in (first, first + 1):
                for step in range(3):
                    assert ckpt.step(epoch=epoch, step=epoch * 3 + step + 1) is None
                assert ckpt.end_epoch(epoch) is not None
    assert [row["step"] for row in ckpt.history()] == [3, 6, 9, 12]


def test_an_epoch_that_nobody_says_has_ended_is_saved_with_the_first_step_of_the_next(tmp_path):
    with holdall.Checkpointer(tmp_path, every_epochs=1) as ckpt:
        ckpt.track(model=torch.nn.Linear(2, 1))
        saved = [ckpt.step(epoch=step // 3, step=step) is not None for step in range(9)]
    assert saved == [False, False, False, True, False, False, True, False, False]


def test_a_step_behind_an_epoch_that_ended_lies_in_the_next_one(tmp_path):
    module = torch.nn.Linear(2, 1)
    with holdall.Checkpointer(tmp_path, every_steps=1) as ckpt:
        ckpt.resume(model=module)
        ckpt.step(epoch=0, step=1)
        ckpt.end_epoch(0)
        ckpt.save(epoch=0)
        assert ckpt.resume(model=module).epoch == 1
        ckpt.step(epoch=1, step=2)
        assert ckpt.resume(model=module).epoch == 1
