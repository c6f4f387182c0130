"""Reads a dataset that Tiresias wrote, without Tiresias: how often each action is the oracle's. python examples/read_dataset.py FOLDER

Takes pyarrow: pip install pyarrow
"""

import sys
from collections import Counter
from pathlib import Path

import pyarrow.parquet as parquet

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "examples-data")
rows = [row for shard in sorted(folder.glob("data/*.parquet")) for row in parquet.read_table(shard).to_pylist()]
actions = Counter(action for row in rows for action in row["oracle_actions"])

print(f"{len(rows)} examples, regime {rows[0]['regime']}, horizon {rows[0]['horizon']}")
for action, count in sorted(actions.items()):
    print(f"action {action} is the oracle's {count} times")
print(f"a label loses at most {max(bound for row in rows for bound in row['regret_bounds']):.3f}")
