"""Trains the bundled model: `python train.py --out DIR` on one GPU; an interrupted run goes on from DIR/state.pt.

Batches are made by worker processes while the GPU works; every step has its own fresh documents. The loss is the cross entropy of
the next token plus that of the MTP layer's draft; the routing is balanced by the correction bias alone (Wang et al. 2024,
"Auxiliary-Loss-Free Load Balancing Strategy for Mixture-of-Experts").
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
import torch.nn.functional as F
from torch import Tensor

import data
import export
from model import Config, Model, document_mask, masked_attention, packed_attention


@dataclass(frozen=True)
class Plan:
    steps: int = 14000
    batch: int = 32768
    longest: int = 1536
    warmup: int = 200
    peak: float = 2e-3
    floor: float = 0.02  # of the peak, at the end
    decay: float = 0.6  # the share of the steps in which the rate falls
    weight_decay: float = 0.1
    mtp_weight: float = 0.3
    bias_rate: float = 1e-3
    seed: int = 20260


def rate(plan: Plan, step: int, passed: float) -> float:
    """Linear warm-up, a plateau, then a linear fall; `passed` is the share of the steps, or of the time, that is over."""
    left = min(1.0, max(0.0, 1 - passed) / plan.decay)
    return plan.peak * min((step + 1) / plan.warmup, 1.0) * (plan.floor + (1 - plan.floor) * left)


START = time.monotonic()
EXPORT_SECONDS = 10  # of --fit, kept for saving and exporting
SAVE_SECONDS = 60  # between two saved states: no more than this is lost with the machine
_tokenizer = None


def _make(job: tuple[int, int, int, int]):
    global _tokenizer
    if _tokenizer is None:
        torch.set_num_threads(1)
        _tokenizer = data.load_tokenizer()
    return data.make_batch(_tokenizer, *job)


def batches(plan: Plan, first: int, workers: int) -> Iterator[data.Batch]:
    """Batches first, first + 1, ... without end, made ahead by the workers, but not further ahead than memory likes."""
    ignoring = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the trainer; of a worker that dies this pool tells
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), signal.signal, ignoring)
    try:
        pending = []
        while True:
            while len(pending) < 8 * workers:
                pending.append(pool.submit(_make, (plan.seed, first, plan.batch, plan.longest)))
                first += 1
            yield pending.pop(0).result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def losses(model: Model, batch: list[Tensor], longest: int) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of the next token, loss of the draft, load of the experts [layers, experts] with the MTP layer last."""
    tokens, weights, positions, starts = batch
    cuda = tokens.is_cuda
    attend = packed_attention(starts, longest) if cuda else masked_attention(document_mask(positions))
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=cuda):
        hidden, load = model(tokens, positions, attend)
        following = tokens.roll(-1)
        drafted, mtp_load = model.draft(following, hidden, positions, attend)
        main = weighted(model.lm_head(hidden), following, weights.roll(-1) * (positions.roll(-1) == positions + 1))
        second = weights.roll(-2) * (positions.roll(-2) == positions + 2)
        mtp = weighted(model.lm_head(drafted), tokens.roll(-2), second)
    return main, mtp, torch.cat((load, mtp_load[None]))


def faded(weights: Tensor, share: float) -> Tensor:
    """What is not to be learned weighs less as the rate falls: names and values cannot be foreseen, so late in the training
    they would be most of the gradient's noise. Early on they teach to copy."""
    return torch.where(weights < 1, weights * share, weights)


