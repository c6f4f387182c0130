// The dataset card: README.md with the YAML head that the Hugging Face tools read.
import type { Labels } from '../spec.js';
import type { Manifest, Summary } from './manifest.js';

/** Markdown; says how to load the files and what a row holds. */
export function datasetCard(manifest: Manifest): string {
  const { config, totals } = manifest;
  const { format, labels = 'oracle' } = config;
  const [name, split, of] = 'records' in config
    ? ['recorded decisions', 'train', 'other episodes of the records as its support and one episode as its query: nothing is simulated']
    : [config.family, config.split, `${config.support.trajectories} support trajectories and one query trajectory of the same task`];
  return `---
pretty_name: Tiresias ${name}, ${config.regime.toUpperCase()}
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
  - split: ${split}
    path: data/*.${format}
---

# Few-shot decision trajectories with ${labels} labels

Made by Tiresias ${manifest.version}. Each row is one example: a header, ${of}.
${MEANING[labels]}

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
what is to be learned). \`prompt\` and \`completion\` are the same example as text. \`task\`, \`regime\`, \`horizon\` and \`behaviour\` say where it
comes from; \`oracle_actions\` hold what the oracle would do at each query step, and \`regret_bounds\` an upper bound on what the label loses${labels === 'oracle' && !('records' in config) ? '' : ` ${IN_MODEL[labels]}`}.

## Configuration

\`\`\`json
${JSON.stringify(config, null, 2)}
\`\`\`
`;
}

/** What decisions are labelled with. */
const MEANING: Record<Labels, string> = {
  oracle: "Every query decision is labelled with an oracle's action.",
  robust: 'Every query decision is labelled with the action of the policy that is best in the worst case, where nature chooses a model anew at every decision.',
  static: 'Every query decision is labelled with the action of the policy that is best in the worst case, where one model of the cloud is true to the end. Where that policy is drawn at random, so are labels.',
  behaviour: 'Every query decision is labelled with what was done: imitating these labels imitates whoever acted.',
};

/** In which model a label's loss is bounded. */
const IN_MODEL: Record<Labels, string> = {
  oracle: 'in the fitted model, which need not be the world',
  robust: 'in the ambiguous model, where nature does its worst',
  static: 'in the model whose dynamics are drawn from the prior over the cloud that is worst',
  behaviour: 'in the model, against the best that can be done there',
};

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
