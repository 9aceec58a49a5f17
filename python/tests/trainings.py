"""Small trainings for the tests of checkpoints: each as it is in plain PyTorch, and with a Checkpointer around the same loop.

``python trainings.py`` serves runs: a line of JSON on standard input, a process of its own for each, forked from one that has the
libraries imported and has computed nothing; a line with its exit status on standard output. "kill_after": seconds, if it lives so long.
"""

import json
import math
import os
import random
import signal
import sys
import time
import traceback
import warnings

import numpy
import torch

import holdall

SAMPLES, BATCH, EPOCHS = 40, 4, 3
STEPS = SAMPLES // BATCH


class Samples(torch.utils.data.Dataset):
    """Samples with noise of all generators, as augmentations add it."""

    def __init__(self, *shape, classes=4):
        generator = torch.Generator().manual_seed(7)
        self.x = torch.randn(SAMPLES, *shape, generator=generator)
        self.y = torch.randint(0, classes, (SAMPLES,), generator=generator)

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        noise = random.random() + numpy.random.random() + torch.rand(()).item()
        return self.x[index] * (1 + 0.1 * noise), self.y[index]


class Texts(torch.utils.data.Dataset):
    """Tokens, some of them masked at random."""

    def __init__(self):
        self.tokens = torch.randint(5, 40, (SAMPLES, 12), generator=torch.Generator().manual_seed(7))

    def __len__(self):
        return SAMPLES

    def __getitem__(self, index):
        tokens = self.tokens[index]
        return torch.where(torch.rand(12) < 0.15, torch.tensor(3), tokens), tokens


class Stream(torch.utils.data.IterableDataset):
    """Samples that nobody can ask for by index."""

    def __init__(self):
        self.samples = Samples(8)

    def __iter__(self):
        info = torch.utils.data.get_worker_info()
        for index in range(0 if info is None else info.id, SAMPLES, 1 if info is None else info.num_workers):
            yield self.samples[index]


class Training:
    """`named`: what has a state, by the keyword it is given to a Checkpointer with. An epoch may have what comes behind its batches."""

    def __init__(self, dataset, workers=0, loader=torch.utils.data.DataLoader, **options):
        shuffle = {} if isinstance(dataset, torch.utils.data.IterableDataset) else {"shuffle": True}
        self.loader = loader(dataset, batch_size=BATCH, num_workers=workers, **shuffle, **options)
        self.named = {}

    def train(self, batch):
        x, y = batch
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def before(self, epoch):
        random.random()

    def behind(self, epoch):
        torch.rand(3)
        numpy.random.random()

    def is_whole(self):
        """Whether the gradients have been used."""
        return True

    @property
    def model(self):
        return self.named["model"]

    @property
    def optimizer(self):
        return self.named["optimizer"]


class Mlp(Training):
    def __init__(self, **options):
        super().__init__(Samples(8), **options)
        linear = torch.nn.Linear
        model = torch.nn.Sequential(linear(8, 32), torch.nn.Dropout(0.3), torch.nn.ReLU(), linear(32, 32), torch.nn.Dropout(0.3), linear(32, 4))
        self.named = {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), 0.01)}


class OfAStream(Mlp):
    def __init__(self, **options):
        super().__init__(**options)
        of = torch.utils.data.DataLoader
        self.loader = of(Stream(), batch_size=BATCH, num_workers=options.get("workers", 0))


class OfItsOwnGenerator(Mlp):
    """Order by a generator of the loader's own, which only its state tells."""

    def __init__(self, **options):
        super().__init__(generator=torch.Generator().manual_seed(11), **options)


class Cnn(Training):
    def __init__(self, **options):
        super().__init__(Samples(3, 8, 8), **options)
        conv = torch.nn.Conv2d(3, 6, 3)
        model = torch.nn.Sequential(conv, torch.nn.BatchNorm2d(6), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(6, 4))
        optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True)
        self.named = {"model": model, "optimizer": optimizer, "scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)}

    def behind(self, epoch):
        super().behind(epoch)
        self.named["scheduler"].step()


class Bert(Training):
    def __init__(self, **options):
        from transformers import BertConfig, BertForMaskedLM

        super().__init__(Texts(), **options)
        model = BertForMaskedLM(BertConfig(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=16))
        self.named = {"model": model, "optimizer": torch.optim.AdamW(model.parameters(), 0.01)}

    def train(self, batch):
        self.optimizer.zero_grad()
        loss = self.model(input_ids=batch[0], labels=batch[1]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item()


class Gpt2(Bert):
    def __init__(self, **options):
        from transformers import GPT2Config, GPT2LMHeadModel, get_linear_schedule_with_warmup

        Training.__init__(self, Texts(), **options)
        model = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=2, n_head=2))
        optimizer = torch.optim.AdamW(model.parameters(), 0.01)
        self.named = {"model": model, "optimizer": optimizer, "scheduler": get_linear_schedule_with_warmup(optimizer, 5, STEPS * EPOCHS)}

    def train(self, batch):
        loss = super().train(batch)
        self.named["scheduler"].step()
        return loss


class Accumulating(Mlp):
    """An optimizer's step behind every fourth batch, over the borders of epochs too."""

    def __init__(self, **options):
        super().__init__(**options)
        self.named["count"] = self.count = Count()

    def train(self, batch):
        loss = torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        (loss / 4).backward()
        self.count.value += 1
        if self.count.value % 4 == 0:
            self.optimizer.step()
            self.optimizer.zero_grad()
        return loss.item()

    def is_whole(self):
        return self.count.value % 4 == 0


class Count:
    """Something of the user's own with a state."""

    def __init__(self):
        self.value = 0

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


