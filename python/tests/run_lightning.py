"""A small training by Lightning: uninterrupted, killed behind a step, taken up again.

``main({"folder": …, "kill": 7, "resume": "last", "checkpoint": {…}, "trainer": {…}, "loader": "plain"})``; at the end the weights are in
FOLDER/final.pt with all losses of the steps that were taken.
"""

import logging
import os
import random
import signal
import warnings

import lightning.pytorch as pl
import numpy
import torch
from torchdata.stateful_dataloader import StatefulDataLoader

from holdall.lightning import ModelCheckpoint

torch.set_num_threads(1)


class Data(torch.utils.data.Dataset):
    """Samples with noise that is drawn when they are fetched."""

    def __init__(self, count, seed):
        make = torch.Generator().manual_seed(seed)
        self.x = torch.randn(count, 8, generator=make)
        self.y = self.x.sum(1).sign().clamp(0).long()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index] + 0.1 * torch.randn(8) + 0.1 * random.random() + 0.1 * float(numpy.random.rand()), self.y[index]


class Stream(torch.utils.data.IterableDataset):
    """The same without a length."""

    def __init__(self, data):
        self.data = data

    def __iter__(self):
        return (self.data[index] for index in torch.randperm(len(self.data)).tolist())


def loader_of(kind, world=1):
    data = Data(22 if world == 1 else 44, 1)  # 11 batches for each
    if kind == "stream":
        return torch.utils.data.DataLoader(Stream(data), batch_size=2)
    if kind == "generator":
        return torch.utils.data.DataLoader(data, batch_size=2, shuffle=True, generator=torch.Generator().manual_seed(7))
    if kind == "workers":
        return torch.utils.data.DataLoader(data, batch_size=2, shuffle=True, num_workers=2)
    of = StatefulDataLoader if kind == "stateful" else torch.utils.data.DataLoader
    return of(data, batch_size=2, shuffle=True)


class Net(pl.LightningModule):
    def __init__(self, rate=0.05):
        super().__init__()
        self.save_hyperparameters()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), torch.nn.Dropout(0.3), torch.nn.Linear(16, 2)
        )
        self.losses = []

    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.body(batch[0]), batch[1])
        self.losses.append((int(self.trainer.global_step), index, loss.item()))
        return loss

    def validation_step(self, batch, index):
        self.log("val/loss", torch.nn.functional.cross_entropy(self.body(batch[0]), batch[1]))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=self.hparams.rate, total_steps=40)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Killed(pl.Callback):
    """Ends the process when it is about to take the batch behind so many, or has it end by a signal."""

    def __init__(self, batches, number=None):
        self.batches = batches
        self.number = number

    def on_train_batch_start(self, trainer, module, batch, index):
        if trainer.fit_loop.total_batch_idx == self.batches:
            if self.number is None:
                os._exit(9)
            os.kill(os.getpid(), self.number)


def main(run):
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
    module = Net()
    given = {"monitor": "val/loss", "every_n_train_steps": 3, **run.get("checkpoint", {})}
    checkpoint = ModelCheckpoint(os.path.join(run["folder"], "out"), **given)
    callbacks = [checkpoint, *([Killed(run["kill"], run.get("signal"))] if "kill" in run else [])]
    trainer = pl.Trainer(**{
        "max_epochs": 3, "accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False, "callbacks": callbacks,
        "num_sanity_val_steps": 1, "accumulate_grad_batches": 2, "default_root_dir": run["folder"], **run.get("trainer", {}),
    })  # fmt: skip
    if run.get("world", 1) > 1:
        torch.manual_seed(trainer.global_rank)
    validation = torch.utils.data.DataLoader(Data(6, 2), batch_size=3)
    trainer.fit(module, loader_of(run.get("loader", "plain"), run.get("world", 1)), validation, ckpt_path=run.get("resume"))
    if trainer.is_global_zero:
        done = {"state": module.state_dict(), "losses": module.losses, "best": checkpoint.best_model_path, "last": checkpoint.last_model_path}
        torch.save(done, os.path.join(run["folder"], "final.pt"))
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
