// Whole experiments over the real addon, with a stand-in for the trainer that is quick and keeps the contract.
import { existsSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseExperiment, parseResults, runExperiment, type Experiment, type ExperimentInput, type ProgressEvent, type Results } from '../src/index.js';
import { baseModel, contents, fakeBackend, scratch, tiresias } from './support.js';

/** Trains by writing its configuration's hash; decides by it. Counts its starts in the file STARTS names. */
const BACKEND = `
import { appendFileSync, mkdirSync, writeFileSync, existsSync } from 'node:fs';
if (process.env.STARTS) appendFileSync(process.env.STARTS, mode + (config.adapter ? ' adapted' : '') + '\\n');
if (mode === 'train') {
  const line = (event) => { appendFileSync(config.output + '/metrics.jsonl', JSON.stringify(event) + '\\n'); say(event); };
  let stop = false;
  process.on('SIGTERM', () => { stop = true; });
  line({ event: 'start', parameters: 100, trainable: 10, examples: 8, resumed_from: 0, steps: config.steps, arithmetic: 'f32' });
  for (let step = 1; step <= config.steps; step++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (stop) process.exit(75);
    line({ event: 'step', step, loss: 1 / step, accuracy: 0.5, grad_norm: 1, lr: 0.1, tokens: 100, labels: 10, seconds: 0.02, tokens_per_second: 5000 });
  }
  mkdirSync(config.output + '/adapter', { recursive: true });
  writeFileSync(config.output + '/adapter/adapter_model.safetensors', JSON.stringify([config.lora, config.seed, config.steps]));
  line({ event: 'done', step: config.steps, adapter: 'adapter', loss: 1 / config.steps, tokens: 200, seconds: 0.1, tokens_per_second: 2000, matmul_share: 0.3, peak_rss_bytes: 1000000 });
} else {
  say({ event: 'ready', contract: 2, vocabulary: 49152, context: 8192, adapter: config.adapter !== undefined });
  if (config.adapter && !existsSync(config.adapter + '/adapter_model.safetensors')) process.exit(3);
  let next = 0;
  const lengths = new Map();
  // The adapted model prefers what comes first; the plain one goes by the length of what it has read.
  const row = (s) => [0, 1, 2].map((a) => (config.adapter ? -a : -((lengths.get(s) + a) % 3)));
  for await (const text of createInterface({ input: process.stdin })) {
    const { id, op, contexts, sessions, tokens } = JSON.parse(text);
    if (op === 'open') { const made = contexts.map((c) => { lengths.set(next, c.length); return next++; }); say({ id, sessions: made, logprobs: made.map(row) }); }
    else if (op === 'extend') { sessions.forEach((s, i) => lengths.set(s, lengths.get(s) + tokens[i].length)); say({ id, logprobs: sessions.map(row) }); }
    else say({ id, closed: sessions.length });
  }
}
`;

const small = (change: Partial<ExperimentInput> = {}): Experiment =>
  parseExperiment({
    schema: 'tiresias.experiment/1', name: 'small', horizon: 3, models: 2,
    regimes: ['mdp', 'apomdp'], solver: { gap: 0.05 }, support: { trajectories: 1 },
    dataset: { examples: 8, shardExamples: 4 }, base: { path: baseModel() },
    training: { steps: 3 }, evaluation: { tasks: 4, episodes: 2, resamples: 100 },
    ...change,
  });

const options = (folder: string) => ({ folder: join(folder, 'run'), threads: 2 });
/** Whether two runs' datasets and rows are the same, byte for byte. */
const same = (one: string, other: string): void => {
  for (const part of ['dataset', 'evaluation']) expect(contents(join(one, part))).toEqual(contents(join(other, part)));
};
const starts = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []);

