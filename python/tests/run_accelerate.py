"""A small training with accelerate and holdall.Checkpointer: uninterrupted, killed behind a step, taken up again.

``main({"folder": …, "kill": 7, "loader": "plain", "accelerator": {…}})``; at the end the weights are in FOLDER/final.pt with the losses of the
steps that were taken.
"""

import os
import random

import accelerate
import numpy
import torch

import holdall

torch.set_num_threads(1)


class Ema:
    """Any object with a state that is registered with the Accelerator."""

    def __init__(self):
        self.value = 0.0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


class Noisy(torch.utils.data.Dataset):
    """Samples with noise that is drawn when they are fetched."""

    def __init__(self, count):
        make = torch.Generator().manual_seed(1)
        self.x = torch.randn(count, 8, generator=make)
        self.y = self.x.sum(1).sign().clamp(0).long()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + 0.1 * torch.randn(8), self.y[index]


def prepared(accelerator, loader="plain", count=22):
    module = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.LayerNorm(16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, 2))
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.05)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 20)
    data = Noisy(count)
    if loader == "fixed":
        data = torch.utils.data.TensorDataset(data.x, data.y)
    batches = torch.utils.data.DataLoader(data, batch_size=2, shuffle=True, num_workers=2 if loader == "workers" else 0)
    return accelerator.prepare(module, optimizer, scheduler, batches)


def accelerator_of(run):
    more = run.get("accelerator", {})
    if "dataloader_config" in more:
        more = {**more, "dataloader_config": accelerate.DataLoaderConfiguration(**more["dataloader_config"])}
    return accelerate.Accelerator(**{"gradient_accumulation_steps": 2, "mixed_precision": "bf16", "cpu": True, **more})


def main(run):
    random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
    accelerator = accelerator_of(run)
    model, optimizer, scheduler, loader = prepared(accelerator, run.get("loader", "plain"), 22 * accelerator.num_processes)
    ema, losses = Ema(), []
    accelerator.register_for_checkpointing(ema)
    torch.manual_seed(accelerator.process_index)
    with holdall.Checkpointer(os.path.join(run["folder"], "out"), keep_last=2, every_steps=1, signals=()) as checkpoints:
        start = checkpoints.resume(accelerator=accelerator, model=model, optimizer=optimizer, scheduler=scheduler, loader=loader)
        for _ in start.epochs(3):
            for step, (x, y) in start.steps(loader):
                if step == run.get("kill"):
                    os._exit(9)
                with accelerator.accumulate(model):
                    loss = torch.nn.functional.cross_entropy(model(x), y)
                    accelerator.backward(loss)
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                ema.value = 0.9 * ema.value + loss.item()
                losses.append((step, loss.item()))
                checkpoints.step(metrics={"loss": loss.item()})
    if accelerator.is_main_process:
        state = accelerator.unwrap_model(model).state_dict()
        torch.save({"state": state, "losses": losses, "ema": ema.value}, os.path.join(run["folder"], "final.pt"))
    if accelerator.num_processes > 1:
        torch.distributed.destroy_process_group()
