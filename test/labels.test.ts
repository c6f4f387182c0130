// What examples are labelled with, and examples of recorded decisions: over the command line, the library and a run, with a stand-in for the trainer.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  Trajectories, compactTokenizer, datasetExample, defaultTemplate, exampleInWords, fitLogs, followPolicy, importLogs, labelLogs, loadExperiment, makeDataset, parseExperiment, readManifest, runExperiment, solve, verifyDataset, type ExperimentInput, type RecordsDatasetConfig,
} from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { IDLE_BACKEND } from './idle-backend.js';
import { SCHEMA, patients } from './records.js';
import { baseModel, contents, fakeBackend, scratch, setEnv, tiresias } from './support.js';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = scratch();
  setEnv('TIRESIAS_CACHE', scratch());
  writeFileSync(at('patients.csv'), patients({ episodes: 40 }));
  writeFileSync(at('schema.json'), JSON.stringify(SCHEMA));
});

/** Imports the records, a half set aside, and fits an MDP with sets to the others. */
async function fitted(): Promise<void> {
  for (const args of [
    ['import', at('patients.csv'), '--schema', at('schema.json'), '--out', at('fit.parquet'), '--test', at('test.parquet')],
    ['fit', at('fit.parquet'), '--kind', 'mdp', '--horizon', '5', '--ambiguity', 'l1', '--out', at('fitted')],
  ]) {
    const { code, stderr } = await tiresias(args);
    expect(code, stderr).toBe(0);
  }
}

const make = (out: string, ...args: string[]) => tiresias(['dataset', 'make', '--logs', at('fit.parquet'), '--fitted', at('fitted'), '--tokenizer', 'compact', '--out', at(out), ...args]);

/** Each episode as its actions and rewards: with the rewards' quarters and five visits these tell most of them apart. */
function episodes(file: string): string[] {
  const all = Trajectories.load(at(file));
  const { offsets, observations, actions } = all.columns();
  return Array.from({ length: all.episodes }, (_, i) => Array.from({ length: offsets[i + 1]! - offsets[i]! }, (_, t) => `${observations[offsets[i]! + t]},${actions[offsets[i]! + t]}`).join(' '));
}

