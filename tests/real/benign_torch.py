"""What people save with torch, and with what trains on it: rows of benign.BENIGN."""

import collections
import functools
import io
import pathlib
import pickle


def saved(make, folder, name, **options):
    """`make(name)` saved as FOLDER/name.pt; options are torch.save's."""
    import torch

    path = folder / f"{name}.pt"
    torch.save(make(name), path, **options)
    return path


def legacy(make, folder, name):
    return saved(make, folder, name, _use_new_zipfile_serialization=False)


# --- States of samples.py in every container ---------------------------------------------------------------------------------

STATES = """bare_tensor state_dict every_dtype odd_shapes views conjugates tied parameters nested_values same_names cycles adam_checkpoint
    momentum_checkpoint adagrad_checkpoint quantized sparse many_small""".split()
TARRED = "bare_tensor state_dict tied nested_values cycles".split()


def state(name):
    import samples

    return samples.STATES[name]()


def tarred(folder, name):
    import torch_tar

    path = folder / f"{name}.tar"
    path.write_bytes(torch_tar.packed(torch_tar.members(state(name))))
    return path


# --- Optimizers, schedulers and other states of training ------------------------------------------------------------------------

OPTIMIZERS = """Adadelta Adafactor Adagrad Adam AdamW Adamax ASGD LBFGS Muon NAdam RAdam RMSprop Rprop SGD SparseAdam""".split()
SCHEDULERS = """LambdaLR MultiplicativeLR StepLR MultiStepLR ConstantLR LinearLR ExponentialLR CosineAnnealingLR PolynomialLR ReduceLROnPlateau
    CyclicLR OneCycleLR CosineAnnealingWarmRestarts SequentialLR ChainedScheduler SWALR""".split()


def trained(name, **options):
    import torch

    torch.manual_seed(3)
    if name == "SparseAdam":
        net = torch.nn.Embedding(10, 4, sparse=True)
        loss = lambda: net(torch.tensor([1, 2])).sum()  # noqa: E731
    else:
        net = torch.nn.Linear(4, 3, bias=name != "Muon")
        loss = lambda: net(torch.ones(2, 4)).square().sum()  # noqa: E731
    options = {"lr": 0.01} | ({"momentum": 0.9} if name in ("SGD", "RMSprop") else {}) | options
    optimizer = getattr(torch.optim, name)(net.parameters(), **options)

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(2):
        optimizer.step(closure)
    return net, optimizer


def optimizer_state(name):
    net, optimizer = trained(name)
    return {"epoch": 2, "model": net.state_dict(), "optimizer": optimizer.state_dict()}


def capturable_state(name):
    return trained(name, maximize=True, foreach=False)[1].state_dict()


def warmups():
    import transformers

    optimizer = trained("SGD")[1]
    return [
        transformers.get_scheduler(name, optimizer, num_warmup_steps=1, num_training_steps=5)
        for name in ("constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt")
    ]


def schedule_of(name, optimizer):
    from torch.optim import lr_scheduler, swa_utils

    make = {
        "LambdaLR": lambda: lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch),
        "MultiplicativeLR": lambda: lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.9),
        "StepLR": lambda: lr_scheduler.StepLR(optimizer, 2),
        "MultiStepLR": lambda: lr_scheduler.MultiStepLR(optimizer, [1, 3]),
        "CosineAnnealingLR": lambda: lr_scheduler.CosineAnnealingLR(optimizer, 10),
        "CyclicLR": lambda: lr_scheduler.CyclicLR(optimizer, 0.1, 0.2, scale_fn=lambda x: 0.5),
        "OneCycleLR": lambda: lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=10),
        "CosineAnnealingWarmRestarts": lambda: lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3),
        "ExponentialLR": lambda: lr_scheduler.ExponentialLR(optimizer, 0.9),
        "SequentialLR": lambda: lr_scheduler.SequentialLR(optimizer, [lr_scheduler.ConstantLR(optimizer), lr_scheduler.StepLR(optimizer, 2)], [2]),
        "ChainedScheduler": lambda: lr_scheduler.ChainedScheduler([lr_scheduler.ConstantLR(optimizer), lr_scheduler.StepLR(optimizer, 2)]),
        "SWALR": lambda: swa_utils.SWALR(optimizer, 0.05),
    }
    schedule = make.get(name, lambda: getattr(lr_scheduler, name)(optimizer))()
    for _ in range(2):
        optimizer.step()
        schedule.step(0.5) if name == "ReduceLROnPlateau" else schedule.step()
    return schedule


