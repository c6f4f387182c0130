// Families of one's own as a document or as a module, from the library to the report. What the core refuses is in crates/model/tests/document_family.rs.
import fc from 'fast-check';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Drawer } from '../src/family/drawer.js';
import { createAgents, createEpisodes, drawTask, familyInfo, loadExperiment, loadFamily, parseExperiment, played, type FamilyName } from '../src/index.js';
import { reproduce } from '../src/study/reproduce.js';
import { cellsAt, loadStudy } from '../src/study/study.js';
import { root, scratch, setEnv, tiresias, writtenStudy } from './support.js';

const families = join(root, 'examples', 'families');

describe('a family as a document', () => {
  it('is loaded, named by its hash, and draws tasks', () => {
    const info = loadFamily(join(families, 'machines.json'));
    expect(info.name).toMatch(/^json:[0-9a-f]{64}$/);
    expect(info).toMatchObject({ regimes: ['mdp', 'pomdp', 'apomdp'], horizon: 12, symbols: 3, splits: [{ name: 'train' }, { name: 'test' }, { name: 'ood-worn', description: 'wear in 0.4..0.6' }] });
    expect(familyInfo(info.name)).toEqual(info);
    const { model, parameters } = drawTask(info.name, { split: 'ood-worn', index: 1_000_000, regime: 'apomdp', models: 2 });
    expect([model.kind, model.states, model.models, model.horizon]).toEqual(['apomdp', 3, 2, 12]);
    expect(parameters.map(({ name }) => name)).toEqual(['wear', 'failure', 'miss', 'repair', ...['0.', '1.'].flatMap((m) => ['wear', 'failure', 'miss', 'repair'].map((name) => m + name))]);
    expect(parameters[0]!.value).toBeGreaterThan(0.4);
    expect(() => drawTask(`json:${'0'.repeat(64)}`, { index: 0 })).toThrow(expect.objectContaining({ code: 'UNKNOWN_NAME', message: expect.stringMatching(/--family FILE, loadFamily/) as string }));
  });

  it('is the one that the page explains', () => {
    const blocks = [...readFileSync(join(root, 'docs', 'your-own-family.md'), 'utf8').matchAll(/^```json\n(\{\n {2}"schema": "tiresias\.family[^]*?)^```$/gm)].map((match) => JSON.parse(match[1]!) as object);
    expect(blocks).toEqual([{ ...(JSON.parse(readFileSync(join(families, 'machines.json'), 'utf8')) as object), $schema: undefined }]);
  });

  it('and the page’s module is the example', () => {
    const [block] = [...readFileSync(join(root, 'docs', 'your-own-family.md'), 'utf8').matchAll(/^```js\n([^]*?)^```$/gm)];
    expect(readFileSync(join(families, 'machines.mjs'), 'utf8').trim()).toContain(block![1]!.trim());
  });

  it('of the energy family gives its tasks', () => {
    const { name } = loadFamily(join(families, 'energy.json'));
    fc.assert(fc.property(
      fc.record({ split: fc.constantFrom('train', 'test', 'ood-capacity', 'ood-ambiguity'), index: fc.nat(), seed: fc.nat(), regime: fc.constantFrom('mdp', 'pomdp', 'apomdp'), horizon: fc.integer({ min: 1, max: 30 }) }),
      (request) => {
        const [own, builtIn] = [drawTask(name, request as never), drawTask('energy', request as never)];
        expect([own.model.sha256(), own.trueModel, own.parameters]).toEqual([builtIn.model.sha256(), builtIn.trueModel, builtIn.parameters]);
      },
    ), { numRuns: 50 });
  });

  it('is what bayes draws its particles from: it comes near the oracle, and nearer than who ignores the task', async () => {
    const { name: family } = loadFamily(join(families, 'machines.json'));
    const spec = { family, split: 'test', seed: 1, regime: 'pomdp', horizon: 12, support: { trajectories: 4, behaviour: 'random' }, firstTask: 0, tasks: 12, episodesPerTask: 60, solver: { gap: 0.02 } } as never;
    const means: Record<string, number> = {};
    for (const [method, options] of [['bayes', { particles: 2000 }], ['bc-prompt', {}]] as const) {
      const { returns, optimal } = (await played(await createEpisodes(spec), await createAgents(spec, method, options))).outcome();
      const mean = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
      means[method] = mean(returns);
      means['oracle'] = mean(optimal);
    }
    expect(means['bayes']!).toBeGreaterThan(means['bc-prompt']!);
    // 720 episodes: five standard errors are about 1.
    expect(means['oracle']! - means['bayes']!).toBeLessThan(2.5);
    expect(means['bayes']! - means['oracle']!).toBeLessThan(1);
  });

  it('stands in an experiment, which is told when the document is another', async () => {
    const folder = scratch();
    const path = join(folder, 'machines.json');
    copyFileSync(join(families, 'machines.json'), path);
    const file = join(folder, 'experiment.json');
    writeFileSync(file, JSON.stringify({ schema: 'tiresias.experiment/1', name: 'own', family: { document: 'machines.json' } }));
    const experiment = await loadExperiment(file);
    expect(experiment).toMatchObject({ family: loadFamily(path).name, familyPath: path, regimes: ['mdp', 'pomdp', 'apomdp'], horizon: 12 });
    expect(parseExperiment(JSON.parse(JSON.stringify(experiment)))).toEqual(experiment);
    writeFileSync(path, readFileSync(path, 'utf8').replace('[2, 6]', '[2, 5]'));
    expect(() => parseExperiment(JSON.parse(JSON.stringify(experiment)))).toThrow(expect.objectContaining({ code: 'INVALID_EXPERIMENT', message: expect.stringMatching(/another family than when the experiment was written; name it again, as \{"document": "…"\}/) as string }));
    const parse = (family: object) => () => parseExperiment({ schema: 'tiresias.experiment/1', name: 'own', family }, 'e.json', folder);
    expect(parse({ models: 'machines.json' })).toThrow(/is a file: write \{"document": "…"\}/);
    expect(parse({ document: 'none.json' })).toThrow(expect.objectContaining({ code: 'FILE_NOT_FOUND' }));
    expect(parse({ module: 'machines.mjs' })).toThrow(/drawn by a module where an experiment is read from a file/);
    writeFileSync(path, readFileSync(path, 'utf8').replace('if(s == 0, wear,', 'if(s == 0, wears,'));
    expect(parse({ document: 'machines.json' })).toThrow(expect.objectContaining({ code: 'INVALID_MODEL_FILE', message: expect.stringMatching(/\$\.transition\.run\[0\]\.p: `wears` is not known here; perhaps `wear`\n.*machines\.json:24:64/) as string }));
  });

  it('stands in a study, beside its file; a cell is the same wherever the document lies', async () => {
    const study = {
      schema: 'tiresias.study/1', name: 'own', question: 'Does it run?', x: 'horizon',
      experiment: { family: { document: 'own/machines.json' }, regimes: ['mdp'], evaluation: { tasks: 3, resamples: 100, methods: ['oracle', 'random'] } },
      axes: [{ name: 'horizon', label: 'Horizon', path: 'horizon', values: [2, 3] }], budgets: { small: { about: 'Seconds.' } },
    };
    const cells = async () => {
      const { path, folder } = writtenStudy(study);
      mkdirSync(join(folder, 'own'));
      copyFileSync(join(families, 'machines.json'), join(folder, 'own', 'machines.json'));
      return { folder, path, cells: cellsAt(await loadStudy(path), 'small') };
    };
    const [one, other] = [await cells(), await cells()];
    expect(one.cells.map(({ experiment }) => experiment.familyPath)).toEqual([0, 1].map(() => join(one.folder, 'own', 'machines.json')));
    expect(one.cells.map(({ key }) => key())).toEqual(other.cells.map(({ key }) => key()));
    const { results } = await reproduce(one.path, { folder: join(one.folder, 'out'), threads: 1 });
    expect(results.cells.map(({ name }) => name)).toEqual(['horizon=2', 'horizon=3']);
  });

  it('goes through every command, and a training on a stream', { timeout: 120_000 }, async () => {
    const cwd = scratch();
    copyFileSync(join(families, 'machines.json'), join(cwd, 'machines.json'));
    const run = async (...args: string[]) => {
      const exit = await tiresias(args, { cwd });
      expect(exit.code, exit.stderr).toBe(0);
      return exit.stdout;
    };
    expect(await run('families', 'machines.json', 'energy')).toMatch(/^machines\.json: A machine wears out[^]*ood-worn +wear in 0\.4\.\.0\.6\n {2}symbols seen: at most 3; name: json:[^]*\nenergy: /);
    expect(await run('solve', '--family', 'machines.json', '--regime', 'pomdp', '--index', '2')).toContain('machines.json train 2, seed 0');
    expect(await run('solve', '--family', 'machines.json', '--tasks', '5')).toContain('5 of 5');
    expect(await run('rollout', '--family', 'machines.json', '--episodes', '20')).toContain('20');
    expect(await run('dataset', 'make', '--family', 'machines.json', '--regime', 'apomdp', '--examples', '6', '--tokenizer', 'compact', '--out', 'data')).toContain('6 examples of 6 tasks');
    expect(await run('dataset', 'verify', 'data/apomdp')).toContain('6');
    expect(await run('dataset', 'show', 'data/apomdp', '--family', './machines.json')).toContain('Query:');
    const experiment = {
      schema: 'tiresias.experiment/1', name: 'own', family: { document: 'machines.json' }, regimes: ['pomdp'], dataset: { examples: 8, shardExamples: 8 },
      training: { data: 'stream', steps: 4, batchSize: 2 },
      evaluation: { tasks: 4, resamples: 100, methods: ['oracle', { method: 'dpt', options: { layers: 1, hidden: 16, heads: 2, steps: 4 } }, 'bayes', 'random'] },
    };
    writeFileSync(join(cwd, 'own.json'), JSON.stringify(experiment));
    await run('run', '--config', 'own.json');
    const results = JSON.parse(readFileSync(join(cwd, 'runs', 'own', 'results.json'), 'utf8')) as { regimes: { pomdp: { methods: object } }; experiment: { family: string } };
    expect(results.experiment.family).toMatch(/^json:/);
    expect(Object.keys(results.regimes.pomdp.methods)).toEqual(['oracle', 'dpt', 'bayes', 'random']);
    // Elsewhere the same document is the same family: nothing is trained anew.
    mkdirSync(join(cwd, 'elsewhere'));
    copyFileSync(join(cwd, 'machines.json'), join(cwd, 'elsewhere', 'm.json'));
    writeFileSync(join(cwd, 'elsewhere', 'own.json'), JSON.stringify({ ...experiment, name: 'again', family: { document: 'm.json' } }));
    const trained = () => readdirSync(join(cwd, 'runs', 'store', 'train')).sort();
    const before = trained();
    await run('run', '--config', 'elsewhere/own.json');
    expect(trained()).toEqual(before);
    const wrong = await tiresias(['solve', '--family', 'machine.json'], { cwd });
    expect([wrong.code, wrong.stderr]).toEqual([4, expect.stringContaining('machine.json: there is no such folder, document or module')]);
  });
});

