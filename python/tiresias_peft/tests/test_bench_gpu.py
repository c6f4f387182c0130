"""The benchmark for a card (`bench/gpu`), with the tiny sizes that it has for a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import support

BENCH = support.REPOSITORY / "bench" / "gpu" / "bench.py"


def bench(out: Path, *parts: str, **environment: str) -> dict[str, Any]:
    command = [sys.executable, str(BENCH), "--small", "--out", str(out), *parts]
    finished = subprocess.run(command, capture_output=True, text=True, env={**support.environment(), **environment})
    assert finished.returncode == 0, finished.stderr
    return json.loads(out.read_text())


def test_ours_and_plain_peft_train_on_the_same_rows(tmp_path: Path) -> None:
    report = bench(tmp_path / "r.json", "small-model", "qlora")
    assert report["small"] and report["batch"] == {"rows": 8, "tokens": 250} and report["machine"]["cores"] == os.cpu_count()
    assert list(report["parts"]) == ["small-model", "qlora"]
    for part in report["parts"].values():
        if "skipped" in part[0]:
            assert report["versions"]["bitsandbytes"] is None
            continue
        ours, plain = part
        assert (ours["who"], plain["who"]) == ("tiresias peft", "peft and Trainer")
        assert ours["arithmetic"] == plain["arithmetic"]
        assert ours["steps"] == plain["steps"] == 3 and ours["tokens_per_second"] > 0 and plain["tokens_per_second"] > 0
        # Adapters begin as nothing, so that the first loss is the base's: the same base, rows and labels.
        assert ours["first_loss"] == pytest.approx(plain["first_loss"], abs=1e-3)
        assert ours["last_loss"] < ours["first_loss"] and plain["last_loss"] < plain["first_loss"]


def test_a_study_runs_where_node_is(tmp_path: Path) -> None:
    if not (support.REPOSITORY / "dist" / "cli" / "main.js").is_file():
        pytest.skip("the repository is not built; run `npm install` in it")
    [found] = bench(tmp_path / "r.json", "study")["parts"]["study"]
    assert "stages" in found, found
    assert {"train-joint", "evaluate-mdp"} <= set(found["stages"])


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    parts = bench(tmp_path / "r.json", "study", "candle", PATH="", TIRESIAS_TRAIN_CUDA="/nowhere")["parts"]
    assert parts["study"] == [{"skipped": "there is no Node"}]
    assert "/nowhere" in parts["candle"][0]["skipped"]


def test_the_rust_trainer_is_measured_by_the_same_contract(tmp_path: Path) -> None:
    # Of another program it takes what the contract has; here the peft backend stands in, which refuses candle's configurations.
    program = tmp_path / "trainer"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tiresias_peft "$@"\n')
    program.chmod(0o755)
    [found] = bench(tmp_path / "r.json", "candle", TIRESIAS_TRAIN_CUDA=str(program))["parts"]["candle"]
    assert found["exit"] == 2 and "`backend`" in found["failed"]