describe('an experiment', () => {
  it('goes from the base model to the report, and a second run does nothing', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const events: ProgressEvent[] = [];
    const { results, report } = await runExperiment(small(), { ...options(folder), onProgress: (event) => events.push(event) });
    expect(Object.keys(results.regimes)).toEqual(['mdp', 'apomdp']);
    for (const regime of Object.values(results.regimes)) {
      expect(Object.keys(regime.methods)).toEqual(['oracle', 'sft', 'icl', 'random']);
      for (const m of Object.values(regime.methods)) {
        expect([m.tasks, m.episodes]).toEqual([4, 8]);
        expect(m.gapNormCi95[0]).toBeLessThanOrEqual(m.gapNorm);
        expect(m.gapNormCi95[1]).toBeGreaterThanOrEqual(m.gapNorm);
        expect(m.regretByStep).toHaveLength(3);
      }
      expect(regime.lower).toBeLessThanOrEqual(regime.upper);
      expect(regime.methods['random']!.gapNorm).toBeCloseTo(1, 9);
      expect(regime.traces.map(({ method }) => method)).toEqual(['oracle', 'sft', 'icl', 'random']);
    }
    expect(results.regimes['mdp']!.methods['oracle']).toMatchObject({ gapAbs: 0, exact: true });
    expect(results.regimes['mdp']!.methods['oracle']!.cloud).toBeUndefined();
    const { cloud } = results.regimes['apomdp']!.methods['sft']!;
    expect(cloud!.perModel).toHaveLength(2);
    expect(cloud!.worst).toBeLessThanOrEqual(Math.min(...cloud!.perModel));
    expect(results.regimes['apomdp']!.traces[0]!.steps[0]!.belief).toHaveLength(10);
    expect(results.training[0]).toMatchObject({ name: 'joint', regimes: ['mdp', 'apomdp'], steps: 3, curve: [{ step: 1, loss: 1 }, { step: 2 }, { step: 3 }] });
    expect(results.datasets.map(({ regime, examples }) => [regime, examples])).toEqual([['mdp', 8], ['apomdp', 8]]);
    expect(results.stages.map(({ name }) => name)).toEqual(['base-model', 'dataset-mdp', 'dataset-apomdp', 'train-joint', 'evaluate-mdp', 'evaluate-apomdp']);
    expect(results.actions).toEqual(['harvest', 'conserve', 'perform']);
    expect(events.at(-1)).toMatchObject({ stage: 'evaluate-apomdp', done: 1, total: 1 });
    const path = join(folder, 'run', 'results.json');
    expect(parseResults(JSON.parse(readFileSync(path, 'utf8')))).toEqual(results);
    expect(existsSync(report.html)).toBe(true);
    expect(parseExperiment(JSON.parse(readFileSync(join(folder, 'run', 'experiment.json'), 'utf8')))).toEqual(small());
    expect(existsSync(join(folder, 'run', 'run.lock'))).toBe(false);

    const before = contents(join(folder, 'run'));
    const again: ProgressEvent[] = [];
    await runExperiment(small(), { ...options(folder), threads: 1, onProgress: (event) => again.push(event) });
    expect(again.every(({ detail }) => detail === 'already done')).toBe(true);
    expect(contents(join(folder, 'run'))).toEqual(before);
  });

  it('does anew what a change concerns, and no more', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const run = async (change: Partial<ExperimentInput>) => {
      const done: string[] = [];
      await runExperiment(small({ regimes: ['mdp'], ...change }), { ...options(folder), onProgress: ({ stage, detail }) => detail.startsWith('done in') && done.push(stage) });
      return done;
    };
    expect(await run({})).toEqual(['base-model', 'dataset-mdp', 'train-joint', 'evaluate-mdp']);
    expect(await run({ evaluation: { tasks: 3, resamples: 100 } })).toEqual(['evaluate-mdp']);
    expect(await run({ evaluation: { tasks: 3, resamples: 100 }, training: { steps: 3, checkpointEvery: 1 } })).toEqual([]);
    expect(await run({ evaluation: { tasks: 3, resamples: 100 }, training: { steps: 4 } })).toEqual(['train-joint', 'evaluate-mdp']);
    expect(await run({ horizon: 4, evaluation: { tasks: 3, resamples: 100 }, training: { steps: 4 } })).toEqual(['dataset-mdp', 'train-joint', 'evaluate-mdp']);
    rmSync(join(folder, 'run', 'dataset', 'mdp', 'data', 'shard-00000.parquet'));
    expect(await run({ horizon: 4, evaluation: { tasks: 3, resamples: 100 }, training: { steps: 4 } })).toEqual(['dataset-mdp']);
  });

  it('trains one adapter for each regime when asked to, and none when nobody needs it', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const { results } = await runExperiment(small({ training: { steps: 1, adapter: 'per-regime' } }), options(folder));
    expect(results.training.map(({ name, regimes }) => [name, regimes])).toEqual([['mdp', ['mdp']], ['apomdp', ['apomdp']]]);
    const plain = await runExperiment(small({ regimes: ['mdp'], evaluation: { tasks: 3, resamples: 100, methods: ['oracle', 'random'] } }), { ...options(folder), folder: join(folder, 'plain') });
    expect(plain.results.training).toEqual([]);
    expect(Object.keys(plain.results.regimes['mdp']!.methods)).toEqual(['oracle', 'random']);
  });

  it('goes on with the evaluation where it was, method by method', async () => {
    const folder = scratch();
    const file = join(folder, 'starts');
    fakeBackend(BACKEND);
    const run = () => tiresias(['run', '-c', join(folder, 'e.json'), '-o', join(folder, 'run')], { env: { STARTS: file } });
    writeFileSync(join(folder, 'e.json'), JSON.stringify(small({ regimes: ['mdp'] })));
    expect((await run()).code).toBe(0);
    expect(starts(file)).toEqual(['train', 'decide adapted', 'decide']);
    const results = readFileSync(join(folder, 'run', 'results.json'), 'utf8');
    rmSync(file);
    // As a killed run would have left it: no whole stamp, and one method's rows missing.
    const evaluation = realpathSync(join(folder, 'run', 'evaluation', 'mdp'));
    rmSync(join(evaluation, 'mdp-icl.jsonl'));
    rmSync(join(folder, 'store', 'rows'), { recursive: true });
    const stamp = `${evaluation}.json`;
    writeFileSync(stamp, JSON.stringify({ ...(JSON.parse(readFileSync(stamp, 'utf8')) as object), done: false }));
    expect((await run()).code).toBe(0);
    expect(starts(file)).toEqual(['decide']);
    const strip = (text: string) => ({ ...(JSON.parse(text) as object), stages: null, seal: null });
    expect(strip(readFileSync(join(folder, 'run', 'results.json'), 'utf8'))).toEqual(strip(results));
  });

  it.each<[string, Partial<ExperimentInput>, RegExp]>([
    ['a family', { family: 'enrgy' as 'energy' }, /\$\.family.*energy/],
    ['a split', { evaluation: { split: 'tset' as 'test' } }, /\$\.evaluation\.split.*ood-horizon/],
    ['too long an example', { training: { maxTokens: 20 } }, /tokens, more than training\.maxTokens \(20\)/],
  ])('with %s that cannot be stops before the work', async (_, change, message) => {
    const folder = scratch();
    fakeBackend('process.exit(9);');
    await expect(runExperiment(small({ regimes: ['mdp'], ...change }), options(folder))).rejects.toMatchObject({ exitCode: 2, message: expect.stringMatching(message) });
  });

  it('that another process is running is left alone', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const first = runExperiment(small({ regimes: ['mdp'], training: { steps: 20 } }), options(folder));
    await expect(runExperiment(small(), options(folder))).rejects.toMatchObject({ code: 'RUN_LOCKED' });
    await first;
  });

  it('that is given up stops, and goes on to the same end', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const reason = new Error('enough');
    for (const stage of ['dataset-mdp', 'train-joint', 'evaluate-mdp']) {
      const controller = new AbortController();
      const stopped = runExperiment(small({ regimes: ['mdp'] }), { ...options(folder), signal: controller.signal, onProgress: (event) => event.stage === stage && controller.abort(reason) });
      await expect(stopped).rejects.toBe(reason);
      expect(existsSync(join(folder, 'run', 'results.json'))).toBe(false);
      expect(existsSync(join(folder, 'run', 'run.lock'))).toBe(false);
    }
    await runExperiment(small({ regimes: ['mdp'] }), options(folder));
    await runExperiment(small({ regimes: ['mdp'] }), { ...options(folder), folder: join(folder, 'straight'), store: join(folder, 'other') });
    same(join(folder, 'run'), join(folder, 'straight'));
  });
});