def scheduler_state(name):
    _, optimizer = trained("SGD")
    return {"scheduler": schedule_of(name, optimizer).state_dict(), "optimizer": optimizer.state_dict()}


def scheduler_whole(name):
    return schedule_of(name, trained("SGD")[1])


def optimizer_whole(name):
    return trained(name)[1]


# --- Whole modules --------------------------------------------------------------------------------------------------------------

# Classes of torch.nn by the arguments that they are made with.
MODULES = {
    "Linear": (3, 2), "Bilinear": (2, 3, 4), "Identity": (), "Conv1d": (2, 3, 1), "Conv2d": (2, 3, 3), "Conv3d": (1, 2, 1),
    "ConvTranspose1d": (2, 3, 1), "ConvTranspose2d": (2, 3, 3), "ConvTranspose3d": (1, 2, 1), "BatchNorm1d": (3,), "BatchNorm2d": (3,),
    "BatchNorm3d": (3,), "SyncBatchNorm": (3,), "GroupNorm": (1, 2), "InstanceNorm1d": (3,), "InstanceNorm2d": (3,), "LayerNorm": (3,),
    "RMSNorm": (3,), "LocalResponseNorm": (2,), "CrossMapLRN2d": (2,), "Embedding": (5, 3), "EmbeddingBag": (5, 3), "RNN": (2, 3),
    "LSTM": (2, 3), "GRU": (2, 3), "RNNCell": (2, 3), "LSTMCell": (2, 3), "GRUCell": (2, 3), "MultiheadAttention": (4, 2),
    "TransformerEncoderLayer": (4, 2, 8), "TransformerDecoderLayer": (4, 2, 8), "Transformer": (4, 2, 1, 1, 8), "ReLU": (), "ReLU6": (),
    "LeakyReLU": (), "PReLU": (), "ELU": (), "SELU": (), "CELU": (), "GELU": (), "SiLU": (), "Mish": (), "Sigmoid": (), "Tanh": (),
    "Softmax": (1,), "LogSoftmax": (1,), "Softplus": (), "Softshrink": (), "Hardtanh": (), "Hardswish": (), "Hardsigmoid": (), "Threshold": (0.1, 0.0),
    "GLU": (), "RReLU": (), "Softmin": (1,), "Softsign": (), "Tanhshrink": (), "LogSigmoid": (), "Hardshrink": (), "Dropout": (), "Dropout2d": (),
    "AlphaDropout": (), "MaxPool1d": (2,), "MaxPool2d": (2,), "AvgPool2d": (2,), "LPPool2d": (2, 3), "AdaptiveAvgPool2d": (1,), "AdaptiveMaxPool1d": (2,),
    "FractionalMaxPool2d": (2, 3), "MaxUnpool2d": (2,), "Flatten": (), "Unflatten": (1, (2, 2)), "Fold": ((4, 4), 2), "Unfold": (2,),
    "PixelShuffle": (2,), "PixelUnshuffle": (2,), "ChannelShuffle": (2,), "Upsample": ((4, 4),), "UpsamplingBilinear2d": ((4, 4),), "ZeroPad2d": (1,),
    "ReflectionPad2d": (1,), "ReplicationPad1d": (1,), "ConstantPad3d": (1, 0.0), "CircularPad1d": (1,), "CrossEntropyLoss": (), "MSELoss": (),
    "L1Loss": (), "NLLLoss": (), "BCELoss": (), "BCEWithLogitsLoss": (), "SmoothL1Loss": (), "HuberLoss": (), "KLDivLoss": (), "CTCLoss": (),
    "TripletMarginLoss": (), "TripletMarginWithDistanceLoss": (), "CosineEmbeddingLoss": (), "MarginRankingLoss": (), "AdaptiveLogSoftmaxWithLoss": (4, 8, [3]),
    "GaussianNLLLoss": (), "PoissonNLLLoss": (), "CosineSimilarity": (), "PairwiseDistance": (), "ParameterList": (), "ParameterDict": (), "ModuleDict": (),
}


