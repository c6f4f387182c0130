// Training of the Decision-Pretrained Transformer beside a PyTorch loop of the same shapes:
// `npm run bench:dpt -- [--rounds N] [--steps N] [--before PROGRAM] [--shape darkroom] [--threads 1,2]`.
//
// Ours is the candle backend as it is published, from rows in a file to the optimiser; PyTorch's is bench/peers/dpt_loop.py, which has
// transformers' GPT-2. `--before` names an earlier trainer to measure beside it. Each is a process that prints a line a step; the time is
// taken between the line of a step in which memory and kernels have been found and the last one, of the clock and of the processor.
// Programs take turns in every round, and ratios are of figures within a round. Writes bench/results/dpt.json. Linux.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { backendOf } from '../dist/backends/index.js';
import { snakeKeys } from '../dist/case.js';
import { compactTokenizer, compileEncoder, defaultTemplate, version } from '../dist/index.js';
import { pythonWith } from './python.mjs';

const args = process.argv.slice(2);
const text = (value) => ({ type: 'string', ...(value && { default: value }) });
const { values: options } = parseArgs({
  args,
  options: { rounds: text('3'), steps: text('20'), before: text(), shape: { ...text(), multiple: true }, threads: text('1,2') },
});
const [rounds, steps] = [options.rounds, options.steps].map(Number);
const threadCounts = options.threads.split(',').map(Number);
const BATCH = 64;
const WARM = 3;
// As the authors' scripts name them. They say four heads; their code, as it was published, makes one.
const SHAPES = [
  { name: 'darkroom, 4 heads', shape: 'darkroom', heads: 4, horizon: 100, observations: 100, share: 1 },
  { name: 'darkroom, 1 head', shape: 'darkroom', heads: 1, horizon: 100, observations: 100, share: 1 },
  { name: 'bandit, 4 heads', shape: 'bandit', heads: 4, horizon: 500, observations: 1, share: 0.5 },
].filter(({ name }) => !options.shape || options.shape.some((part) => name.includes(part)));
const ACTIONS = 5;

