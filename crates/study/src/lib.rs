//! The few-shot study: contexts, dataset shards and evaluation episodes made from families.
