"""A dataset in parts by Ray: every part is a remote function that calls the command line.

    python examples/cluster/ray_parts.py --out data --examples 100000 --of 4

starts a cluster of two processes here; with --address it joins one whose machines share the folder of --out. Wants `ray[data]`.
"""
import argparse
import os
import shlex
import subprocess

import ray

TIRESIAS = shlex.split(os.environ.get("TIRESIAS", "npx tiresias"))


# A machine that is lost is Ray's to notice: it calls the function again elsewhere, which makes only what is missing.
@ray.remote(num_cpus=1, max_retries=5, retry_exceptions=True)
def make(part: int, of: int, command: list[str], folder: str) -> str:
    # Options come before what a scheduler around Ray says in the environment.
    made = subprocess.run([*command, "--shard", str(part), "--of", str(of)], cwd=folder, capture_output=True, text=True)
    # Not done yet, or the machine's fault: worth another try. A wrong command line (2) is not, but says so as often as it is tried.
    if made.returncode != 0:
        raise RuntimeError(f"part {part} of {of} ended with {made.returncode}: {made.stderr[-2000:]}")
    return made.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="data")
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--shard-examples", type=int, default=10_000)
    parser.add_argument("--of", type=int, default=4, help="parts")
    parser.add_argument("--address", help="of a cluster; without it two processes here")
    options = parser.parse_args()

    if options.address:
        ray.init(address=options.address)
    else:
        ray.init(num_cpus=2, include_dashboard=False)
    out = os.path.abspath(options.out)
    command = [*TIRESIAS, "dataset", "make", "--regime", "mdp", "--examples", str(options.examples), "--shard-examples", str(options.shard_examples),
               "--tokenizer", "compact", "--threads", "1", "--out", out]
    for said in ray.get([make.remote(part, options.of, command, os.getcwd()) for part in range(options.of)]):
        print(said)
    subprocess.run([*TIRESIAS, "dataset", "assemble", f"{out}/mdp", "--out", f"{out}/mdp"], check=True)

    dataset = ray.data.read_parquet(f"{out}/mdp/data")
    print(f"{dataset.count()} rows; {', '.join(dataset.schema().names)}")
    ids = dataset.select_columns(["input_ids"]).map(lambda row: {"length": len(row["input_ids"])})
    print(f"{ids.mean('length'):.1f} ids an example")


if __name__ == "__main__":
    main()
