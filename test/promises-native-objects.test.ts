// Native memory: the collector hears of all of it, and dispose() gives it back; nothing of it is used after that.
import { describe, expect, it } from 'vitest';
import {
  AlphaPolicy, BeliefBatch, BeliefTracker, Environments, Model, Prompts, Trajectories, classicModel, compactTokenizer, compileEncoder, createAgents, createEpisodes, drawTask, loadPolicy, solveSync,
  type EpisodesSpec, type ShardSpec,
} from '../src/index.js';
import { native } from '../src/native.js';
import { CLASSES } from '../src/signatures.js';

const full = process.env['TIRESIAS_PROMISES'] === 'full';
const turn = () => new Promise(setImmediate);
/** What the collector was told. */
const external = () => native.tellCollector();
const MB = 2 ** 20;

const model = classicModel('tiger').with(5);
const solution = solveSync(model, { solver: 'point', gap: 0.1 });
const tokenizer = () => compactTokenizer([JSON.parse(native.defaultTemplate('energy', 'mdp'))]);
const spec = { family: 'energy', split: 'train', seed: 1, regime: 'mdp', horizon: 3, tasks: 2, episodesPerTask: 2, support: { trajectories: 1 } };

/** One of each class, except the token that cancels a call: 8 bytes, which live as long as the call. */
const make: Record<string, () => object | Promise<object>> = {
  Agents: () => createAgents(spec as unknown as EpisodesSpec, 'empirical'),
  AlphaPolicy: () => solution.alphaPolicy(),
  BeliefBatch: () => new native.BeliefBatch(model, { count: 3 }),
  BeliefTracker: () => new BeliefTracker(model, solution),
  DrawnTask: () => drawTask('energy', { index: 0 }),
  Encoder: () => compileEncoder({}, compactTokenizer([{}]), 10, 3),
  Environments: () => new native.Environments(model, { count: 3, seed: 0 }),
  Episodes: () => createEpisodes(spec as unknown as EpisodesSpec),
  ExampleSource: () => native.createExampleSource(JSON.stringify(spec satisfies object as unknown as ShardSpec), tokenizer(), false),
  LabelledRecords: () => {
    // Records of the model's own world: nothing is seen but that it was done.
    const names = (count: number, nameOf: (i: number) => string) => Array.from({ length: count }, (_, i) => nameOf(i));
    const [seen, done] = [names(model.observations || model.states, (i) => (model.observations ? model.observationName(i) : model.stateName(i))), names(model.actions, (i) => model.actionName(i))];
    const records = Trajectories.fromColumns(seen, done, { offsets: Uint32Array.of(0, 1), observations: Int32Array.of(0), actions: Uint8Array.of(0), rewards: Float64Array.of(1) });
    const asked = { name: 'records:0', regime: model.observations ? 'pomdp' : 'mdp', labels: 'behaviour', seed: 0, trajectories: 0, template: {} };
    return native.labelRecords(records, model, JSON.stringify(asked));
  },
  LoadedModel: () => Model.parse(model.toJson()),
  Model: () => Model.fromJson(model.toJson()),
  Prompts: async () => new Prompts(await createEpisodes(spec as unknown as EpisodesSpec), tokenizer()),
  Solution: () => loadPolicy(solution.savePolicy(), model),
  SharedSolution: () => solution.share(),
  SolvedBatch: () => native.solveBatch([model]),
  Tokenizer: () => tokenizer(),
  Trajectories: () => Trajectories.fromColumns(['seen'], ['done'], { offsets: Uint32Array.of(0, 1), observations: Int32Array.of(0), actions: Uint8Array.of(0), rewards: Float64Array.of(1) }),
};

interface Disposable {
  dispose(): void;
}

