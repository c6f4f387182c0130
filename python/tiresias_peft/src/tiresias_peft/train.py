"""The `train` mode: from a configuration to a PEFT folder of adapters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from torch.distributed.device_mesh import DeviceMesh

from . import (
    CONTRACT,
    __version__,
    adapters,
    bases,
    checkpoints,
    data,
    estimates,
    events,
    files,
    hardware,
    optimizer,
    packing,
    sharding,
)
from .adapters import Adapters
from .attention import Segment
from .checkpoints import Progress
from .config import Arithmetic, TrainConfig
from .data import Dataset, Example
from .errors import BackendError, at
from .events import Metrics, say
from .rng import Rng
from .team import Team

RUN, DONE, METRICS, FOLDER = "run.json", "done.json", "metrics.jsonl", "adapter"


def run(config: TrainConfig, device: torch.device, team: Team, stopped: Callable[[], bool]) -> None:
    """Trains to the end, or until `stopped`, resuming what is there."""
    torch.set_num_threads(config.threads)
    if config.batch_size < team.count:
        raise BackendError(
            "CONFIG", f"`batch_size` {config.batch_size} is less than the {team.count} processes; each needs a row a step"
        )
    arithmetic = hardware.arithmetic(config.arithmetic, device)
    about = bases.about(config.base)
    dataset = data.load(config.data, about.vocabulary, about.context)
    dataset.check_budget(config.token_budget)
    identity = _identity(config, about, dataset, arithmetic)
    if (word := team.lead(lambda: _done_before(config.output, identity))) is not None:
        if team.leads:
            events.emit_line(word)
        return
    estimates.check_memory(config, about, device, team.count)
    training = _Training(config, about, dataset, arithmetic, device, team)
    # Only now, so that what cannot be trained leaves nothing behind.
    team.lead(lambda: _claim(config.output, identity))
    if team.leads:
        training.log = Metrics(config.output / METRICS)
    try:
        training.run(stopped)
    except BackendError as error:
        if training.log:
            training.log.record(events.error_event(error))
        raise
    finally:
        if training.log:
            training.log.sync()


def loss_and_gradient(
    model: Any, examples: list[Example], config: TrainConfig, arithmetic: Arithmetic, device: torch.device, labels: int
) -> tuple[float, int]:
    """Adds the gradient of the rows' part of the mean loss over `labels`; returns that part and how many labels have the largest
    logit."""
    loss_sum, correct = 0.0, 0
    for rows in packing.split(examples, config.token_budget, config.accumulate):
        pack = packing.pack(rows).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=arithmetic != "f32"):
            logits = packed_logits(model, pack)
        loss = torch.nn.functional.cross_entropy(logits, pack.targets, reduction="sum") / labels
        loss.backward()
        loss_sum += loss.item()
        correct += int((logits.detach().argmax(-1) == pack.targets).sum())
    return loss_sum, correct


def packed_logits(model: Any, pack: packing.Pack) -> torch.Tensor:
    """f32 logits at the kept positions alone: transformers takes those hidden states before the head."""
    out = model(
        input_ids=pack.ids,
        position_ids=pack.positions,
        use_cache=False,
        logits_to_keep=pack.kept,
        segments=[Segment(length) for length in pack.lengths],
    )
    return out.logits[0].float()


def _identity(config: TrainConfig, about: bases.About, dataset: Dataset, arithmetic: Arithmetic) -> dict[str, Any]:
    """Whatever can change the outcome: contents of files rather than their paths, and neither the threads nor how often checkpoints
    are written nor whether the base is in shards."""
    passing = ("output", "threads", "checkpoint_every", "shard_base")
    kept = {name: value for name, value in config.raw.items() if name not in passing}
    found = {"arithmetic": arithmetic, "base": {"sha256": about.sha256}, "data": {"sha256": dataset.sha256}}
    return {name: value for name, value in (kept | found).items() if value is not None}


def _done_before(output: Path, identity: dict[str, Any]) -> str | None:
    """Refuses an output folder that is another run's. Gives the `done` line if an earlier start of this run came to the end."""
    stored = files.read_if_present(output / RUN)
    if stored is None:
        return None
    try:
        earlier = files.unseal(stored)
    except ValueError:
        # A damaged one is nobody's, so that the first field differs.
        earlier = {}
    for field in sorted(identity.keys() | earlier.keys()):
        if identity.get(field) != earlier.get(field):
            raise at(
                "OTHER_RUN",
                output,
                f"holds a run with another `{field}`; choose another `output`, or remove this folder to start again",
            )
    return _finished(output)


