"""What fine-tuning costs on a graphics card, beside plain peft. On a bare machine with Python, torch, transformers, peft, accelerate,
pyarrow, gguf and (for 4-bit weights) bitsandbytes, and this repository; nothing is downloaded:

    python bench/gpu/bench.py --out bench/results/gpu.json          # minutes on an A100; 30 GB of disk for the 7B base
    python bench/gpu/bench.py --small --out small.json              # every line of it on a CPU, with tiny sizes

Parts: `small-model`, the shape of SmolLM2-135M; `study`, an experiment from data to report, where Node and a built repository are;
`qlora`, the shape of Llama-2-7B in NF4; `candle`, the Rust trainer on a card, where its binary is (TIRESIAS_TRAIN_CUDA, or
native/bin/tiresias-train-cuda). What cannot run says why and the others go on.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ours
import shapes
import torch

HERE = Path(__file__).resolve().parent
Result = dict[str, Any]


class Bench:
    """A place for bases and outputs, and the sizes."""

    def __init__(self, folder: Path, small: bool) -> None:
        self.folder, self.small = folder, small
        self.steps = 3 if small else 20
        self.bases: dict[str, tuple[Path, Path]] = {}

    def base(self, shape: str) -> tuple[Path, Path]:
        """The base and its rows."""
        shape = "tiny" if self.small else shape
        if shape not in self.bases:
            rows = shapes.write_rows(self.folder / f"{shape}.jsonl", shapes.SHAPES[shape]["vocab_size"])
            self.bases[shape] = shapes.write_base(self.folder / shape, shape), rows
        return self.bases[shape]

    def ours(self, shape: str, arithmetic: str) -> Result:
        base, rows = self.base(shape)
        output = self.folder / f"ours-{shape}-{arithmetic}"
        return {"who": "tiresias peft", **ours.train(ours.PEFT, "peft", base, rows, output, self.steps, arithmetic)}

    def plain(self, shape: str, arithmetic: str) -> Result:
        base, rows = self.base(shape)
        command = [sys.executable, str(HERE / "plain.py"), str(base), str(rows), str(self.steps), arithmetic]
        finished = subprocess.run(command, capture_output=True, text=True)
        who = {"who": "peft and Trainer", "arithmetic": arithmetic}
        if finished.returncode != 0:
            return {**who, "failed": finished.stderr.strip()[-500:], "exit": finished.returncode}
        return {**who, **json.loads(finished.stdout.splitlines()[-1])}


def four_bits() -> bool:
    try:
        import bitsandbytes  # noqa: F401
    except ImportError:
        return False
    return True


def small_model(bench: Bench) -> list[Result]:
    arithmetic = "bf16" if torch.cuda.is_available() else "f32"
    return [who("smollm2-135m", arithmetic) for who in (bench.ours, bench.plain)]


def qlora(bench: Bench) -> list[Result]:
    if not four_bits():
        return [{"skipped": "bitsandbytes is not installed, so that there are no 4-bit weights"}]
    return [who("llama-2-7b", "nf4") for who in (bench.ours, bench.plain)]


def study(bench: Bench) -> list[Result]:
    node, cli = shutil.which("node"), ours.REPOSITORY / "dist" / "cli" / "main.js"
    if node is None or not cli.is_file():
        return [{"skipped": "there is no Node" if node is None else f"{cli} is missing; run `npm install` in the repository"}]
    experiment = json.loads((ours.REPOSITORY / "experiments" / "peft-small.json").read_text())
    if bench.small:
        experiment |= {"dataset": {"examples": 4}, "training": {"backend": "peft", "steps": 1, "batchSize": 1, "lora": {"r": 2}}}
        experiment["evaluation"] = {"tasks": 2, "methods": ["oracle", "sft", "random"]}
    config = bench.folder / "study.json"
    config.write_text(json.dumps(experiment))
    began = time.monotonic()
    command = [node, str(cli), "run", "--config", str(config), "--out", str(bench.folder / "study"), "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TIRESIAS_PEFT_PYTHON": sys.executable})
    if finished.returncode != 0:
        return [{"failed": finished.stderr.strip()[-500:], "exit": finished.returncode}]
    results = json.loads(finished.stdout)
    stages = {stage["name"]: round(stage["seconds"], 2) for stage in results["stages"]}
    return [{"who": "tiresias run", "experiment": "peft-small", "seconds": round(time.monotonic() - began, 1), "stages": stages}]


def candle(bench: Bench) -> list[Result]:
    default = ours.REPOSITORY / "native" / "bin" / "tiresias-train-cuda"
    binary = Path(os.environ.get("TIRESIAS_TRAIN_CUDA", default))
    if not binary.is_file():
        return [{"skipped": f"there is no trainer at {binary}; name one with TIRESIAS_TRAIN_CUDA"}]
    base, rows = bench.base("smollm2-135m")
    return [
        {"who": "tiresias candle", **ours.train([str(binary)], "candle", base, rows, bench.folder / "candle", bench.steps, None)}
    ]


PARTS: dict[str, Callable[[Bench], list[Result]]] = {"small-model": small_model, "study": study, "qlora": qlora, "candle": candle}


def machine() -> Result:
    found: Result = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
    }
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found["card"] = {"name": properties.name, "memory_bytes": properties.total_memory, "cuda": torch.version.cuda}
    return found


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for name in ("torch", "transformers", "peft", "accelerate", "bitsandbytes"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all without any")
    parser.add_argument("--small", action="store_true", help="tiny sizes, which say nothing of speed")
    parser.add_argument("--out", type=Path, required=True, help="a JSON file")
    parser.add_argument("--folder", type=Path, help="where bases are written and left; a temporary folder without it")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    report: Result = {
        "command": f"python bench/gpu/bench.py {' '.join(sys.argv[1:])}",
        "date": datetime.date.today().isoformat(),
        "small": arguments.small,
        "machine": machine(),
        "versions": versions(),
        "batch": {"rows": shapes.BATCH, "tokens": shapes.TOKENS},
        "parts": {},
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder, arguments.small)
        for name, part in PARTS.items():
            if arguments.parts and name not in arguments.parts:
                continue
            print(f"{name} …", file=sys.stderr, flush=True)
            try:
                report["parts"][name] = part(bench)
            except Exception as error:  # one part's fault is no reason to lose the others' figures
                report["parts"][name] = [{"failed": f"{type(error).__name__}: {error}"}]
            # After each part, so that what was measured outlives a machine that is taken away.
            arguments.out.write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report["parts"], indent=1))


if __name__ == "__main__":
    main()
