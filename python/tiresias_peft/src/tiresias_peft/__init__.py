"""The `peft` backend of Tiresias: the process contract of docs/contracts.md, kept with transformers and peft."""

__version__ = "0.1.0"

CONTRACT = 2
"""The version of the contract that this package keeps."""
