// Few-shot examples as Parquet, labelled by the oracle, in one id a symbol; read_dataset.py reads them. `node examples/dataset.ts [FOLDER]`
// Node 22.18 and later run TypeScript as it is; before, compile it.
import { compactTokenizer, defaultTemplate, makeDataset, type DatasetConfig } from '@tiresias-rl/tiresias';

const folder = process.argv[2] ?? 'examples-data';
const config: DatasetConfig = {
  family: 'energy', split: 'train', seed: 1, regime: 'mdp', horizon: 5, models: 1, alpha: 1, nature: 'fixed',
  support: { trajectories: 2, behaviour: 'random' }, query: { behaviour: 'epsilon:0.2' }, solver: { gap: 0.01, timeSeconds: null }, template: null,
  examples: 40, examplesPerTask: 4, shardExamples: 40, format: 'parquet',
};
const manifest = await makeDataset(config, folder, { tokenizer: compactTokenizer([defaultTemplate('energy', 'mdp')]), threads: 1 });
const { examples, tasks, labels } = manifest.totals;
console.log(`${examples} examples of ${tasks} tasks with ${labels} labels: ${manifest.shards.map(({ path }) => path).join(', ')}`);
