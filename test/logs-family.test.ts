// From a file of records to policies and what they would have earned: an experiment whose family is fitted to logs, over a stand-in for the trainer.
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { Trajectories, loadExperiment, offPolicy, parseExperiment, runExperiment, type ExperimentInput } from '../src/index.js';
import { IDLE_BACKEND } from './idle-backend.js';
import { baseModel, fakeBackend, scratch, setEnv } from './support.js';

/** Records of 90 patients, three visits each: the sick get better where they are treated, and treatment costs. */
function records(seed = 1): string {
  let state = seed;
  const uniform = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const lines = ['patient,visit,signs,drug,gain,p'];
  for (let patient = 0; patient < 90; patient++) {
    let sick = uniform() < 0.5;
    for (let visit = 0; visit < 3; visit++) {
      const drug = Math.floor(uniform() * 3);
      const signs = uniform() < 0.8 ? sick : !sick;
      lines.push([patient, visit, visit === 0 ? '' : signs ? 'fever' : 'none', ['none', 'low', 'high'][drug], (sick ? -1 : 0) - 0.125 * drug, 1 / 3].join(','));
      sick = uniform() < (sick ? 0.9 - 0.4 * drug : 0.2);
    }
  }
  return `${lines.join('\n')}\n`;
}

const SCHEMA = { episode: 'patient', step: 'visit', observations: [{ column: 'signs', whenMissing: 'nothing' }], action: 'drug', reward: 'gain', propensity: 'p' };

function experiment(folder: string, change: Record<string, unknown> = {}): string {
  const file = join(folder, 'experiment.json');
  writeFileSync(file, JSON.stringify({
    schema: 'tiresias.experiment/1', name: 'logs', horizon: 3, solver: { gap: 0.05 }, support: { trajectories: 1 },
    family: { logs: 'records.csv', schema: 'schema.json', fit: { kind: 'pomdp', states: 2, horizon: 3, starts: 2, iterations: 30 }, tasks: { train: 4, test: 3 }, cloud: 3, heldOut: 0.5, ...change },
    dataset: { examples: 8, examplesPerTask: 2, shardExamples: 4 }, base: { path: baseModel() }, training: { steps: 1 },
    evaluation: { tasks: 3, episodes: 1, resamples: 100, methods: ['oracle', 'sft', 'random'] },
  }));
  return file;
}