const folder = mkdtempSync(join(tmpdir(), 'tiresias-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** Rows of one decision each, after a trajectory of random steps. */
function rowsOf({ horizon, observations, shape }) {
  const template = defaultTemplate(shape, 'mdp');
  const tokenizer = compactTokenizer([template]);
  const count = BATCH * 8;
  const below = (n) => Math.floor(n * Math.random());
  const starts = Array.from({ length: count }, (_, i) => [i * (horizon + 1), i * (horizon + 1) + horizon]).flat();
  const length = count * (horizon + 1);
  const { ids, labels, offsets } = compileEncoder(template, tokenizer, observations, ACTIONS).encodeBatch({
    observations: Int32Array.from({ length }, () => below(observations)),
    actions: Uint8Array.from({ length }, () => below(ACTIONS)),
    rewards: Float64Array.from({ length }, () => (shape === 'bandit' ? below(20) / 10 : Number(below(20) === 0))),
    steps: Uint32Array.from([...starts, length]),
    examples: Uint32Array.from({ length: count + 1 }, (_, i) => 2 * i),
  });
  const row = (i) => ({ input_ids: [...ids.subarray(offsets[i], offsets[i + 1])], labels: [...labels.subarray(offsets[i], offsets[i + 1])] });
  const path = join(folder, `${shape}.jsonl`);
  writeFileSync(path, Array.from({ length: count }, (_, i) => `${JSON.stringify(row(i))}\n`).join(''));
  return { path, template: snakeKeys(template) };
}

const trainer = (program) => ({ heads, observations, rows }, threads, count) => {
  const config = {
    contract: 2, backend: 'candle', data: [{ path: rows.path }], output: mkdtempSync(join(folder, 'out-')),
    architecture: { kind: 'dpt', templates: [rows.template], observations, actions: ACTIONS, layers: 4, hidden: 32, heads },
    optimizer: { lr: 0.001, schedule: 'constant', warmup_steps: 0, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 1e-4, max_grad_norm: 0 },
    steps: count, batch_size: BATCH, seed: 0, threads, checkpoint_every: count, gradient_checkpointing: false,
  };
  const file = join(config.output, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  return [program, ['train', '--config', file]];
};
const python = pythonWith('dpt');
const loop = (attention) => ({ shape, heads }, threads, count) => {
  if (python.reason) throw new Error(python.reason);
  return [python.path, [fileURLToPath(new URL('peers/dpt_loop.py', import.meta.url)), shape, ...[heads, count, BATCH, threads].map(String), attention]];
};
// Ours runs more steps, because they are short.
const PROGRAMS = [
  { who: 'tiresias', command: trainer(backendOf('candle').command().program), times: 5 },
  ...(options.before ? [{ who: 'tiresias, before', command: trainer(options.before), times: 2 }] : []),
  { who: 'PyTorch', command: loop('sdpa'), times: 1 },
  { who: 'PyTorch, eager attention', command: loop('eager'), times: 1 },
];

/** Seconds of processors that a process has had, of user and system. */
function processorSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Runs a program to its end; seconds a step, of the clock and of processors. */
async function measured([program, args], threads, count) {
  const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}`, RAYON_NUM_THREADS: `${threads}` };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said = `${said}${chunk}`.slice(-600)));
  const exit = new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }));
    child.on('close', (code) => resolve({ code }));
  });
  const now = () => ({ clock: performance.now() / 1000, processor: processorSeconds(child.pid) });
  let [began, ended, error] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === 'error') error = event.message;
    if (event.event !== 'step') continue;
    if (event.step === WARM) began = now();
    if (event.step === count) ended = now();
  }
  const ending = await exit;
  if (ending.code !== 0) throw new Error(error ?? (said.trim().split('\n').at(-1) || String(ending.error)));
  const each = (part) => (ended[part] - began[part]) / (count - WARM);
  return { clock: each('clock'), processor: each('processor') };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const started = loadavg()[0];
const figures = [];
for (const shape of SHAPES) {
  shape.rows = rowsOf(shape);
  for (const threads of threadCounts) {
    const found = PROGRAMS.map(({ who }) => ({ who, shape: shape.name, threads, rounds: [] }));
    for (let round = 0; round < rounds; round += 1) {
      for (const [i, { who, command, times }] of PROGRAMS.entries()) {
        if (found[i].reason) continue;
        process.stderr.write(`${shape.name}, ${threads} threads, round ${round + 1} of ${rounds}: ${who}\n`);
        try {
          const count = WARM + Math.ceil(steps * times * shape.share);
          found[i].rounds.push(await measured(command(shape, threads, count), threads, count));
        } catch (error) {
          found[i].reason = error.message.replaceAll(`${folder}/`, '');
        }
      }
    }
    for (const figure of found) {
      if (figure.reason) continue;
      for (const part of ['clock', 'processor']) {
        figure[part] = median(figure.rounds.map((round) => round[part]));
        // How many times as long as ours, round by round.
        const ratios = figure.rounds.map((round, i) => round[part] / found[0].rounds[i]?.[part]);
        figure[`${part}Ratio`] = median(ratios);
      }
    }
    figures.push(...found);
  }
}

const result = {
  command: ['npm run bench:dpt --', ...args].join(' ').replace(options.before ?? '\0', 'PROGRAM'), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), load: [started, loadavg()[0]] },
  model: 'GPT-2, 4 layers, width 32', batch: BATCH, unit: 'seconds a step', rounds, figures,
};
writeFileSync(new URL('results/dpt.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
for (const { who, shape, threads, clock, processor, clockRatio, processorRatio, reason } of figures) {
  const ms = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;
  const said = reason ? `not measured: ${reason}` : `${ms(processor)} of a processor (${processorRatio.toFixed(2)} × ours), ${ms(clock)} by the clock (${clockRatio.toFixed(2)} ×)`;
  console.log(`${shape}, ${threads} threads, ${who}: ${said}`);
}