describe('the commands of single stages', () => {
  it('leave the same bytes in the folders that they are given as a run in its store, and go on with what lies there', async () => {
    const folder = scratch();
    const file = join(folder, 'starts');
    fakeBackend(BACKEND);
    const experiment = small();
    writeFileSync(join(folder, 'e.json'), JSON.stringify(experiment));
    const json = async (...args: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await tiresias([...args, '--json', ...(args[0] === 'report' ? [] : ['--threads', '2'])], { cwd: folder, env: { STARTS: file } });
      expect(code, stderr).toBe(0);
      return JSON.parse(stdout);
    };
    const results = (await json('run', '-c', 'e.json', '-o', 'run')) as Results;
    rmSync(file);

    const made = await json('dataset', 'make', '-c', 'e.json', '-o', 'dataset');
    const trained = await json('train', '-c', 'e.json', '--data', 'dataset/mdp', 'dataset/apomdp', '-o', 'train');
    const evaluate = () => json('evaluate', '-c', 'e.json', '--adapter', 'train/adapter', '-o', 'evaluation');
    const evaluated = await evaluate();
    await json('report', 'run', '-o', 'report');
    expect(made).toMatchObject(results.datasets.map(({ regime, examples, tokens }) => ({ regime, folder: `dataset/${regime}`, examples, tokens })));
    expect(trained).toMatchObject({ event: 'done', step: 3, adapter: join(realpathSync(folder), 'train', 'adapter') });
    expect(evaluated).toEqual(results.regimes);
    expect(starts(file)).toEqual(['train', ...['mdp', 'apomdp'].flatMap(() => ['decide adapted', 'decide'])]);

    expect(contents(join(folder, 'dataset'))).toEqual(contents(join(folder, 'run', 'dataset')));
    for (const left of ['adapter', 'metrics.jsonl']) expect(contents(join(folder, 'train', left))).toEqual(contents(join(folder, 'run', 'train', 'joint', left)));
    for (const regime of experiment.regimes) expect(contents(join(folder, 'evaluation', regime))).toEqual(contents(join(folder, 'run', 'evaluation', regime)));
    expect(contents(join(folder, 'report'))).toEqual(contents(join(folder, 'run', 'report')));

    const before = contents(join(folder, 'evaluation'));
    rmSync(file);
    expect(await evaluate()).toEqual(results.regimes);
    expect(starts(file)).toEqual([]);
    expect(contents(join(folder, 'evaluation'))).toEqual(before);
  });
});