describe('an experiment from logs', () => {
  let folder: string;
  beforeEach(() => {
    folder = scratch();
    setEnv('TIRESIAS_CACHE', scratch());
    writeFileSync(join(folder, 'records.csv'), records());
    writeFileSync(join(folder, 'schema.json'), JSON.stringify(SCHEMA));
  });

  it('goes from the records to estimates of every policy on episodes that nothing was fitted to', async () => {
    fakeBackend(IDLE_BACKEND);
    const asked = await loadExperiment(experiment(folder));
    const { results } = await runExperiment(asked, { folder: join(folder, 'run'), threads: 2 });
    expect(Object.keys(results.regimes)).toEqual(['pomdp']);
    const { offPolicy: found } = results;
    expect(found).toMatchObject({ file: 'records.csv', fitted: 45, heldOut: 45, discount: 1 });
    expect(found!.policies.map(({ name }) => name)).toEqual(['nominal', 'robust', 'sft']);
    const [nominal, robust, sft] = found!.policies;
    // Nature chooses from the cloud of the one; for the other there is no choice.
    expect(robust!.inModel![0]).toBeLessThanOrEqual(nominal!.inModel![1] + 0.2);
    // The stand-in does the first action always, so that its estimates are those of that policy.
    const kept = Trajectories.load(join(asked.logs!.folder, 'held-out.parquet'));
    const first = new Float32Array(kept.steps * 3).map((_, i) => (i % 3 === 0 ? 1 : 0));
    const { estimates } = await offPolicy(kept, first, { seed: asked.seed });
    expect(sft!.estimates).toEqual(estimates);
    expect(sft!.inModel).toBeNull();
    const report = readFileSync(join(folder, 'run', 'report', 'report.md'), 'utf8');
    expect(report).toMatch(/Held against the logs[\s\S]*45 episodes of records\.csv[\s\S]*Robust over the cloud/);
    const again = await runExperiment(await loadExperiment(experiment(folder)), { folder: join(folder, 'run'), threads: 1 });
    expect(again.results).toEqual(results);
  }, 120_000);

  it('fits to one part of the episodes and keeps the other', async () => {
    const { logs } = await loadExperiment(experiment(folder));
    const [fitted, kept] = ['fitted', 'held-out'].map((name) => Trajectories.load(join(logs!.folder, `${name}.parquet`)));
    const rewards = (all: Trajectories): string[] => {
      const { offsets, actions, rewards: earned } = all.columns();
      return Array.from({ length: all.episodes }, (_, episode) => [actions, earned].map((column) => column.slice(offsets[episode], offsets[episode + 1]).join()).join(';'));
    };
    expect([fitted!.episodes, kept!.episodes]).toEqual([45, 45]);
    // Together they are the file's episodes, each once.
    const rows = readFileSync(join(folder, 'records.csv'), 'utf8').trim().split('\n').slice(1).map((line) => line.split(','));
    const drugs = fitted!.actions;
    const patient = (i: number): string => {
      const own = rows.slice(i * 3, i * 3 + 3);
      return `${own.map((row) => drugs.indexOf(row[3]!)).join()};${own.map((row) => Number(row[4])).join()}`;
    };
    expect([...rewards(fitted!), ...rewards(kept!)].toSorted()).toEqual(Array.from({ length: 90 }, (_, i) => patient(i)).toSorted());
  });

  it('belongs to the records, the schema and the settings: another of them makes another family, the same one is found again', async () => {
    const one = await loadExperiment(experiment(folder));
    expect((await loadExperiment(experiment(folder))).family).toBe(one.family);
    const other = await loadExperiment(experiment(folder, { cloud: 2 }));
    expect(other.logs!.key).not.toBe(one.logs!.key);
    writeFileSync(join(folder, 'records.csv'), records(2));
    const changed = await loadExperiment(experiment(folder));
    expect([changed.logs!.key === one.logs!.key, changed.family === one.family]).toEqual([false, false]);
  });

  it('is made by several at once, and again where part of it is gone', async () => {
    const file = experiment(folder);
    const all = await Promise.all([1, 2, 3].map(() => loadExperiment(file)));
    expect(new Set(all.map(({ family }) => family)).size).toBe(1);
    const place = all[0]!.logs!.folder;
    expect(readdirSync(dirname(place))).toEqual([basename(place)]);
    const model = readFileSync(join(place, 'model.json'), 'utf8');
    rmSync(join(place, 'model.json'));
    await loadExperiment(file);
    expect(readFileSync(join(place, 'model.json'), 'utf8')).toBe(model);
  });

  it('prints every reward of the logs, not only the models\' means', async () => {
    const { templates } = await loadExperiment(experiment(folder));
    const { rewardScale, rewardOffset, rewardWidth } = templates!.pomdp as { rewardScale: number; rewardOffset: number; rewardWidth: number };
    for (const reward of [-1.25, 0]) {
      const symbol = Math.round(reward * rewardScale) + rewardOffset;
      expect(symbol).toBeGreaterThanOrEqual(0);
      expect(String(symbol).length).toBeLessThanOrEqual(rewardWidth);
    }
  });

  it.each([
    [{ schema: 'none.json' }, /none\.json/],
    [{ logs: 'none.csv' }, /none\.csv/],
    [{ fit: { kind: 'hmm' } }, /\$\.family\.fit\.kind/],
    [{ fit: { kind: 'pomdp', horizon: 2 } }, /horizon is 2 decisions, and an episode of the logs has 3/],
    [{ fit: { kind: 'mdp', horizon: 3 } }, /cannot be an MDP's/],
    [{ heldOut: 0.001 }, /leaves one part empty/],
    [{ schema: { ...SCHEMA, action: 'pill' } }, /no column "pill"/],
  ])('says what is wrong with %j', async (change, message) => {
    await expect(loadExperiment(experiment(folder, change))).rejects.toThrow(message);
  });

  it('is read from a file only', () => {
    const value = JSON.parse(readFileSync(experiment(folder), 'utf8')) as ExperimentInput;
    expect(() => parseExperiment(value)).toThrow(/loadExperiment/);
  });
});
