from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parent))

import pytest
import support
import torch

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama as a folder of safetensors."""
    return support.write_folder(tmp_path_factory.mktemp("base") / "tiny", support.tiny())


@pytest.fixture(scope="session")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny Llama as GGUF, matrices in Q8_0, which both backends make dense to the same numbers."""
    import gguf

    return support.write_gguf(tmp_path_factory.mktemp("base") / "tiny.gguf", support.tiny(), gguf.GGMLQuantizationType.Q8_0)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return support.write_rows(tmp_path_factory.mktemp("data") / "rows.parquet", support.rows())