def module(name):
    import torch

    return getattr(torch.nn, name)(*MODULES[name])


def sequential():
    import torch

    nn = torch.nn
    return nn.Sequential(
        collections.OrderedDict(
            [("conv", nn.Conv2d(3, 8, 3, padding=1)), ("norm", nn.BatchNorm2d(8)), ("act", nn.ReLU(inplace=True)), ("pool", nn.AdaptiveAvgPool2d(1)),
             ("flat", nn.Flatten()), ("head", nn.Sequential(nn.Dropout(0.1), nn.Linear(8, 4), nn.Softmax(dim=-1)))]
        )
    )  # fmt: skip


def transformer():
    import torch

    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)
    return torch.nn.TransformerEncoder(layer, 2, norm=torch.nn.LayerNorm(8), enable_nested_tensor=False)


def module_lists():
    import torch

    nn = torch.nn
    return nn.ModuleDict({"blocks": nn.ModuleList([nn.Linear(2, 2) for _ in range(3)]), "scale": nn.ParameterList([nn.Parameter(torch.ones(2))])})


def weight_normed():
    import torch

    return torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 3)).state_dict()


def old_weight_normed():
    import torch

    return torch.nn.utils.weight_norm(torch.nn.Linear(3, 3))


def pruned():
    import torch
    import torch.nn.utils.prune

    module = torch.nn.Linear(4, 4)
    torch.nn.utils.prune.l1_unstructured(module, "weight", 3)
    return module


def averaged():
    import torch

    return torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2, 2)).state_dict()


def ema():
    import torch

    return torch.optim.swa_utils.AveragedModel(torch.nn.Linear(2, 2), multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)).state_dict()


def dynamic_quantized():
    import torch

    quantize = torch.ao.quantization.quantize_dynamic
    return quantize(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), {torch.nn.Linear}, dtype=torch.qint8).state_dict()


def grad_scaler():
    import torch

    return torch.amp.GradScaler("cpu").state_dict() | {"whole": torch.amp.GradScaler("cuda", enabled=False).state_dict()}


def random_states():
    import random

    import numpy
    import torch

    numpy.random.seed(3)
    return {
        "python": random.getstate(), "numpy": numpy.random.get_state(), "torch": torch.get_rng_state(), "cuda": [torch.ByteTensor(16)],
        "generator": numpy.random.default_rng(3).bit_generator.state, "torch_generator": torch.Generator().manual_seed(2).get_state(),
    }  # fmt: skip


def loader_state():
    import torch
    from torchdata.stateful_dataloader import StatefulDataLoader

    loader = StatefulDataLoader(list(range(20)), batch_size=4, shuffle=True)
    steps = iter(loader)
    next(steps)
    return {"loader": loader.state_dict(), "sampler": torch.utils.data.RandomSampler(range(3)).generator}


def loaders():
    """With what puts their batches together."""
    import torch

    padded = torch.nn.utils.rnn.pad_sequence
    collates = [None, list, tuple, torch.stack, padded, functools.partial(padded, batch_first=True, padding_value=-1.0)]
    found = [torch.utils.data.DataLoader([torch.ones(2)], collate_fn=collate) for collate in collates]
    return [*found, *(torch.utils.data.DataLoader([1], num_workers=1, multiprocessing_context=name) for name in ("fork", "spawn", "forkserver"))]


