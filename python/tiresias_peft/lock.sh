#!/bin/sh
# Pins what pyproject.toml asks for, with hashes, for every platform: requirements-cpu.txt and requirements-cuda.txt. Needs uv.
set -eu
cd "$(dirname "$0")"
pin() {
    uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --quiet "$@"
}
pin --extra test --extra nf4 -o requirements-cuda.txt
# PyPI's torch for Linux links libraries of CUDA that it then does not use on a CPU: they must be there, but not its compiler (triton,
# a gigabyte) nor what is loaded only on demand. So this file is installed with `pip install --no-deps`.
pin --extra test --extra nf4 -o requirements-cpu.txt \
    --no-emit-package triton --no-emit-package cuda-toolkit --no-emit-package cuda-bindings --no-emit-package cuda-pathfinder \
    --no-emit-package nvidia-cusolver --no-emit-package nvidia-nvtx --no-emit-package nvidia-cuda-cccl