def _claim(output: Path, identity: dict[str, Any]) -> None:
    """Makes the output folder this run's."""
    files.create_folder(output)
    if not (output / RUN).exists():
        files.write(output / RUN, files.seal(identity))


def _finished(output: Path) -> str | None:
    stored = files.read_if_present(output / DONE)
    if stored is None:
        return None
    try:
        word = files.unseal(stored)
        for name, digest in word["adapter"].items():
            data = files.read_if_present(output / FOLDER / name)
            if data is None or files.sha256(data) != digest:
                raise ValueError(f"`{FOLDER}/{name}` is missing or damaged")
        if Metrics(output / METRICS).mark() != word["metrics"]:
            raise ValueError(f"`{METRICS}` is damaged")
    except (ValueError, KeyError, AttributeError) as error:
        say(f"{output}: {error}; going on from a checkpoint")
        return None
    return word["line"]


class _Training:
    def __init__(
        self,
        config: TrainConfig,
        about: bases.About,
        dataset: Dataset,
        arithmetic: Arithmetic,
        device: torch.device,
        team: Team,
    ) -> None:
        self.config, self.about, self.dataset, self.arithmetic = config, about, dataset, arithmetic
        self.device, self.team = device, team
        self.log: Metrics | None = None
        """Of the process that leads."""
        self.base_name = config.base.path.resolve().name
        if config.shard_base and team.count > 1:
            mesh = sharding.mesh(team, device)
            self.adapters = team.in_turn(lambda: self._load(mesh))
        else:
            self.adapters = self._load(None)
        self.model = self.adapters.model
        self.model.train()
        if config.gradient_checkpointing:
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.weights = list(self.adapters.tensors.values())
        self.adamw = optimizer.adamw(self.weights, config.optimizer)
        self.progress = Progress()

    def _load(self, mesh: DeviceMesh | None) -> Adapters:
        """The base with adapters, on the device: this process's part of it where there is a mesh."""
        model = bases.load(self.about, self.arithmetic, self.device if mesh is None else None)
        try:
            adapters = Adapters(model, self.config.lora)
        except ValueError as error:
            raise BackendError("CONFIG", f"`lora.targets`: {error}") from error
        if mesh is not None:
            sharding.shard(model, mesh, self.device)
        return adapters

    def run(self, stopped: Callable[[], bool]) -> None:
        config, progress = self.config, self._begin()
        saved_at = progress.step
        self._emit(
            {
                "event": "start",
                "parameters": self.about.parameters,
                "trainable": self.adapters.parameters(),
                "examples": len(self.dataset.examples),
                "resumed_from": progress.step,
                "steps": config.steps,
                "arithmetic": self.arithmetic,
            }
        )
        while progress.step < config.steps:
            # All processes stop after the same step, whichever of them was signalled.
            if self.team.sum([float(stopped())])[0] > 0:
                if saved_at != progress.step:
                    self._save()
                raise BackendError(
                    "STOPPED", f"stopped by a signal after step {progress.step}; run the same command again to go on from there"
                )
            self._step()
            if progress.step % config.checkpoint_every == 0:
                self._save()
                saved_at = progress.step
        if self.team.leads:
            self._finish()

    def _begin(self) -> Progress:
        def resume() -> Progress:
            self.adapters.initialise(self.config.seed)
            assert self.log is not None
            progress = checkpoints.resume(self.config.output, self.adapters, self.adamw, self.log)
            if progress is None:
                self.log.cut(0)
            return progress or Progress()

        self.progress = self.team.lead(resume)
        self.team.follow(weight.data for weight in self.weights)
        if self.progress.step > 0:
            if not self.team.leads:
                zeros = checkpoints._moments(self.adapters, self.adamw)
                checkpoints._put_moments(self.adapters, self.adamw, zeros, self.progress.step)
            self.team.follow(self.adamw.state[w][m] for w in self.weights for m in ("exp_avg", "exp_avg_sq"))
        return self.progress

    def _step(self) -> None:
        config, progress, team = self.config, self.progress, self.team
        started = time.monotonic()
        step = progress.step + 1
        # Whatever a base may draw (dropout) is named by seed, step and process.
        torch.manual_seed(int(Rng([config.seed, 4, step, team.rank]).draws(1)[0]))
        order = data.batch(len(self.dataset.examples), config.batch_size, config.seed, step - 1)
        batch = [self.dataset.examples[i] for i in order]
        labels = sum(len(example.targets()) for example in batch)
        tokens = sum(len(example.ids) for example in batch)

        self.adamw.zero_grad()
        part = loss_and_gradient(self.model, team.share(batch), config, self.arithmetic, self.device, labels)
        loss, correct = team.sum(list(part))
        team.sum_gradients(self.weights)
        norm = torch.nn.utils.get_total_norm([w.grad for w in self.weights if w.grad is not None]).item()
        for what, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise BackendError(
                    "NOT_FINITE",
                    f"step {step}: the {what} is not finite; lower `optimizer.lr`, or lengthen `optimizer.warmup_steps`",
                )
        scale = optimizer.clip(norm, config.optimizer.max_grad_norm)
        lr = optimizer.learning_rate(config.optimizer, step, config.steps)
        for weight in self.weights:
            if scale != 1 and weight.grad is not None:
                weight.grad.mul_(scale)
        for group in self.adamw.param_groups:
            group["lr"] = lr
        self.adamw.step()

        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.monotonic() - started
        progress.step, progress.loss = step, loss
        progress.tokens += tokens
        progress.seconds += seconds
        self._emit(
            {
                "event": "step",
                "step": step,
                "loss": loss,
                "accuracy": correct / labels,
                "grad_norm": norm,
                "lr": lr,
                "tokens": tokens,
                "labels": labels,
                "seconds": seconds,
                "tokens_per_second": tokens / seconds,
            }
        )

    def _emit(self, event: events.Event) -> None:
        if self.log:
            self.log.emit(event)

    def _save(self) -> None:
        if not self.log:
            return
        # The line first: the metrics up to it are a part of the checkpoint.
        said = {"event": "checkpoint", "step": self.progress.step, "path": checkpoints.name(self.progress.step)}
        self.log.record(said)
        self.log.sync()
        checkpoints.save(self.config.output, self.progress, self.adapters, self.adamw, self.log, self.base_name)
        events.emit(said)

    def _finish(self) -> None:
        """Writes the folder of what was learned, then the `done` line that a later start repeats."""
        assert self.log is not None
        config, progress, about = self.config, self.progress, self.about
        contents = self.adapters.files(self.base_name)
        made_from = {
            "contract": CONTRACT,
            "backend": "peft",
            "versions": {
                "tiresias-peft": __version__,
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "peft": peft.__version__,
            },
            "arithmetic": self.arithmetic,
            "data": {"sha256": self.dataset.sha256, "examples": len(self.dataset.examples)},
            "steps": progress.step,
            "seed": config.seed,
            "base": {
                "sha256": about.sha256,
                "file": self.base_name,
                "name": about.name,
                "quantization": about.quantization,
                "parameters": about.parameters,
            },
        }
        contents[adapters.ABOUT] = adapters.about_file(made_from, contents)
        files.write_folder(config.output / FOLDER, contents)
        done = {
            "event": "done",
            "step": progress.step,
            "adapter": FOLDER,
            "loss": progress.loss,
            "tokens": progress.tokens,
            "seconds": progress.seconds,
            "tokens_per_second": progress.tokens / progress.seconds,
            "peak_rss_bytes": events.peak_rss_bytes(),
        }
        if self.device.type == "cuda":
            done["peak_device_bytes"] = torch.cuda.max_memory_allocated(self.device)
        # The metrics first: where the word is kept, everything that it speaks of is there.
        self.log.record(done)
        self.log.sync()
        hashes = {name: files.sha256(data) for name, data in contents.items()}
        word = {"line": events.line(done), "adapter": hashes, "metrics": self.log.mark()}
        files.write(config.output / DONE, files.seal(word))
        events.emit(done)