/** The trajectories of an example in the same words, support first. */
const shown = (text: string): string[] => text.split(/[#?]\n/).slice(1).map((part) => part.trim().split('\n').map((line) => line.split(',').slice(0, 2).join()).join(' '));

describe('a dataset of records', () => {
  it('shows the records that a model was fitted to, and none that was set aside, with the labels that were asked for', async () => {
    await fitted();
    const kept = new Set(episodes('fit.parquet'));
    const aside = episodes('test.parquet').filter((one) => !kept.has(one));
    expect(aside.length).toBeGreaterThan(3);
    for (const labels of ['behaviour', 'oracle', 'robust'] as const) {
      const { code, stderr, stdout } = await make(labels, '--labels', labels, '--shard-examples', '7', '--support', '2');
      expect(code, stderr).toBe(0);
      expect(stdout).toMatch(/20 examples of 20 recorded episodes.*labels \((behaviour|oracle|robust)\) lose at most [\d.e-]+ in the model/);
      const place = join(at(labels), 'mdp');
      const { totals, shards, config } = await verifyDataset(place);
      expect([totals.examples, shards.length]).toEqual([20, 3]);
      const own = config as RecordsDatasetConfig;
      expect(own).toMatchObject({ labels, regime: 'mdp', records: { episodes: 20, actions: Trajectories.load(at('fit.parquet')).actions } });
      const queries: string[] = [];
      for (let row = 0; row < 20; row++) {
        const example = await datasetExample(place, row);
        const all = shown(example.prompt + example.completion);
        expect(all).toHaveLength(3);
        for (const one of all) expect(kept.has(one) && !aside.includes(one)).toBe(true);
        queries.push(all.at(-1)!);
        expect(example).toMatchObject({ family: `records:${own.records.sha256}`, behaviour: 'recorded', horizon: 5 });
        const text = exampleInWords(example, config);
        expect(text).toMatch(/^Episode \d+ of the 20 records of patients\.csv, as MDP/);
        if (labels === 'behaviour') expect(text).toMatch(/did (wait|treat) \(the label; .*reward -?[\d.]+/);
        else expect(text).toContain(labels === 'robust' ? 'robust oracle' : 'the oracle');
      }
      expect(queries.toSorted()).toEqual(episodes('fit.parquet').toSorted());
    }
    // The same records, seeds and labels give the same bytes; a dataset that is there is left as it is.
    const before = contents(at('robust'));
    expect((await make('robust', '--labels', 'robust', '--shard-examples', '7', '--support', '2', '--threads', '1')).code).toBe(0);
    expect(contents(at('robust'))).toEqual(before);
    expect((await make('robust', '--labels', 'behaviour', '--shard-examples', '7', '--support', '2')).stderr).toMatch(/holds a dataset of another configuration/);
  }, 120_000);

  it('refuses what would show episodes that were set aside, be ignored, or mean nothing', async () => {
    await fitted();
    const refused = async (...args: string[]) => (await tiresias(['dataset', 'make', '--tokenizer', 'compact', '--out', at('out'), ...args])).stderr;
    expect(await refused('--logs', at('test.parquet'), '--fitted', at('fitted'))).toMatch(/was fitted to fit\.parquet, and .*test\.parquet holds something else/);
    expect(await refused('--logs', at('fit.parquet'))).toMatch(/--logs needs --fitted/);
    expect(await refused('--fitted', at('fitted'))).toMatch(/go with --logs/);
    expect(await refused('--logs', at('fit.parquet'), '--fitted', at('fitted'), '--labels', 'static')).toMatch(/records are of what somebody else did/);
    expect(await refused('--logs', at('fit.parquet'), '--fitted', at('fitted'), '--horizon', '3')).toMatch(/--horizon does not go with --logs/);
    expect(await refused('--logs', at('fit.parquet'), '--fitted', at('fitted'), '--shard', '0', '--of', '2')).toMatch(/made whole/);
    expect(await refused('--logs', at('fit.parquet'), '--fitted', at('fitted'), '--support', '40')).toMatch(/need 41 of the same task/);
    expect(await refused('--family', 'energy', '--regime', 'mdp', '--labels', 'robust')).toMatch(/labels: robust needs a cloud/);
    expect(existsSync(at('out'))).toBe(false);
    await tiresias(['fit', at('fit.parquet'), '--kind', 'mdp', '--horizon', '5', '--out', at('plain')]);
    expect(await refused('--logs', at('fit.parquet'), '--fitted', at('plain'), '--labels', 'robust')).toMatch(/nothing to be robust over/);
  }, 120_000);
});

describe('labelLogs', () => {
  it('says of every recorded step what the solved policy would have done, and what either gives away', async () => {
    const records = await importLogs(at('patients.csv'), SCHEMA);
    const { model, ambiguous } = await fitLogs(records, { kind: 'mdp', horizon: 5, ambiguity: 'bootstrap', models: 3 });
    const { offsets, observations, actions } = records.columns();
    for (const [labels, of] of [['oracle', model], ['robust', ambiguous!]] as const) {
      const steps = await labelLogs(records, of, { labels });
      const solution = await solve(of);
      const target = followPolicy(records, solution);
      for (let episode = 0; episode < records.episodes; episode++) {
        for (let step = offsets[episode]!; step < offsets[episode + 1]!; step++) {
          const label = steps.labels[step]!;
          expect(target[step * records.actions.length + label]).toBe(1);
          const stage = step - offsets[episode]!;
          const belief = Float64Array.from({ length: of.states }, (_, state) => Number(state === observations[step]));
          expect(steps.recordedRegretBounds[step]).toBeCloseTo(solution.regretBound(stage, belief, actions[step]!), 9);
          expect(steps.regretBounds[step]).toBeCloseTo(solution.regretBound(stage, belief, label), 9);
        }
      }
      const done = await labelLogs(records, of, { labels: 'behaviour' });
      expect([...done.labels]).toEqual([...actions]);
      expect([...done.regretBounds]).toEqual([...steps.recordedRegretBounds]);
      expect([...done.oracleActions]).toEqual([...steps.labels]);
    }
    const other = await fitLogs(await importLogs(at('patients.csv'), { ...SCHEMA, observations: ['reward'] }), { kind: 'mdp', horizon: 5 });
    await expect(labelLogs(records, other.model, { labels: 'oracle' })).rejects.toThrow(/records: its observations are/);
  });
});

describe('labels of simulated examples', () => {
  const small: ExperimentInput = { schema: 'tiresias.experiment/1', name: 'small', horizon: 4, models: 2, regimes: ['apomdp'], solver: { gap: 0.1 }, dataset: { examples: 6 } };
  const tokenizer = compactTokenizer([defaultTemplate('energy', 'apomdp')]);

  it('are named by manifest, card and words, and without a word of them nothing changes', async () => {
    const plain = datasetConfig(parseExperiment(small), 'apomdp');
    expect(plain).not.toHaveProperty('labels');
    expect(datasetConfig(parseExperiment({ ...small, dataset: { examples: 6, labels: 'oracle' } }), 'apomdp')).toEqual(plain);
    for (const labels of ['robust', 'static', 'behaviour'] as const) {
      const place = scratch();
      await makeDataset(datasetConfig(parseExperiment({ ...small, dataset: { examples: 6, labels } }), 'apomdp'), place, { tokenizer, threads: 1 });
      const { config } = await readManifest(place);
      expect(config.labels).toBe(labels);
      expect(readFileSync(join(place, 'README.md'), 'utf8')).toContain(`with ${labels} labels`);
      expect(exampleInWords(await datasetExample(place, 0), config)).toMatch({ robust: /nature chooses anew/, static: /true to the end/, behaviour: /Labels are what was done/ }[labels]);
    }
  });

  it('of learning histories stay what the learner did', () => {
    const experiment = parseExperiment({ ...small, dataset: { examples: 6, labels: 'static' } });
    expect(datasetConfig(experiment, 'apomdp', { episodes: 9, rate: 0.1, leastEpsilon: 0 })).not.toHaveProperty('labels');
  });

  it.each([
    [{ dataset: { from: 'records' } }, /\$\.dataset\.from: there are no records/],
    [{ dataset: { labels: 'expert' } }, /\$\.dataset\.labels/],
  ])('are refused where they mean nothing: %j', (change, message) => {
    expect(() => parseExperiment({ ...small, ...change } as ExperimentInput)).toThrow(message);
  });

  it('are refused before anything is made', async () => {
    const run = (change: object) => runExperiment(parseExperiment({ ...small, evaluation: { methods: ['oracle', 'random'], tasks: 2, resamples: 100 }, ...change }), { folder: at('run') });
    await expect(run({ regimes: ['mdp'], dataset: { examples: 6, labels: 'static' } })).rejects.toThrow(/labels: static needs a cloud/);
    await expect(run({ alpha: 0.5, dataset: { examples: 6, labels: 'static' } })).rejects.toThrow(/alpha must be 1/);
    await expect(run({ dataset: { examples: 6, labels: 'behaviour' }, evaluation: { methods: ['teacher', 'random'], tasks: 2, resamples: 100 } })).rejects.toThrow(/nobody taught them/);
    expect(existsSync(at('run'))).toBe(false);
  });

  it('of the static form bring the gap to it: its teacher comes within its bounds, and chance does not', async () => {
    const experiment = parseExperiment({ ...small, dataset: { examples: 6, labels: 'static' }, evaluation: { methods: ['oracle', 'teacher', 'random'], tasks: 4, episodes: 400, resamples: 200 } });
    const { results, folder: run } = await runExperiment(experiment, { folder: at('run'), threads: 2 });
    const { methods } = results.regimes['apomdp']!;
    const found = (name: string) => methods[name]!.cloud!.static!;
    const { lower, upper, gap } = found('teacher');
    expect(upper - lower).toBeLessThanOrEqual(0.1 + 1e-9);
    expect(gap).toBeCloseTo(upper - methods['teacher']!.cloud!.worst, 9);
    // 400 episodes a task and model, returns of a spread of about 2: the worst of two means lies about 0.1 below.
    expect(Math.abs(gap)).toBeLessThan(0.6);
    expect(found('random').gap).toBeGreaterThan(gap + 1);
    expect(readFileSync(join(run, 'report', 'report.md'), 'utf8')).toMatch(/Gap to static/);
  }, 120_000);
});

describe('an experiment that learns from its records', () => {
  /** Visits at which nothing was seen before the first decision, so that a POMDP fits. */
  const experiment = (labels: string, more: object = {}) => {
    writeFileSync(at('experiment.json'), JSON.stringify({
      schema: 'tiresias.experiment/1', name: 'records', horizon: 5, solver: { gap: 0.05 }, support: { trajectories: 1 },
      family: { logs: 'patients.csv', schema: 'schema.json', fit: { kind: 'mdp', horizon: 5 }, tasks: { train: 3, test: 2 }, cloud: 3, heldOut: 0.5 },
      dataset: { from: 'records', labels, examples: 20, shardExamples: 20 }, base: { path: baseModel() }, training: { steps: 1 },
      evaluation: { tasks: 2, episodes: 1, resamples: 100, methods: ['oracle', 'sft', 'random'] }, ...more,
    }));
    return loadExperiment(at('experiment.json'));
  };

  it.each(['behaviour', 'oracle', 'robust'])('trains on their %s labels and is evaluated as ever', async (labels) => {
    fakeBackend(IDLE_BACKEND);
    const asked = await experiment(labels);
    const { results } = await runExperiment(asked, { folder: at('run'), threads: 2 });
    expect(results.datasets).toMatchObject([{ regime: 'mdp', from: 'records', labelledBy: labels, examples: 20 }]);
    expect(Object.keys(results.regimes['mdp']!.methods)).toEqual(['oracle', 'sft', 'random']);
    const kept = new Set((() => {
      const all = Trajectories.load(join(asked.logs!.folder, 'fitted.parquet'));
      const { offsets, observations, actions } = all.columns();
      return Array.from({ length: all.episodes }, (_, i) => Array.from({ length: 5 }, (_, t) => `${observations[offsets[i]! + t]},${actions[offsets[i]! + t]}`).join(' '));
    })());
    const place = join(at('run'), 'dataset', 'mdp');
    const { config } = await readManifest(place);
    expect(config).toMatchObject({ labels, records: { episodes: 20 } });
    for (let row = 0; row < 20; row++) {
      const { prompt, completion } = await datasetExample(place, row);
      for (const one of shown(prompt + completion)) expect(kept.has(one)).toBe(true);
    }
    // What is learnt is written as the tasks are that it is evaluated on.
    expect((config as RecordsDatasetConfig).template).toEqual({ ...defaultTemplate(asked.family, 'mdp'), ...asked.templates.mdp });
  }, 120_000);

  it('can learn from simulated patients by the labels of the cloud, and play their teacher', async () => {
    fakeBackend(IDLE_BACKEND);
    const asked = await experiment('robust', { dataset: { labels: 'robust', examples: 6, examplesPerTask: 2, shardExamples: 6 }, evaluation: { tasks: 2, episodes: 1, resamples: 100, methods: ['oracle', 'teacher', 'sft', 'random'] } });
    const { results } = await runExperiment(asked, { folder: at('run'), threads: 2 });
    expect(results.datasets[0]).toMatchObject({ labelledBy: 'robust' });
    expect(results.regimes['mdp']!.methods['teacher']!.gapAbs).toBeGreaterThanOrEqual(-1e-9);
  }, 120_000);

  it('says what does not go together', async () => {
    await expect(experiment('static')).rejects.toThrow(/\$\.dataset\.labels: a static policy/);
    await expect(experiment('oracle', { training: { steps: 1, data: 'stream' } })).rejects.toThrow(/\$\.training\.data/);
  });
});