class Mixed(Cnn):
    """bfloat16 with a gradient scaler, which passes over the steps of its first batches: their gradients are infinite."""

    def __init__(self, **options):
        super().__init__(**options)
        self.named["scaler"] = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=3)

    def train(self, batch):
        scaler = self.named["scaler"]
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = 4 * torch.nn.functional.cross_entropy(self.model(batch[0]), batch[1])
        scaler.scale(loss).backward()
        scaler.step(self.optimizer)
        scaler.update()
        return loss.item()


class Cosine(Mlp):
    """A cosine behind a warm-up, a step of the schedule for each of the training."""

    def __init__(self, **options):
        super().__init__(**options)
        schedules = torch.optim.lr_scheduler
        warm = schedules.LinearLR(self.optimizer, 0.1, total_iters=5)
        cosine = schedules.CosineAnnealingLR(self.optimizer, STEPS * EPOCHS - 5)
        self.named["scheduler"] = schedules.SequentialLR(self.optimizer, [warm, cosine], [5])

    def train(self, batch):
        loss = super().train(batch)
        self.named["scheduler"].step()
        return loss


class Averaged(Cnn):
    def __init__(self, **options):
        super().__init__(**options)
        self.named["ema"] = torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), use_buffers=True)

    def train(self, batch):
        loss = super().train(batch)
        self.named["ema"].update_parameters(self.model)
        return loss


TRAININGS = {
    "mlp": Mlp,
    "cnn": Cnn,
    "bert": Bert,
    "gpt2": Gpt2,
    "accumulating": Accumulating,
    "mixed": Mixed,
    "cosine": Cosine,
    "averaged": Averaged,
    "stream": OfAStream,
    "own generator": OfItsOwnGenerator,
}


def made(of, loader="torch", **options):
    if loader == "torchdata":
        from torchdata.stateful_dataloader import StatefulDataLoader

        options["loader"] = StatefulDataLoader
    random.seed(1)
    numpy.random.seed(2)
    torch.manual_seed(3)
    return TRAININGS[of](**options)


def ended(training, losses):
    """All that must be the same, whatever has happened."""
    states = {name: target.state_dict() for name, target in training.named.items()}
    generators = {"python": random.getstate(), "numpy": numpy.random.get_state(), "torch": torch.get_rng_state()}
    # Those that an optimizer's step has used are nobody's any more.
    gradients = {name: value.grad for name, value in training.model.named_parameters() if not training.is_whole()}
    assert all(map(math.isfinite, losses))
    return {"states": states, "generators": generators, "gradients": gradients, "losses": losses}


def plain(training):
    """The training as PyTorch's documentation has it."""
    losses = []
    for epoch in range(EPOCHS):
        training.before(epoch)
        for batch in training.loader:
            losses.append(training.train(batch))
        training.behind(epoch)
    return ended(training, losses)


class Killer:
    """Ends the process, as a kill from outside would, at a moment of the training: ("step", 7) behind that step's batch, ("saved", 7)
    behind the call of ckpt.step, ("written", 7) once it is on disk, ("behind", 1) behind what follows that epoch's batches."""

    def __init__(self, at):
        self.at = None if at is None else tuple(at)

    def come(self, *moment):
        if self.at == moment:
            os._exit(137)


def with_checkpoints(training, folder, at=None, loops="start", whole=False, lost=None, **options):
    """The same with a Checkpointer around it. `whole`: ckpt.step() behind steps of the optimizer only. What a killed process has written is there
    without sync."""
    killer, losses = Killer(at), Count()
    with holdall.Checkpointer(folder, **{"every_steps": 3, "keep_last": 3, "sync": False, **options}) as ckpt:
        named = {**training.named, "losses": Losses(losses)}
        start = ckpt.resume(**named, loader=training.loader)
        losses.value = losses.value or []
        for epoch in start.epochs(EPOCHS) if loops == "start" else range(start.epoch, EPOCHS):
            training.before(epoch)
            for step, batch in start.steps(training.loader):
                losses.value.append(training.train(batch))
                killer.come("step", step)
                if not whole or training.is_whole():
                    ckpt.step(epoch=epoch, step=step, metrics={"loss": losses.value[-1]})
                killer.come("saved", step)
                if killer.at == ("written", step):
                    ckpt.wait()
                    killer.come("written", step)
            training.behind(epoch)
            killer.come("behind", epoch)
            if loops == "own":
                ckpt.save(epoch=epoch)
            killer.come("epoch", epoch)
    return ended(training, losses.value)


class Losses:
    """The losses so far as something with a state, so that a resumed run ends with all of them."""

    def __init__(self, of):
        self.of = of

    def state_dict(self):
        return {"losses": list(self.of.value or [])}

    def load_state_dict(self, state):
        self.of.value = list(state["losses"])


def run(order):
    """One line of JSON: {"training": {…}, "out": path} of a plain one, with "folder" and more of one with checkpoints."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    training = made(**order["training"])
    out = order.pop("out")
    given = {key: value for key, value in order.items() if key != "training"}
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", holdall.HoldallWarning)
        result = with_checkpoints(training, **given) if given else plain(training)
    result["warnings"] = [str(warning.message) for warning in told if issubclass(warning.category, holdall.HoldallWarning)]
    torch.save(result, out)


def serve():
    import torch._dynamo  # optimizers import it when they are made

    torch.set_num_threads(1)
    for line in sys.stdin:
        order = json.loads(line)
        if order["training"]["of"] in ("bert", "gpt2"):
            from transformers import BertForMaskedLM, GPT2LMHeadModel  # noqa: F401
        seconds = order.pop("kill_after", None)
        child = os.fork()
        if child == 0:
            try:
                run(order)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        run(json.loads(sys.argv[1]))
