// Families of one's own: a folder of model files goes wherever a family goes. What the core refuses is in crates/model/tests/models_family.rs.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { classicModel, createAgents, createEpisodes, drawTask, familyInfo, loadExperiment, loadFamily, parseExperiment, played, type FamilyName, type Regime } from '../src/index.js';
import { scratch, tiresias } from './support.js';

/** Tasks of the energy family as files: so many for training and for testing. */
function written(regime: Regime, count = 6, horizon = 5): string {
  const folder = join(scratch(), 'models');
  for (const split of ['train', 'test'] as const) {
    mkdirSync(join(folder, split), { recursive: true });
    for (let index = 0; index < count; index++) {
      writeFileSync(join(folder, split, `${index}.json`), drawTask('energy', { split, index, seed: 2, regime, horizon }).model.toJson());
    }
  }
  return folder;
}

describe('families of models of one’s own', () => {
  it.each(['mdp', 'pomdp', 'apomdp'] as const)('draw the models that were written: %s', (regime) => {
    const info = loadFamily(written(regime));
    expect(info).toMatchObject({ regimes: [regime], horizon: 5, symbols: 10, splits: [{ name: 'test', description: '6 models' }, { name: 'train', description: '6 models' }] });
    expect(familyInfo(info.name)).toEqual(info);
    for (const index of [0, 5]) {
      const own = drawTask(info.name, { split: 'train', index, regime });
      expect(own.model.sha256()).toBe(drawTask('energy', { split: 'train', index, seed: 2, regime, horizon: 5 }).model.sha256());
    }
    expect(() => drawTask(info.name, { split: 'train', index: 6, regime })).toThrow(/not one of its 6 models/);
    expect(() => drawTask(`models:${'0'.repeat(64)}`, { index: 0 })).toThrow(expect.objectContaining({ code: 'UNKNOWN_NAME', message: expect.stringMatching(/loadFamily/) as string }));
  });

  it('are a game like any other: the oracle earns its value, whatever the models’ shapes', async () => {
    const folder = written('pomdp', 3, 6);
    // A store of fifteen levels beside those of ten.
    writeFileSync(join(folder, 'test', 'large.json'), drawTask('energy', { split: 'ood-capacity', index: 0, regime: 'pomdp', horizon: 6 }).model.toJson());
    const { name: family, symbols } = loadFamily(folder);
    expect(symbols).toBe(15);
    const spec = { family, split: 'test', seed: 1, regime: 'pomdp', horizon: 6, support: { trajectories: 1, behaviour: 'random' }, firstTask: 0, tasks: 4, episodesPerTask: 400, solver: { gap: 0.01 } } as never;
    const episodes = await createEpisodes(spec);
    const { returns, optimal } = (await played(episodes, await createAgents(spec, 'qmdp'))).outcome();
    const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(optimal)).toBeGreaterThan(0);
    // QMDP is all but optimal here; five deviations of 1,600 episodes are about 0.4.
    expect(Math.abs(mean(returns) - mean(optimal))).toBeLessThan(0.5);
  });

  it('an experiment names their folder, and is told when the models are others', async () => {
    const folder = written('mdp');
    const file = join(folder, '..', 'experiment.json');
    writeFileSync(file, JSON.stringify({ schema: 'tiresias.experiment/1', name: 'own', family: { models: 'models' } }));
    const experiment = await loadExperiment(file);
    expect(experiment).toMatchObject({ family: loadFamily(folder).name, familyPath: folder, regimes: ['mdp'], horizon: 5 });
    // As a run writes it down.
    expect(parseExperiment(JSON.parse(JSON.stringify(experiment)))).toEqual(experiment);
    rmSync(join(folder, 'train', '0.json'));
    expect(() => parseExperiment(JSON.parse(JSON.stringify(experiment)))).toThrow(expect.objectContaining({ code: 'INVALID_EXPERIMENT', message: expect.stringMatching(/another family than when the experiment was written/) as string }));
    expect(() => parseExperiment({ schema: 'tiresias.experiment/1', name: 'own', family: { model: 'x' } })).toThrow(/family/);
    expect(() => parseExperiment({ schema: 'tiresias.experiment/1', name: 'own', family: { models: join(folder, 'nowhere') } })).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
  });

  it('datasets, evaluations and reports are made of them from the command line, and go on where they were', async () => {
    const folder = written('pomdp');
    const cwd = join(folder, '..');
    const experiment = {
      schema: 'tiresias.experiment/1', name: 'own', family: { models: 'models' }, dataset: { examples: 12, examplesPerTask: 2, shardExamples: 6 },
      evaluation: { tasks: 6, methods: ['oracle', 'qmdp', 'bayes', 'random'] },
    };
    writeFileSync(join(cwd, 'own.json'), JSON.stringify(experiment));
    const made = await tiresias(['dataset', 'make', '--family', 'models', '--examples', '6', '--tokenizer', 'compact', '--out', 'data'], { cwd });
    expect([made.code, made.stdout]).toEqual([0, expect.stringContaining('6 examples of 6 tasks')]);
    expect((await tiresias(['dataset', 'verify', 'data/pomdp'], { cwd })).code).toBe(0);
    expect((await tiresias(['dataset', 'show', 'data/pomdp'], { cwd })).stderr).toContain('--family FOLDER');
    expect((await tiresias(['dataset', 'show', 'data/pomdp', '--family', 'models'], { cwd })).stdout).toContain('Query:');
    const first = await tiresias(['run', '--config', 'own.json'], { cwd });
    expect(first.code, first.stderr).toBe(0);
    const results = readFileSync(join(cwd, 'runs', 'own', 'results.json'), 'utf8');
    const again = await tiresias(['run', '--config', 'own.json'], { cwd });
    expect([again.code, readFileSync(join(cwd, 'runs', 'own', 'results.json'), 'utf8').length]).toEqual([0, results.length]);
    expect(Object.keys((JSON.parse(results) as { regimes: { pomdp: { methods: object } } }).regimes.pomdp.methods)).toEqual(['oracle', 'qmdp', 'bayes', 'random']);
    expect((await tiresias(['solve', '--family', 'models', '--index', '2', '--json'], { cwd })).code).toBe(0);
    expect((await tiresias(['solve', '--family', 'models', '--tasks', '3'], { cwd })).stdout).toContain('3 of 3');
    const few = await tiresias(['dataset', 'make', '--family', 'models', '--examples', '7', '--tokenizer', 'compact', '--out', 'more'], { cwd });
    expect([few.code, few.stderr]).toEqual([2, expect.stringContaining('6 models')]);
    // The trainer reads the folder itself, and draws from it without end.
    const learns = { ...experiment, name: 'stream', dataset: { examplesPerTask: 4, examples: 4, shardExamples: 4 }, training: { data: 'stream', steps: 3, batchSize: 4 } };
    writeFileSync(join(cwd, 'stream.json'), JSON.stringify({ ...learns, evaluation: { tasks: 4, resamples: 100, methods: ['oracle', { method: 'dpt', options: { layers: 1, hidden: 16, heads: 2, steps: 3 } }, 'random'] } }));
    const stream = await tiresias(['run', '--config', 'stream.json'], { cwd });
    expect(stream.code, stream.stderr).toBe(0);
  });

  it('says which file cannot be one', () => {
    const folder = written('mdp', 2);
    const told = (code: string, message: RegExp) => expect(() => loadFamily(folder)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }));
    writeFileSync(join(folder, 'train', 'tiger.json'), classicModel('tiger').toJson());
    told('INVALID_MODEL_FILE', /tiger\.json: it is of kind pomdp/);
    renameSync(join(folder, 'train', 'tiger.json'), join(folder, 'train', 'tiger.txt'));
    told('INVALID_MODEL_FILE', /tiger\.txt: it is no model file/);
    expect(() => loadFamily(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
    expect(() => familyInfo('nergy' as FamilyName)).toThrow(/nergy/);
  });
});