def quantized_convolutions():
    import torch.ao.nn.quantized as quantized

    return [quantized.Conv1d(2, 4, 3), quantized.Conv2d(4, 8, (3, 1), stride=2, groups=2), quantized.ConvTranspose2d(2, 4, 3)]


def numbers_of_numpy():
    import numpy

    return {
        "scalars": [numpy.float32(1.5), numpy.int64(3), numpy.bool_(True), numpy.float64("nan"), numpy.str_("a"), numpy.complex64(1j)],
        "metrics": {"loss": numpy.float64(0.25), "acc": numpy.array([0.5, 0.75])}, "names": numpy.array(["cat", "dog"]),
        "objects": numpy.array([{"a": 1}, "b", None], dtype=object), "dates": numpy.array(["2024-01-01"], dtype="datetime64[D]"),
        "dtype": numpy.dtype("float32"), "record": numpy.zeros(2, dtype=[("x", "f4"), ("y", "i8", 2)]),
    }  # fmt: skip


def return_types():
    import torch

    x = torch.arange(6.0).reshape(2, 3)
    return {"max": torch.max(x, 1), "topk": torch.topk(x, 2), "sort": torch.sort(x), "svd": torch.linalg.svd(x), "eigh": torch.linalg.eigh(torch.eye(2))}


def packed_sequence():
    import torch

    return torch.nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])


def nested_tensors():
    import torch

    return {"strided": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "jagged": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged)}


def gradients():
    import torch

    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    weight.marked = "yes"
    buffer = torch.nn.Buffer(torch.zeros(1))
    return {"weight": weight, "buffer": buffer, "storage": torch.ones(3).untyped_storage(), "typed": torch.FloatStorage([1, 2])}


def devices():
    import torch

    return {"meta": torch.empty(3, 2, device="meta"), "device": torch.device("cuda", 1), "dtypes": [torch.float8_e4m3fn, torch.bool], "size": torch.Size([1, 2]),
            "layout": torch.strided, "version": torch.__version__, "largest": torch.finfo(torch.float16).max}  # fmt: skip


def dataset():
    import torch

    data = torch.utils.data.TensorDataset(torch.ones(4, 2), torch.zeros(4))
    return {"all": data, "part": torch.utils.data.Subset(data, [0, 2]), "both": torch.utils.data.ConcatDataset([data, data])}


def distributions():
    import torch

    of = torch.distributions
    return [of.Normal(0.0, torch.ones(2)), of.Categorical(torch.ones(3)), of.Bernoulli(0.5), of.MultivariateNormal(torch.zeros(2), torch.eye(2))]


MADE = {
    made.__name__: made
    for made in (
        sequential, transformer, module_lists, weight_normed, old_weight_normed, pruned, averaged, ema, dynamic_quantized, grad_scaler, random_states,
        loader_state, loaders, warmups, quantized_convolutions, numbers_of_numpy, return_types, packed_sequence, nested_tensors, gradients, devices, dataset, distributions,
    )
}  # fmt: skip


# --- Checkpoints as programs write them -------------------------------------------------------------------------------------------


def net():
    import torch

    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))


