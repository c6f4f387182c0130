"""Reads a CSV file with Polars, once: seconds, processor seconds, peak memory, rows. Threads: POLARS_MAX_THREADS."""

import json
import resource
import sys
import time

import polars

start, used = time.perf_counter(), time.process_time()
frame = polars.read_csv(sys.argv[1])
seconds, processor = time.perf_counter() - start, time.process_time() - used
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "processor": processor, "peakBytes": peak, "rows": frame.height, "version": f"polars {polars.__version__}"}))
