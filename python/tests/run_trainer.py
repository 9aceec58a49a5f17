"""A small training by transformers.Trainer: uninterrupted, killed behind a step, taken up again.

``main({"kind": "bert", "folder": …, "kill": 7, "resume": True, "callback": {…}, "args": {…}})``; at the end the weights are in FOLDER/final.pt
and the state of the Trainer in FOLDER/final.json.
"""

import os
import random

import numpy
import tokenizers_made
import torch
import transformers

import holdall.transformers

torch.set_num_threads(1)
STEPS = 12


class Data(torch.utils.data.Dataset):
    """Sequences of a seeded generator, with a class, or as their own continuation."""

    def __init__(self, count, seed, lm):
        make = torch.Generator().manual_seed(seed)
        self.ids = torch.randint(5, 60, (count, 10), generator=make)
        self.labels = self.ids if lm else self.ids[:, 0] % 3

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return {"input_ids": self.ids[index], "attention_mask": torch.ones_like(self.ids[index]), "labels": self.labels[index]}


def model_of(kind):
    small = {"vocab_size": 64, "initializer_range": 0.5}
    if kind == "bert":
        config = transformers.BertConfig(vocab_size=256, initializer_range=0.5, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=3)
        return transformers.BertForSequenceClassification(config)
    if kind == "mixtral":
        sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
        return transformers.MixtralForCausalLM(transformers.MixtralConfig(**small, **sizes, num_local_experts=3))
    if kind == "plain":
        return Plain()
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**small, n_embd=16, n_layer=2, n_head=2, n_positions=16))
    if kind == "lora":
        import peft

        model = peft.get_peft_model(model, peft.LoraConfig(r=2, lora_dropout=0.2, target_modules=["c_attn"], task_type="CAUSAL_LM", fan_in_fan_out=True))
    return model


class Plain(torch.nn.Module):
    """A module that is none of transformers', two of its weights tied."""

    def __init__(self):
        super().__init__()
        self.embed, self.out = torch.nn.Embedding(64, 8), torch.nn.Linear(8, 64, bias=False)
        self.out.weight = self.embed.weight
        self.drop = torch.nn.Dropout(0.3)

    def forward(self, input_ids, attention_mask, labels):
        logits = self.out(self.drop(self.embed(input_ids)))
        return {"loss": torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten()), "logits": logits}


class Killed(transformers.TrainerCallback):
    """Ends the process within the step behind `step`: as a power failure would, or by a signal to its last process."""

    def __init__(self, step, number=None):
        self.step = step
        self.number = number

    def on_step_begin(self, args, state, control, **_):
        if state.global_step == self.step and self.number is None:
            os._exit(9)
        if state.global_step == self.step and args.process_index == args.world_size - 1:
            os.kill(os.getpid(), self.number)


def trainer_of(run, checkpoints=None):
    given = {
        "output_dir": os.path.join(run["folder"], "out"), "max_steps": STEPS, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2,
        "learning_rate": 5e-2, "warmup_steps": 4, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2,
        "logging_steps": 1, "report_to": [], "use_cpu": True, "disable_tqdm": True, "metric_for_best_model": "loss", "load_best_model_at_end": True,
        "weight_decay": 0.01,
    }  # fmt: skip
    args = transformers.TrainingArguments(**{**given, **run.get("args", {})})
    lm = run["kind"] not in ("bert",)
    # 22 samples: 11 batches, 6 steps an epoch, the last of one batch.
    callbacks = [] if checkpoints is None else [checkpoints]
    if run.get("kill") is not None:
        callbacks.append(Killed(run["kill"], run.get("signal")))
    more = {}
    if run["kind"] == "bert":
        more["processing_class"] = tokenizers_made.bert()
    return transformers.Trainer(
        model_of(run["kind"]), args, train_dataset=Data(22, 1, lm), eval_dataset=Data(6, 2, lm), callbacks=callbacks, **more
    )


def main(run):
    random.seed(0), numpy.random.seed(0), torch.manual_seed(0)
    if run.get("last"):
        run["resume"] = holdall.transformers.last_checkpoint(os.path.join(run["folder"], "out"))
    checkpoints = None if run.get("stock") else holdall.transformers.CheckpointCallback(**run.get("callback", {}))
    trainer = trainer_of(run, checkpoints)
    trainer.train(resume_from_checkpoint=run.get("resume"))
    if trainer.is_world_process_zero():
        torch.save(trainer.model.state_dict(), os.path.join(run["folder"], "final.pt"))
        trainer.state.save_to_json(os.path.join(run["folder"], "final.json"))

