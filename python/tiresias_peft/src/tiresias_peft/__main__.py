"""The command line. Standard output carries the lines of the contract and nothing else."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from . import CONTRACT, __version__
from .errors import BackendError
from .events import emit, error_event, say

PROGRAM = "tiresias_peft"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise BackendError("USAGE", f"{message}; {self.format_usage().strip()}")


def _parser() -> _Parser:
    parser = _Parser(prog=PROGRAM, description="The peft backend of Tiresias (docs/contracts.md).")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    modes = parser.add_subparsers(dest="mode", required=True, parser_class=_Parser)

    def mode(name: str, text: str) -> _Parser:
        return modes.add_parser(name, help=text, description=text)

    train = mode("train", "Train adapters over a frozen base; resumes what an earlier run of the same configuration left.")
    train.add_argument("--config", type=Path, required=True, help="a JSON configuration")
    train.add_argument("--dry-run", action="store_true", help="say how much memory and time it would take, and stop")
    train.add_argument(
        "--card-tflops", type=float, metavar="N", help="with --dry-run: for a card of so many bf16 TFLOP/s, not for here"
    )
    decide = mode("decide", "Answer decision requests, a JSON line each, from standard input.")
    decide.add_argument("--config", type=Path, required=True, help="a JSON configuration")
    merge = mode("merge", "Write base and adapter as one model, a folder of safetensors.")
    export = mode("export-gguf", "Write an adapter as a GGUF file under llama.cpp's names.")
    for command in (merge, export):
        command.add_argument("--base", type=Path, required=True, help="a GGUF file, or a folder with safetensors")
        command.add_argument("--adapter", type=Path, required=True, help="a PEFT folder")
        command.add_argument("--output", type=Path, required=True)
    merge.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
    return parser


def _train(arguments: argparse.Namespace) -> None:
    from .config import load_train
    from .signals import stop_flag

    if arguments.card_tflops is not None and not (arguments.dry_run and arguments.card_tflops > 0):
        raise BackendError("USAGE", "`--card-tflops` is a positive number for `--dry-run` alone; take it out")

    config = load_train(arguments.config)
    with stop_flag() as stopped:
        # Loading torch takes seconds, in which a signal may come.
        from . import hardware, train
        from .team import Team

        processes = hardware.processes()
        device = hardware.device(processes.local_rank)
        if processes.rank == 0:
            _backend(hardware.describe(device, config.threads, processes.count))
        if arguments.dry_run:
            from . import estimates

            return estimates.run(config, device, processes.count, arguments.card_tflops)
        team = Team(processes, device)
        try:
            train.run(config, device, team, stopped)
        finally:
            team.close()


def _decide(arguments: argparse.Namespace) -> None:
    from .config import load_decide

    config = load_decide(arguments.config)
    from . import hardware, serve

    device = hardware.device()
    _backend(hardware.describe(device, config.threads))
    serve.run(config, device, sys.stdin.buffer)


def _merge(arguments: argparse.Namespace) -> None:
    from . import export

    export.merge(arguments.base, arguments.adapter, arguments.output, arguments.dtype)


def _export_gguf(arguments: argparse.Namespace) -> None:
    from . import export

    export.export_gguf(arguments.base, arguments.adapter, arguments.output)


MODES: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": _train,
    "decide": _decide,
    "merge": _merge,
    "export-gguf": _export_gguf,
}


def _backend(hardware: dict[str, object]) -> None:
    emit(
        {
            "event": "backend",
            "contract": CONTRACT,
            "name": "peft",
            "version": __version__,
            "can": ["train", "decide"],
            "bases": ["safetensors", "gguf"],
            "hardware": hardware,
        }
    )


def _out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit code."""
    # Nothing is ever fetched: a base is files that are there.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # What the pinned libraries will rename one day is nothing that a person who trains can mend.
    warnings.simplefilter("ignore", FutureWarning)
    try:
        parsed = _parser().parse_args(arguments)
        MODES[parsed.mode](parsed)
        return 0
    except BackendError as caught:
        error = caught
    except KeyboardInterrupt:
        error = BackendError("STOPPED", "stopped by a signal before anything was done; run the same command again")
    except Exception as caught:
        if _out_of_memory(caught):
            error = BackendError(
                "MEMORY",
                f"not enough memory: {str(caught).splitlines()[0] if str(caught) else 'the system refused more'}; lower `token_budget`, "
                "set `gradient_checkpointing`, or set `arithmetic` to nf4 (`train --dry-run` says how much is needed)",
            )
        else:
            traceback.print_exc()
            error = BackendError(
                "INTERNAL", f"internal error: {type(caught).__name__}: {caught}; this is a bug in {PROGRAM}, please report it"
            )
    say(f"{PROGRAM}: {error}")
    if int(os.environ.get("RANK", "0")) == 0:
        try:
            emit(error_event(error))
        except (BackendError, OSError):
            pass  # If standard output itself is gone there is nobody left to tell.
    return error.exit


if __name__ == "__main__":
    sys.exit(main())