def weighted(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    return (F.cross_entropy(logits.float(), targets, reduction="none") * weights).sum() / weights.sum()


def routers(model: Model) -> list:
    return [layer.mlp for layer in model.layers[1:]] + [model.mtp.layer.mlp]


@torch.no_grad()
def balance(model: Model, load: Tensor, amount: float) -> None:
    """Experts with less than the mean load become easier to choose, the others harder."""
    direction = (load.mean(-1, keepdim=True) - load).sign()
    for router, change in zip(routers(model), direction):
        router.e_score_correction_bias += amount * change


def make_optimizer(model: Model, plan: Plan) -> torch.optim.AdamW:
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embed" in n]
    groups = [{"params": matrices, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=plan.peak, betas=(0.9, 0.95), eps=1e-9, fused=torch.cuda.is_available())


def to_device(batch: data.Batch, device: str) -> list[Tensor]:
    tokens = torch.from_numpy(batch.tokens.astype("int64"))
    positions = torch.from_numpy(batch.positions.astype("int64"))
    arrays = (tokens, torch.from_numpy(batch.weights), positions, torch.from_numpy(batch.starts))
    return [t.pin_memory().to(device, non_blocking=True) if device == "cuda" else t for t in arrays]


def copied(value):
    """A state on the CPU that training on does not change."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {k: copied(v) for k, v in value.items()}
    return [copied(v) for v in value] if isinstance(value, list) else value


class Trainer:
    def __init__(self, plan: Plan, config: Config, out: Path, device: str):
        torch.manual_seed(plan.seed)
        torch.set_float32_matmul_precision("high")
        self.plan, self.out, self.device = plan, out, device
        self.model = Model(config).to(device)
        self.optimizer = make_optimizer(self.model, plan)
        self.step, self.log, self.spread, self.passed = 0, [], None, 0.0
        self.spent = 0.0  # seconds of the runs before this one
        self.writer: threading.Thread | None = None
        self.losses = torch.compile(losses) if device == "cuda" else losses
        if (out / "state.pt").exists():
            self.resume()

    def resume(self) -> None:
        state = torch.load(self.out / "state.pt", map_location=self.device)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.log, self.spent = state["step"], state["log"], state.get("seconds", 0.0)

    def elapsed(self) -> float:
        return self.spent + time.monotonic() - START

    def save(self) -> None:
        """Copies the state and writes it while the training goes on; flush() waits for the file."""
        self.flush()
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step, "log": self.log}
        self.writer = threading.Thread(target=self.write, args=(copied(state | {"seconds": self.elapsed()}),))
        self.writer.start()

    def write(self, state: dict) -> None:
        torch.save(state, self.out / "state.part")
        (self.out / "state.part").rename(self.out / "state.pt")

    def flush(self) -> None:
        if self.writer:
            self.writer.join()

    def advance(self, batch: data.Batch) -> tuple[Tensor, Tensor]:
        now = rate(self.plan, self.step, self.passed)
        for group in self.optimizer.param_groups:
            group["lr"] = now
        tokens, weights, *rest = to_device(batch, self.device)
        main, mtp, load = self.losses(self.model, [tokens, faded(weights, now / self.plan.peak), *rest], self.plan.longest)
        (main + self.plan.mtp_weight * mtp).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        balance(self.model, load, self.plan.bias_rate * min(1.0, now / self.plan.peak * 2))
        self.spread = load if self.spread is None else 0.98 * self.spread + 0.02 * load
        self.step += 1
        return main.detach(), mtp.detach()

    def report(self, main: Tensor, mtp: Tensor, begun: float, done: int) -> None:
        seconds = time.monotonic() - begun
        entry = {"step": self.step, "loss": main.item(), "mtp_loss": mtp.item(), "rate": rate(self.plan, self.step, self.passed)}
        self.log.append(entry)
        speed = done * self.plan.batch / seconds
        print(f"step {self.step} loss {entry['loss']:.4f} mtp {entry['mtp_loss']:.4f} {speed:,.0f} tokens/s {seconds:.0f} s", flush=True)

    def run(self, workers: int, seconds: float, fit: float | None) -> bool:
        """True when all steps are done, False when the time is up."""
        begun = saved = time.monotonic()
        done = 0
        with closing(batches(self.plan, self.step, workers)) as made:
            for batch in made:
                timed = self.elapsed() / (fit - EXPORT_SECONDS) if fit else 0.0
                self.passed = timed if fit else self.step / self.plan.steps
                main, mtp = self.advance(batch)
                done += 1
                if self.step % 50 == 0:
                    self.report(main, mtp, begun, done)
                over = timed >= 1 if fit else self.step >= self.plan.steps
                if over or time.monotonic() - begun > seconds:
                    break
                if time.monotonic() - saved > SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()
        return over

    def load_report(self) -> dict:
        """Share of the tokens that each expert gets, per layer, over about the last 50 steps; even is 1/experts."""
        share = (self.spread / self.spread.sum(-1, keepdim=True)).tolist()
        return {"share": share, "smallest": min(map(min, share)), "largest": max(map(max, share))}


def finish(trainer: Trainer, export_to: Path | None) -> None:
    """Saves and exports what there is, the state first: it is what another run goes on from."""
    trainer.save()
    trainer.flush()
    record = {"log": trainer.log, "experts": trainer.load_report(), "steps": trainer.step, "batch": trainer.plan.batch}
    (trainer.out / "training.json").write_text(json.dumps(record))
    if export_to:
        export.write(trainer.model, data.load_tokenizer(), export_to)
        (export_to / "training.json").write_text(json.dumps(record))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--batch", type=int, default=Plan.batch)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop and save after this time; call again to go on")
    parser.add_argument("--fit", type=float, help="instead of --steps: end, export included, this many seconds after the start")
    parser.add_argument("--peak", type=float, default=Plan.peak, help="the highest rate")
    parser.add_argument("--decay", type=float, default=Plan.decay, help="the share of the steps in which the rate falls")
    parser.add_argument("--seed", type=int, default=Plan.seed, help="of the documents")
    parser.add_argument("--export", type=Path, help="write the checkpoint and training.json there, too")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    plan = Plan(steps=arguments.steps, batch=arguments.batch, peak=arguments.peak, decay=arguments.decay, seed=arguments.seed)
    trainer = Trainer(plan, Config(), arguments.out, device)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: by an exception
    try:
        finished = trainer.run(arguments.workers, arguments.seconds, arguments.fit)
    finally:
        if trainer.spread is not None:  # after an exception, too: a lost run can be judged
            finish(trainer, arguments.export)
    if not finished:
        raise SystemExit(f"stopped at step {trainer.step} of {trainer.plan.steps}: call the same command again to go on")


if __name__ == "__main__":
    main()
