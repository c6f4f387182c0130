// Hugging Face datasets reads the files as they are. Runs where Python packages install.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { datasetExample, makeDataset, parseExperiment, Tokenizer } from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { baseModel, scratch } from './support.js';

const run = promisify(execFile);
const PACKAGES = ['datasets==5.2.0', 'pyarrow==26.0.1'];
const environment = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tiresias', 'test-python');

let missing = '';

beforeAll(async () => {
  const stamp = join(environment, PACKAGES.join('-'));
  if (existsSync(stamp)) return;
  try {
    await run('python3', ['-m', 'venv', environment]);
    await run(join(environment, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...PACKAGES]);
    mkdirSync(stamp);
  } catch (error) {
    missing = `Python packages do not install here: ${String(error).split('\n')[0]}`;
  }
}, 600_000);

const script = `
import json, sys
import datasets
datasets.disable_progress_bars()
kind, files, cache = sys.argv[1:]
rows = datasets.load_dataset(kind, data_files=files, split="train", cache_dir=cache)
print(json.dumps({"features": str(rows.features), "rows": list(rows)}))
`;

describe('load_dataset', () => {
  it.for(['parquet', 'jsonl'] as const)('gives the rows of %s files', { timeout: 120_000 }, async (format, { skip }) => {
    // Told as skipped, not counted as passed.
    skip(missing !== '', missing);
    const folder = scratch();
    const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'hf', horizon: 5, dataset: { examples: 60, shardExamples: 40, format }, base: { path: baseModel() } });
    const tokenizer = Tokenizer.fromGguf(baseModel());
    const { totals } = await makeDataset(datasetConfig(experiment, 'pomdp'), folder, { tokenizer, threads: 2 });
    const { stdout } = await run(join(environment, 'bin', 'python'), ['-c', script, format === 'parquet' ? 'parquet' : 'json', join(folder, 'data', `*.${format}`), join(folder, 'cache')], {
      maxBuffer: 1 << 28, env: { ...process.env, HF_HUB_OFFLINE: '1', HF_HOME: join(folder, 'hf') },
    });
    const { rows } = JSON.parse(stdout) as { rows: Record<string, unknown>[] };
    expect(rows).toHaveLength(totals.examples);
    for (const [i, row] of rows.entries()) {
      const example = await datasetExample(folder, i);
      expect(row).toEqual({
        input_ids: [...example.inputIds], labels: [...example.labels], prompt: example.prompt, completion: example.completion,
        task: { family: example.family, split: example.split, index: example.index, seed: example.seed },
        regime: 'pomdp', horizon: 5, behaviour: example.behaviour, oracle_actions: example.oracleActions, regret_bounds: example.regretBounds,
        tokenizer_sha: example.tokenizerSha, template_sha: example.templateSha,
      });
    }
  });
});
