// The dataset card: README.md with the YAML head that the Hugging Face tools read.
import type { Manifest, Summary } from './manifest.js';

/** Markdown; says how to load the files and what a row holds. */
export function datasetCard(manifest: Manifest): string {
  const { config, totals } = manifest;
  const format = config.format;
  return `---
pretty_name: Tiresias ${config.family}, ${config.regime.toUpperCase()}
license: cc0-1.0
language: []
task_categories:
- reinforcement-learning
- text-generation
tags:
- decision-making
- in-context-learning
- ${config.regime}
size_categories:
- ${sizeCategory(totals.examples)}
configs:
- config_name: default
  data_files:
  - split: ${config.split}
    path: data/*.${format}
---

# Few-shot decision trajectories with oracle labels

Made by Tiresias ${manifest.version}. Each row is one example: a header, ${config.support.trajectories} support trajectories and one
query trajectory of the same task, every query decision labelled with an oracle's action.

| | |
| --- | --- |
| examples | ${totals.examples} |
| tasks | ${totals.tasks} |
| tokens | ${totals.tokens} |
| labelled positions | ${totals.labels} |
| largest regret bound of a label | ${totals.maxRegretBound} |
| mean regret bound of a label | ${totals.meanRegretBound} |
| discounted return of a support trajectory | ${spread(totals.supportReturns)} |
| discounted return of a query | ${spread(totals.queryReturns)} |
| tokenizer | ${manifest.tokenizer.name}, \`${manifest.tokenizer.sha256}\` |
| template | \`${manifest.templateSha}\` |

\`\`\`python
${format === 'safetensors' ? tensors : rows(format)}
\`\`\`

\`input_ids\` and \`labels\` are ready for training (\`-100\` where there is no loss; the input holds the executed action, the label
the oracle's). \`prompt\` and \`completion\` are the same example as text. \`task\`, \`regime\`, \`horizon\` and \`behaviour\` say where it
comes from; \`oracle_actions\` and \`regret_bounds\` hold the label of each query step and an upper bound on what following it loses.

## Configuration

\`\`\`json
${JSON.stringify(config, null, 2)}
\`\`\`
`;
}

const rows = (format: string) => `from datasets import load_dataset
rows = load_dataset("${format === 'parquet' ? 'parquet' : 'json'}", data_files="data/*.${format}", split="train")`;

const tensors = `from safetensors.numpy import load_file
shard = load_file("data/shard-00000.safetensors")
first = shard["input_ids"][shard["offsets"][0]:shard["offsets"][1]]`;

function spread({ count, mean, deviation, min, max }: Summary): string {
  return count === 0 ? 'none' : `mean ${mean}, standard deviation ${deviation}, from ${min} to ${max}`;
}

function sizeCategory(examples: number): string {
  if (examples < 1000) return 'n<1K';
  if (examples < 10_000) return '1K<n<10K';
  if (examples < 100_000) return '10K<n<100K';
  return examples < 1_000_000 ? '100K<n<1M' : 'n>1M';
}