describe('a family as a module', () => {
  /** An experiment beside a module of that text. */
  function module(text: string, family: object = {}): { folder: string; load: () => ReturnType<typeof loadExperiment> } {
    const folder = scratch();
    setEnv('TIRESIAS_CACHE', join(folder, 'cache'));
    writeFileSync(join(folder, 'own.mjs'), text);
    writeFileSync(join(folder, 'own.json'), JSON.stringify({ schema: 'tiresias.experiment/1', name: 'own', family: { module: 'own.mjs', ...family } }));
    return { folder, load: () => loadExperiment(join(folder, 'own.json')) };
  }

  const machines = readFileSync(join(families, 'machines.mjs'), 'utf8');

  it('is drawn once, and is then a folder of models', async () => {
    const { folder, load } = module(machines, { tasks: { train: 6, test: 3 } });
    const experiment = await load();
    expect(experiment).toMatchObject({ family: expect.stringMatching(/^models:/) as string, regimes: ['pomdp'], horizon: 12 });
    expect(familyInfo(experiment.family)).toMatchObject({ splits: [{ name: 'test', description: '3 models' }, { name: 'train', description: '6 models' }] });
    const files = readdirSync(join(experiment.familyPath!, 'train'));
    expect(files).toHaveLength(6);
    // Not drawn again while it is whole: a module that would fail now is not asked.
    writeFileSync(join(experiment.familyPath!, '..', 'probe'), '');
    expect((await load()).family).toBe(experiment.family);
    expect(existsSync(join(experiment.familyPath!, '..', 'probe'))).toBe(true);
    // A damaged cache is made again.
    writeFileSync(join(experiment.familyPath!, 'train', files[0]!), '{}');
    expect((await load()).family).toBe(experiment.family);
    expect(existsSync(join(experiment.familyPath!, '..', 'probe'))).toBe(false);
    expect(folder).toBeTruthy();
  });

  it('is another one with another seed, other options or another text, and the same elsewhere', async () => {
    const name = async (text: string, family: object): Promise<FamilyName> => (await module(text, { tasks: { train: 4, test: 2 }, ...family }).load()).family;
    const names = [await name(machines, {}), await name(machines, { seed: 1 }), await name(machines, { options: { wears: 0.1 } }), await name(machines.replace('0.05, wears', '0.02, wears'), {})];
    expect(new Set(names).size).toBe(4);
    expect(await name(`${machines}// The same.\n`, {})).toBe(names[0]);
    expect(await name(machines, { tasks: { train: 5, test: 2 } })).not.toBe(names[0]);
  });

  const mdp = "{ schema: 'tiresias.model/1', states: 2, actions: 1, horizon: 3, reward: { action: [1] }, dynamics: [{ transition: [[[p, 1 - p], [0, 1]]] }] }";
  it.each([
    ['is not deterministic', `export default { splits: { train: 3 }, draw() { const p = Math.random(); return ${mdp}; } };`, /task 2 of train, drawn by own\.mjs: the second time another model came; .*Math\.random/],
    ['remembers what it drew', `let n = 0; export default { splits: { train: 3 }, draw() { const p = n++ / 10; return ${mdp}; } };`, /task 2 of train, drawn by own\.mjs: the second time another model came/],
    ['gives no model', `export default { splits: { train: 3 }, draw() { const p = 2; return ${mdp}; } };`, /task 0 of train, drawn by own\.mjs: what draw gave is no model: .*transition, action 0, s = 0/s],
    ['gives nothing', 'export default { splits: { train: 3 }, draw() {} };', /task 0 of train, drawn by own\.mjs: draw gave undefined, and a model is wanted/],
    ['draws nothing', 'export default { splits: { train: 3 } };', /own\.mjs has no default export with a function draw; export default \{ splits/],
    ['has no splits', 'export default { draw() {} };', /own\.mjs does not say how many tasks its splits have, train among them/],
    ['has a split of another name', 'export default { splits: { train: 1, winter: 1 }, draw() {} };', /own\.mjs has a split "winter", which is not train/],
    ['has half a task', 'export default { splits: { train: 0.5 }, draw() {} };', /has 0\.5 tasks in the split train/],
    ['ends the process', 'export default { splits: { train: 1 }, draw() { process.exit(0); } };', /task 0 of train, drawn by own\.mjs: its thread ended \(exit code 0\) without an answer/],
    ['throws later', "export default { splits: { train: 1 }, draw() { setTimeout(() => { throw new Error('too late'); }, 1); return new Promise(() => {}); } };", /task 0 of train, drawn by own\.mjs: too late at own\.mjs:1:\d+ \(outside draw\)/],
    ['leaves a promise alone', "export default { splits: { train: 1 }, draw() { void Promise.reject(new Error('alone')); return new Promise(() => {}); } };", /task 0 of train, drawn by own\.mjs: alone/],
    ['throws what cannot be shown', 'export default { splits: { train: 1 }, draw() { throw { toString() { throw 1; } }; } };', /something was thrown that cannot be shown/],
    ['gives a circle', 'export default { splits: { train: 1 }, draw() { const c = {}; c.c = c; return c; } };', /what draw gave cannot be written as JSON: .*circular/s],
    ['gives a number that is none', `export default { splits: { train: 1 }, draw() { const p = NaN; return ${mdp}; } };`, /what draw gave is no model: \$\.dynamics\[0\]\.transition\[0\]\[0\]\[0\] is NaN/],
    ['has splits that throw', "export default { get splits() { throw new Error('no'); }, draw() {} };", /own\.mjs cannot be read \(no/],
    ['cannot be read', 'export default {\n  splits: { train: 1 },\n  draw( {\n};', /own\.mjs cannot be loaded \(/],
  ])('is refused where it %s', async (_, text, message) => {
    const { folder, load } = module(text);
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_FAMILY', message: expect.stringMatching(message) as string });
    // Nothing half-made is left.
    expect(existsSync(join(folder, 'cache', 'families')) ? readdirSync(join(folder, 'cache', 'families')) : []).toEqual([]);
  });

  it.each([['a loop without end', 'draw() { for (;;); }'], ['a promise that is never kept', 'draw() { return new Promise(() => {}); }']])('is not waited for beyond its patience: %s', async (_, draw) => {
    const cwd = scratch();
    writeFileSync(join(cwd, 'own.mjs'), `export default { splits: { train: 1 }, ${draw} };`);
    const drawer = new Drawer(join(cwd, 'own.mjs'), 2_000);
    expect(await drawer.loaded()).toEqual({ splits: { train: 1 } });
    expect(await drawer.draw({ split: 'train', index: 0, seed: 0, options: {} })).toEqual({ problem: expect.stringContaining('no answer within 2 s') as string });
    await drawer.close();
  });

  it('prints to standard error, and leaves nothing running', async () => {
    const cwd = scratch();
    writeFileSync(join(cwd, 'own.mjs'), `export default { splits: { train: 2 }, draw() { console.log('noise'); setInterval(() => {}, 1000); const p = 0.5; return ${mdp}; } };`);
    const { code, stdout, stderr } = await tiresias(['families', 'own.mjs', '--json'], { cwd, env: { TIRESIAS_CACHE: join(cwd, 'cache') } });
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^(noise\n)+$/)]);
    expect(JSON.parse(stdout)).toHaveProperty('families');
  });

  it('is refused where it throws, with its line', async () => {
    const cwd = scratch();
    writeFileSync(join(cwd, 'own.mjs'), `export default {\n  splits: { train: 3 },\n  draw({ index }) {\n    if (index === 1) throw new Error('no such ward');\n    const p = 0.5; return ${mdp};\n  },\n};`);
    const { code, stderr } = await tiresias(['families', 'own.mjs'], { cwd, env: { TIRESIAS_CACHE: join(cwd, 'cache') } });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/task 1 of train, drawn by own\.mjs: no such ward at own\.mjs:4:\d+\n/)]);
  });

  it('is refused where the experiment asks for what is none', async () => {
    await expect(module(machines, { tasks: { winter: 1 } }).load()).rejects.toMatchObject({ code: 'INVALID_EXPERIMENT', message: expect.stringMatching(/\$\.family\.tasks/) as string });
    await expect(module(machines, { option: 1 }).load()).rejects.toMatchObject({ code: 'INVALID_EXPERIMENT', message: expect.stringMatching(/option/) as string });
    const { load, folder } = module(machines);
    writeFileSync(join(folder, 'own.json'), JSON.stringify({ schema: 'tiresias.experiment/1', name: 'own', family: { module: 'none.mjs' } }));
    await expect(load()).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('goes wherever a family goes on the command line', { timeout: 60_000 }, async () => {
    const cwd = scratch();
    const env = { TIRESIAS_CACHE: join(cwd, 'cache') };
    copyFileSync(join(families, 'machines.mjs'), join(cwd, 'machines.mjs'));
    const solved = await tiresias(['solve', '--family', 'machines.mjs', '--split', 'test', '--tasks', '20'], { cwd, env });
    expect([solved.code, solved.stdout], solved.stderr).toEqual([0, expect.stringContaining('20 of 20')]);
    const told = await tiresias(['families', 'machines.mjs'], { cwd, env });
    expect(told.stdout).toMatch(/^machines\.mjs: Models of one's own[^]*train +80 models[^]*name: models:/);
    const made = await tiresias(['dataset', 'make', '--family', 'machines.mjs', '--examples', '4', '--tokenizer', 'compact', '--out', 'data'], { cwd, env });
    expect(made.code, made.stderr).toBe(0);
  });
});