def lightning(folder, name):
    """Of a real Trainer; `hyper` has hyperparameters of every ordinary kind, `old` is the dictionary that version 1 documents."""
    import argparse

    import torch

    if name == "old":
        state = {
            "epoch": 3, "global_step": 120, "pytorch-lightning_version": "1.5.10", "state_dict": net().state_dict(), "loops": {"fit_loop": {"state_dict": {}}},
            "callbacks": {"ModelCheckpoint{'monitor': 'val_loss'}": {"best_model_path": "/x/epoch=3.ckpt", "best_model_score": torch.tensor(0.5), "kth_value": torch.tensor(0.5)}},
            "optimizer_states": [trained("Adam")[1].state_dict()], "lr_schedulers": [scheduler_state("StepLR")["scheduler"]], "native_amp_scaling_state": {"scale": 65536.0},
            "hparams_name": "hparams", "hyper_parameters": argparse.Namespace(lr=1e-3, layers=[4, 8], gpus=None, path="data"),
        }  # fmt: skip
        torch.save(state, folder / "old.ckpt")
        return folder / "old.ckpt"
    if name in ("attributes", "omegaconf"):
        import omegaconf
        from lightning.fabric.utilities.data import AttributeDict

        settings = {"lr": 1e-3, "layers": [4, 8], "gpus": None, "amp": True, "data": {"path": pathlib.Path("a"), "name": "x-${lr}"}}
        kept = omegaconf.OmegaConf.create(settings) if name == "omegaconf" else AttributeDict(settings)
        torch.save({"epoch": 3, "state_dict": net().state_dict(), "hparams_name": "hparams", "hyper_parameters": kept}, folder / f"{name}.ckpt")
        return folder / f"{name}.ckpt"
    import logging

    import lightning.pytorch as pl

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self, lr=0.1, sizes=(4, 8), options=None):
            super().__init__()
            self.save_hyperparameters()
            self.net = net()

        def training_step(self, batch, index):
            loss = self.net(batch).square().mean()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            optimizer = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr)
            return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 1)}

    options = {"a": 1, "device": torch.device("cpu"), "dtype": torch.float32} if name == "hyper" else None
    callbacks = [pl.callbacks.ModelCheckpoint(dirpath=folder, filename=name, monitor="loss"), pl.callbacks.EarlyStopping("loss"), pl.callbacks.StochasticWeightAveraging(0.1)]
    trainer = pl.Trainer(
        max_epochs=2, logger=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu", callbacks=callbacks, default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(Module(options=options), torch.utils.data.DataLoader(torch.ones(8, 4), batch_size=4))
    trainer.save_checkpoint(folder / f"{name}.ckpt", weights_only=name == "weights")
    return folder / f"{name}.ckpt"


def trainer(folder, name):
    """A checkpoint folder of transformers' Trainer."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = transformers.BertConfig(vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=2)
    model = transformers.BertForSequenceClassification(config)
    data = [{"input_ids": torch.arange(4) + i, "labels": i % 2} for i in range(4)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=2, save_steps=2, report_to=[], use_cpu=True, disable_tqdm=True, optim="adafactor" if name == "adafactor" else "adamw_torch",
        lr_scheduler_type="cosine" if name == "adafactor" else "linear", logging_steps=1, per_device_train_batch_size=2,
    )  # fmt: skip
    transformers.Trainer(model, arguments, train_dataset=data).train()
    return folder / "checkpoint-2"


def accelerate(folder, name):
    import torch
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True)
    module = net()
    optimizer = torch.optim.AdamW(module.parameters())
    loader = torch.utils.data.DataLoader(torch.ones(4, 4))
    module, optimizer, loader, schedule = accelerator.prepare(module, optimizer, loader, torch.optim.lr_scheduler.StepLR(optimizer, 1))
    accelerator.save_state(str(folder / name), safe_serialization=name == "safetensors")
    return folder / name


def distributed(folder, name):
    import torch.distributed.checkpoint as dcp

    model, optimizer = trained("AdamW")
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": 3, "options": {"lr": 0.1, "names": ["a", "b"]}}
    if name == "safetensors":
        dcp.save(model.state_dict(), storage_writer=dcp.HuggingFaceStorageWriter(str(folder / name)), no_dist=True)
    elif name == "step":
        dcp.save(state, checkpoint_id=folder / name / "step_3", no_dist=True)
    else:
        dcp.save(state, storage_writer=dcp.FileSystemWriter(folder / name, single_file_per_rank=name == "one_file"), no_dist=True)
    return folder / name


def exported(folder, name):
    import torch

    path = folder / f"{name}.pt2"
    torch.export.save(torch.export.export(net().eval(), (torch.ones(2, 4),)), path)
    return path


def scripted(folder, name):
    import torch

    path = folder / f"{name}.pt"
    script = torch.jit.trace(net().eval(), torch.ones(2, 4)) if name == "traced" else torch.jit.script(sequential().eval())
    torch.jit.save(script, path)
    return path


def sharded(folder, name):
    """States whose tensors are one process's part of a mesh."""
    import torch
    import torch.distributed
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        if name == "tensor":
            value = {"w": distribute_tensor(torch.ones(4, 2), init_device_mesh("cpu", (1,)), [Shard(0)])}
        elif name == "data_parallel":
            value = torch.nn.parallel.DistributedDataParallel(net())
        else:
            layers = torch.nn.Sequential(torch.nn.Linear(4, 4))
            fully_shard(layers)
            optimizer = torch.optim.AdamW(layers.parameters())
            layers(torch.ones(1, 4)).sum().backward()
            optimizer.step()
            value = {"model": layers.state_dict(), "optimizer": optimizer.state_dict()}
        torch.save(value, folder / "model.pt")
    finally:
        torch.distributed.destroy_process_group()
    return folder / "model.pt"


def extra_state(folder, name):
    """What TransformerEngine keeps of its scales in a state dict: pickled, and as a file of torch.save."""
    import safetensors.torch
    import torch

    scales = {"scale_fwd": torch.ones(3), "amax_history_fwd": torch.zeros(16, 3), "extra_fp8_variables": {"num_gemms": 1}, "recipe": collections.OrderedDict(margin=0)}
    file = io.BytesIO()
    torch.save(scales, file)
    as_tensor = {"layer._extra_state": torch.frombuffer(bytearray(pickle.dumps(scales)), dtype=torch.uint8), "layer.weight": torch.ones(2, 2)}
    path = folder / name
    if name == "tensor.safetensors":
        safetensors.torch.save_file(as_tensor, path)
    elif name == "bytes.pkl":
        path.write_bytes(pickle.dumps({"state": pickle.dumps(scales), "raw": b"\x80\x04" + bytes(range(200))}))
    else:
        torch.save(as_tensor if name == "tensor.pt" else {"layer._extra_state": file, "layer.weight": torch.ones(2, 2)}, path)
    return path


def each(family, names, make):
    return {f"{family}/{name}": functools.partial(make, name=name) for name in names}


def rows():
    def store(make, save=saved, **options):
        return lambda folder, name: save(make, folder, name, **options)

    found = each("torch-zip", STATES, store(state)) | each("torch-legacy", STATES, store(state, legacy)) | each("torch-tar", TARRED, tarred)
    for protocol in (3, 4, 5):
        found |= each(f"torch-protocol-{protocol}", STATES, store(state, pickle_protocol=protocol))
    found |= each("torch-optimizer", OPTIMIZERS, store(optimizer_state)) | each("torch-optimizer-legacy", OPTIMIZERS, store(optimizer_state, legacy))
    found |= each("torch-optimizer-whole", OPTIMIZERS, store(optimizer_whole))
    found |= each("torch-scheduler", SCHEDULERS, store(scheduler_state))
    found |= each("torch-scheduler-whole", [name for name in SCHEDULERS if name not in ("LambdaLR", "MultiplicativeLR", "CyclicLR")], store(scheduler_whole))
    found |= each("torch-module", MODULES, store(module)) | each("torch-made", MADE, store(lambda name: MADE[name]()))
    found |= each("lightning", ["plain", "hyper", "weights", "old", "attributes", "omegaconf"], lightning) | each("trainer", ["adamw", "adafactor"], trainer)
    found |= each("torch-distributed", ["one_file", "many_files", "step", "safetensors"], distributed)
    found |= each("torch-sharded", ["tensor", "fsdp", "data_parallel"], sharded)
    found |= each("accelerate", ["safetensors", "pickled"], accelerate)
    found |= each("torch-extra-state", ["tensor.pt", "stream.pt", "tensor.safetensors", "bytes.pkl"], extra_state)
    return found | each("torch-export", ["program"], exported) | each("torchscript", ["traced", "scripted"], scripted)