describe('every class of the addon', () => {
  it('is looked at here', () => {
    expect(Object.keys(make).toSorted()).toEqual(Object.keys(CLASSES).filter((name) => name !== 'CancelToken').toSorted());
  });

  it.each(Object.keys(make))('%s is disposed of once and for all', async (name) => {
    const object = (await make[name]!()) as Disposable & Record<string, unknown>;
    expect((object as { [Symbol.dispose]?: unknown })[Symbol.dispose]).toBe(object.dispose);
    object.dispose();
    object.dispose();
    const disposed = expect.objectContaining({ name: 'TiresiasError', code: 'DISPOSED', exitCode: 2, message: expect.stringContaining(`this ${name} was disposed of`) });
    const properties = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object) as object)).filter(([, property]) => property.get);
    for (const [property] of properties) expect(() => object[property], property).toThrow(disposed);
  });

  it('is an error as an argument, too, and what was made of it lives on', () => {
    const [own, solved] = [Model.fromJson(model.toJson()), loadPolicy(solution.savePolicy(), model)];
    const tracker = new BeliefTracker(own, solved);
    const policy = solved.alphaPolicy();
    own.dispose();
    solved.dispose();
    const disposed = expect.objectContaining({ code: 'DISPOSED' });
    expect(() => solveSync(own)).toThrow(disposed);
    expect(() => new BeliefTracker(model, solved)).toThrow(disposed);
    expect(() => new BeliefBatch(own, { count: 2 })).toThrow(disposed);
    expect(() => Model.cloud([model, own])).toThrow(disposed);
    expect(() => solved.action(0, model.start())).toThrow(disposed);
    expect(tracker.update(0, 0)).toBeCloseTo(0.5);
    expect(policy.action(model.start())).toBe(0);
  });

  it('and the classes over them go by the same rule', () => {
    for (const object of [new BeliefBatch(model, { count: 2 }), new Environments(model, { count: 2, seed: 0 })]) {
      object[Symbol.dispose]();
      object.dispose();
      expect(() => object.reset()).toThrow(expect.objectContaining({ code: 'DISPOSED' }));
    }
  });

  it('says what JSON it has, and never an empty object', async () => {
    expect(JSON.parse(JSON.stringify(model))).toEqual(JSON.parse(model.toJson()));
    expect(Model.fromJson(JSON.stringify(model)).sha256()).toBe(model.sha256());
    for (const name of Object.keys(make)) {
      const text = JSON.stringify(await make[name]!());
      if (!['BeliefTracker', 'ExampleSource', 'LabelledRecords'].includes(name)) expect(text, name).not.toBe('{}');
    }
    expect(JSON.parse(JSON.stringify(solution))).toMatchObject({ lower: solution.lower, upper: solution.upper, stopped: 'converged' });
  });

  it('is not cloned into an empty object, where Node lets one say so', async () => {
    const { markAsUncloneable } = (await import('node:worker_threads')) as { markAsUncloneable?: unknown };
    if (!markAsUncloneable) return;
    for (const name of Object.keys(make)) expect(() => structuredClone(make[name] === make['Episodes'] ? model : solution), name).toThrow(/clone/i);
    expect(() => structuredClone({ model })).toThrow(/clone/i);
  });

  it('can be extended', () => {
    class Mine extends BeliefTracker {
      twice() {
        return 2 * this.stage;
      }
    }
    const mine = new Mine(model);
    expect(mine).toBeInstanceOf(Mine);
    expect(mine).toBeInstanceOf(BeliefTracker);
    mine.update(0, 0);
    expect(mine.twice()).toBe(2);
    class Named extends (Model as unknown as new () => Model) {
      get title() {
        return `model ${this.name}`;
      }
    }
    const named = (Named as unknown as typeof Model).fromJson(model.toJson());
    expect((named as Named).title).toBe(`model ${model.name}`);
    expect(solveSync(named).lower).toBeCloseTo(solveSync(model).lower);
    expect(AlphaPolicy).toBe(native.AlphaPolicy);
  });
});

describe('the collector hears', () => {
  // 10^5 beliefs of 60 numbers: 48 MB, as theory has it.
  const large = classicModel('maze:hallway');
  const count = 100_000;
  const bytes = count * large.states * 8;

  it('of what is held, and when it is given back', () => {
    const before = external();
    const batch = new BeliefBatch(large, { count });
    expect(external() - before).toBeGreaterThan(bytes);
    expect(external() - before).toBeLessThan(1.2 * bytes);
    batch.dispose();
    expect(Math.abs(external() - before)).toBeLessThan(MB);
  });

  it('of a model once, however many objects share it', () => {
    const before = external();
    const tag = classicModel('tag');
    const held = external() - before;
    expect(held).toBeGreaterThan(MB / 4);
    const trackers = Array.from({ length: 100 }, () => new BeliefTracker(tag));
    expect(external() - before - held).toBeLessThan(100 * (2 * 8 * tag.states + 1024));
    tag.dispose();
    // The trackers need it still.
    expect(external() - before).toBeGreaterThan(held);
    trackers.forEach((tracker) => tracker.dispose());
    expect(Math.abs(external() - before)).toBeLessThan(MB / 8);
  });

  it('of what a background call made, and of what grows', async () => {
    const before = external();
    const solved = await native.solve(classicModel('tag'), { timeSeconds: 0.3 });
    classicModel('tiger');
    expect(external() - before).toBeGreaterThan(MB / 4);
    solved.dispose();
    const episodes = await createEpisodes({ ...spec, tasks: 20, episodesPerTask: 50 } as unknown as EpisodesSpec);
    native.version();
    const small = (new BeliefTracker(model), external());
    episodes.step(episodes.oracleActions());
    expect(external() - small).toBeGreaterThan(20 * 50 * 8);
  });

  it(`so that ${full ? 600 : 60} dropped batches of 48 MB do not pile up`, async () => {
    const start = process.memoryUsage().rss;
    let most = 0;
    for (let i = 0; i < (full ? 600 : 60); i++) {
      new BeliefBatch(large, { count });
      await turn();
      most = Math.max(most, process.memoryUsage().rss - start);
    }
    // Unseen, they take 2.9 GB (29 GB); the collector comes every few hundred.
    expect(most).toBeLessThan(1500 * MB);
  }, 120_000);
});