describe('the command `run`', () => {
  const write = (folder: string, change: Partial<ExperimentInput> = {}) => {
    writeFileSync(join(folder, 'e.json'), JSON.stringify(small({ regimes: ['mdp', 'pomdp'], ...change })));
    return (more: Parameters<typeof tiresias>[1] = {}) => tiresias(['run', '-c', 'e.json', '--threads', '2'], { cwd: folder, ...more });
  };

  it('prints the table and where the report is; with --json the results and nothing else', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const run = write(folder);
    const plain = await run();
    expect(plain.code, plain.stderr).toBe(0);
    expect(plain.stdout).toMatch(/\|.*\|[^]*results {2}runs\/small\/results\.json\nreport {3}runs\/small\/report\/report\.html\n$/);
    expect(plain.stderr).toMatch(/train-joint +100 %/);
    const json = await tiresias(['run', '-c', 'e.json', '--json'], { cwd: folder });
    expect(parseResults(JSON.parse(json.stdout)).name).toBe('small');
    expect(json.stderr).toBe('');
  });

  it.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('stopped by %s says how to go on, exits with %i, and goes on', async (signal, code) => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const run = write(folder, { regimes: ['mdp'], training: { steps: 200 } });
    let sent = false;
    const stopped = await run({ onStderr: (text, kill) => { if (!sent && /train-joint +0 %/.test(text)) { sent = true; setTimeout(() => kill(signal), 300); } } });
    expect(stopped.code, stopped.stderr).toBe(code);
    expect(stopped.stderr).toMatch(/same command again/);
    expect(existsSync(join(folder, 'runs', 'small', 'results.json'))).toBe(false);
    write(folder, { regimes: ['mdp'], training: { steps: 2 } });
    expect((await run()).code).toBe(0);
  });

  it('killed again and again, at any moment, makes the same datasets and rows, and ends', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const run = write(folder);
    let kills = 0;
    let after = 400;
    for (;;) {
      const { code, signal, stderr } = await run({ kill: { after, signal: 'SIGKILL' } });
      if (signal !== 'SIGKILL') {
        expect(code, stderr).toBe(0);
        break;
      }
      kills++;
      // A little longer every time, so that a busy machine comes to an end too.
      after *= 1.1 + 0.4 * Math.random();
      const results = join(folder, 'runs', 'small', 'results.json');
      if (existsSync(results)) parseResults(JSON.parse(readFileSync(results, 'utf8')));
    }
    expect(kills).toBeGreaterThan(1);
    const straight = await tiresias(['run', '-c', 'e.json', '-o', 'straight', '--store', 'other'], { cwd: folder });
    expect(straight.code, straight.stderr).toBe(0);
    same(join(folder, 'runs', 'small'), join(folder, 'straight'));
    expect(readdirSync(join(folder, 'runs', 'small')).filter((name) => /tmp|lock/.test(name))).toEqual([]);
  }, 240_000);

  it('whose trainer is killed says so, and goes on when it is run again', async () => {
    const folder = scratch();
    const flag = join(folder, 'killed');
    fakeBackend(`${BACKEND.replace("if (stop)", `if (!existsSync(${JSON.stringify(flag)})) { writeFileSync(${JSON.stringify(flag)}, ''); process.kill(process.pid, 'SIGKILL'); }\n    if (stop)`)}`);
    const run = write(folder, { regimes: ['mdp'] });
    const dead = await run();
    expect([dead.code, dead.stdout]).toEqual([75, '']);
    expect(dead.stderr).toMatch(/the trainer was killed by SIGKILL.*same command again/);
    expect((await run()).code).toBe(0);
  });

  it('on a full disk ends with its message and code, and nothing half-written counts', async () => {
    const folder = scratch();
    fakeBackend(BACKEND);
    const run = write(folder, { regimes: ['mdp'], dataset: { examples: 4000, shardExamples: 4000, format: 'jsonl' } });
    const full = await run({ shell: 'ulimit -f 256' });
    expect(full.code, full.stderr).toBe(4);
    expect(full.stderr).toMatch(/error: .*(full|too large)/i);
    expect(Object.keys(contents(join(folder, 'runs'))).filter((name) => /manifest\.json|results|jsonl$/.test(name))).toEqual([]);
  });
});
