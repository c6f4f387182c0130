import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TiresiasError } from '../src/errors.js';
import { experimentJsonSchema, loadExperiment, parseExperiment } from '../src/experiment.js';
import { native } from '../src/native.js';
import { root, scratch } from './support.js';

const minimal = { schema: 'tiresias.experiment/1', name: 'x' };

function problems(value: unknown): { path: string; problem: string }[] {
  try {
    parseExperiment(value);
  } catch (error) {
    expect(error).toBeInstanceOf(TiresiasError);
    expect((error as TiresiasError).code).toBe('INVALID_EXPERIMENT');
    for (const { path } of (error as TiresiasError).details['problems'] as { path: string }[]) expect((error as Error).message).toContain(path);
    return (error as TiresiasError).details['problems'] as { path: string; problem: string }[];
  }
  return [];
}

describe('the experiment file', () => {
  it('needs a schema and a name, and has defaults for the rest', () => {
    const experiment = parseExperiment(minimal);
    expect(experiment.regimes).toEqual(['mdp', 'pomdp', 'apomdp']);
    expect(experiment.training.lora).toEqual({ r: 16, alpha: 32, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] });
    expect(experiment.base).toEqual({ name: 'smollm2-135m-instruct' });
    expect(problems({}).map(({ path }) => path)).toEqual(['$.schema', '$.name']);
  });

  it('says where its base comes from in one of several ways', () => {
    const base = (written: object) => parseExperiment({ ...minimal, base: written }).base;
    for (const written of [{ name: 'gemma-3-270m' }, { path: 'folder', sha256: 'a'.repeat(64) }, { hub: 'org/name', file: 'm.gguf', revision: 'v1' }]) expect(base(written)).toEqual(written);
    expect(base({ hub: 'meta-llama/Llama-2-7b-hf' })).toEqual({ hub: 'meta-llama/Llama-2-7b-hf', revision: 'main' });
  });

  it('fills a partial section with the section’s defaults', () => {
    const { training } = parseExperiment({ ...minimal, training: { steps: 3, lora: { r: 4 } } });
    expect(training).toMatchObject({ steps: 3, batchSize: 8, lora: { r: 4, alpha: 32 } });
  });

  it('is what the quick start uses', async () => {
    await expect(loadExperiment(join(root, 'experiments', 'quickstart.json'))).resolves.toMatchObject({ name: 'quickstart' });
  });

  it.each([
    [{ horizon: 0 }, '$.horizon', />=1/],
    [{ horizon: 2.5 }, '$.horizon', /expected int/],
    [{ horizon: '10' }, '$.horizon', /expected number, received string/],
    [{ regimes: ['mdp', 'fomdp'] }, '$.regimes[1]', /"mdp"\|"pomdp"\|"apomdp"/],
    [{ regimes: ['mdp', 'mdp'] }, '$.regimes', /at most once/],
    [{ alpha: 1.5 }, '$.alpha', /<=1/],
    [{ support: { behaviour: 'epsilon' } }, '$.support.behaviour', /epsilon:0\.2/],
    [{ query: { behaviour: 'random' } }, '$.query.behaviour', /oracle/],
    [{ training: { lora: { r: 'many' } } }, '$.training.lora.r', /number/],
    [{ training: { lora: { targets: ['q_proj', 'lm_head'] } } }, '$.training.lora.targets[1]', /q_proj/],
    [{ dataset: { examples: 10, examplesPerTask: 3, shardExamples: 3 } }, '$.dataset.examples', /multiple/],
    [{ evaluation: { methods: ['sft'] } }, '$.evaluation.methods', /random/],
    [{ base: { hub: 'nobody' } }, '$.base.hub', /organisation\/name/],
    [{ base: { hub: 'org/name', file: 'model.bin' } }, '$.base.file', /\.gguf file, or no file/],
    [{ base: { name: 'smollm' } }, '$.base', /"smollm2-135m-instruct"/],
    [{ templates: { mdp: { rewardWidth: 9 } } }, '$.templates.mdp.rewardWidth', /<=5/],
    [{ trainning: {} }, '$.trainning', /not a known field/],
    [{ evaluation: { task: 3 } }, '$.evaluation.task', /not a known field/],
    [{ name: '../x' }, '$.name', /letters/],
  ])('%j is refused at its path', (change, path, problem) => {
    const found = problems({ ...minimal, ...change });
    expect(found.map((p) => p.path)).toEqual([path]);
    expect(found[0]!.problem).toMatch(problem);
  });

  it.each(['oracle', 'random', 'epsilon:0', 'epsilon:0.25', 'epsilon:1', 'mixture:oracle=0.5,random=0.5', 'mixture:epsilon:0.1=3,oracle=0.7'])('takes the behaviour %s', (behaviour) => {
    expect(problems({ ...minimal, support: { behaviour } })).toEqual([]);
  });

  it('names every path at which a value of the wrong kind stands', () => {
    const leaves: [string, (value: unknown) => object][] = [
      ['$.seed', (value) => ({ seed: value })],
      ['$.models', (value) => ({ models: value })],
      ['$.solver.gap', (value) => ({ solver: { gap: value } })],
      ['$.training.optimizer.lr', (value) => ({ training: { optimizer: { lr: value } } })],
      ['$.evaluation.tasks', (value) => ({ evaluation: { tasks: value } })],
    ];
    const wrong = fc.oneof(fc.string(), fc.boolean(), fc.constant(null), fc.array(fc.integer()), fc.double({ max: -1e-9, noNaN: true }));
    fc.assert(
      fc.property(fc.constantFrom(...leaves), wrong, ([path, change], value) => {
        expect([...new Set(problems({ ...minimal, ...change(value) }).map((p) => p.path))]).toEqual([path]);
      }),
    );
  });

  it('is the same after a round trip through its own defaults', () => {
    fc.assert(
      fc.property(fc.record({ horizon: fc.integer({ min: 1, max: 100 }), models: fc.integer({ min: 1, max: 9 }), seed: fc.nat() }, { requiredKeys: [] }), (change) => {
        const experiment = parseExperiment({ ...minimal, ...change });
        expect(parseExperiment(JSON.parse(JSON.stringify(experiment)))).toEqual(experiment);
      }),
    );
  });

  it('allows no number that the specification refuses', () => {
    interface Bounds { minimum?: number; exclusiveMinimum?: number; maximum?: number; anyOf?: Bounds[]; properties: Record<string, Bounds> }
    const spec = JSON.parse(native.specSchema()) as Bounds & { $defs: Record<string, Bounds> };
    const { seed, horizon, models, alpha, support, solver, dataset, evaluation } = (experimentJsonSchema() as Bounds).properties as Record<string, Bounds>;
    const pairs = [
      [seed, spec.properties['seed']], [horizon, spec.properties['horizon']], [models, spec.properties['models']], [alpha, spec.properties['alpha']],
      [support!.properties['trajectories'], spec.$defs['Support']!.properties['trajectories']],
      [solver!.properties['gap'], spec.$defs['SolverSpec']!.properties['gap']], [solver!.properties['timeSeconds']!.anyOf![0], spec.$defs['SolverSpec']!.properties['timeSeconds']],
      [dataset!.properties['examplesPerTask'], spec.properties['examplesPerTask']],
      [evaluation!.properties['tasks'], spec.properties['tasks']], [evaluation!.properties['episodes'], spec.properties['episodesPerTask']], [evaluation!.properties['epsilon'], spec.properties['epsilon']],
    ];
    for (const [ours, its] of pairs) {
      expect(ours!.minimum ?? ours!.exclusiveMinimum).toBeGreaterThanOrEqual(its!.minimum!);
      expect(ours!.maximum ?? Infinity).toBeLessThanOrEqual(its!.maximum ?? Infinity);
    }
  });

  it('takes a relative path to a model from its own folder', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'e.json'), JSON.stringify({ ...minimal, base: { path: 'models/m.gguf' } }));
    expect((await loadExperiment(join(folder, 'e.json'))).base).toEqual({ path: join(folder, 'models', 'm.gguf') });
  });

  it('with bad JSON says where', async () => {
    const file = join(scratch(), 'e.json');
    writeFileSync(file, '{\n  "schema": "tiresias.experiment/1",\n  "name": x\n}');
    await expect(loadExperiment(file)).rejects.toMatchObject({ code: 'INVALID_JSON', exitCode: 2, details: { line: 3, column: 11 } });
    await expect(loadExperiment(`${file}.none`)).rejects.toMatchObject({ code: 'FILE_NOT_FOUND', exitCode: 4 });
  });

  it('has a JSON schema in docs/ that is up to date', () => {
    const written = JSON.parse(readFileSync(join(root, 'docs', 'experiment.schema.json'), 'utf8')) as unknown;
    expect(written, 'run `npm run build:ts`').toEqual(JSON.parse(JSON.stringify(experimentJsonSchema())));
  });
});
