//! Encoding: tokenizers, templates, few-shot examples and dataset shards.
