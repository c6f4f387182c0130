// QLoRA's training beside PyTorch's, on the same base and rows, one thread each: `npm run bench:train -- --peers [--rounds N] [--steps N]`.
//
// Ours is the candle backend as it is published. PyTorch's is bench/peers/peft_loop.py, a plain loop with peft, its logits gathered at the
// labels as ours are. Each is a process of its own that prints a line a step; the time is its processor time between two lines, which a busy
// machine changes less than the clock's. The best step of all rounds counts, the first steps aside. Writes bench/results/train.json. Linux.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { backendOf } from '../dist/backends/index.js';
import { resolveBaseModel } from '../dist/base/index.js';
import { version } from '../dist/index.js';

const args = process.argv.slice(2).filter((word) => word !== 'train');
const { values: options } = parseArgs({ args, options: { peers: { type: 'boolean' }, rounds: { type: 'string', default: '2' }, steps: { type: 'string', default: '4' } } });
const [rounds, steps] = [options.rounds, options.steps].map(Number);
const [BATCH, TOKENS] = [8, 250];
const LORA = { r: 16, alpha: 32, targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] };
const ARITHMETICS = ['f32', 'bf16'];
const folder = mkdtempSync(join(tmpdir(), 'tiresias-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

const base = process.env.TIRESIAS_SMOLLM2 ?? (await resolveBaseModel({ name: 'smollm2-135m-instruct' })).path;
// The rows of `npm run bench:train`: ten labels each.
const ids = Array.from({ length: TOKENS }, (_, i) => 32 + ((3 * i * i + i) % 10));
const row = { input_ids: ids, labels: ids.map((id, i) => (i % 25 === 24 ? id : -100)) };
const rows = join(folder, 'rows.jsonl');
writeFileSync(rows, `${JSON.stringify(row)}\n`.repeat(BATCH));

const candle = (arithmetic) => () => {
  const config = {
    contract: 2, backend: 'candle', base: { path: base }, data: [{ path: rows }], output: mkdtempSync(join(folder, 'out-')), lora: LORA,
    optimizer: { lr: 0.001, schedule: 'constant', warmup_steps: 0, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, max_grad_norm: 1 },
    steps, batch_size: BATCH, seed: 0, threads: 1, checkpoint_every: steps, gradient_checkpointing: false,
    ...(arithmetic !== 'f32' && { arithmetic }),
  };
  const file = join(config.output, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  return [backendOf('candle').command().program, ['train', '--config', file]];
};
const loop = (arithmetic) => () => {
  // Its environment is the peft backend's, but nothing else of it.
  const { program } = backendOf('peft').command();
  return [program, [fileURLToPath(new URL('peers/peft_loop.py', import.meta.url)), base, rows, `${steps}`, arithmetic, JSON.stringify(LORA)]];
};
const PROGRAMS = ARITHMETICS.flatMap((arithmetic) => [
  { who: 'tiresias, candle', arithmetic, command: candle(arithmetic) },
  { who: 'PyTorch, a plain peft loop', arithmetic, command: loop(arithmetic) },
]);

/** Seconds of processors that a process has had, of user and system. */
function processorSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Runs a program to its end; its losses, and processor seconds of every step but the first, in which memory and kernels are found. */
async function measured([program, args]) {
  const env = { ...process.env, OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1', RAYON_NUM_THREADS: '1' };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => (said = `${said}${text}`.slice(-600)));
  const exit = new Promise((resolve) => {
    child.on('error', (error) => resolve({ error }));
    child.on('close', (code) => resolve({ code }));
  });
  const [losses, seconds] = [[], []];
  let last;
  let error;
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line);
    if (event.event === 'error') error = event.message;
    if (event.event !== 'step') continue;
    const now = processorSeconds(child.pid);
    losses.push(event.loss);
    if (last !== undefined) seconds.push(now - last);
    last = now;
  }
  const ending = await exit;
  if (ending.code !== 0) throw new Error(error ?? (said.trim().split('\n').at(-1) || String(ending.error)));
  return { losses, seconds };
}

const figures = PROGRAMS.map(({ who, arithmetic }) => ({ who, arithmetic, threads: 1 }));
for (let round = 0; round < rounds; round += 1) {
  for (const [i, { who, arithmetic, command }] of PROGRAMS.entries()) {
    const figure = figures[i];
    if (figure.reason) continue;
    process.stderr.write(`round ${round + 1} of ${rounds}: ${who}, ${arithmetic}\n`);
    try {
      const { losses, seconds } = await measured(command());
      figure.losses = losses;
      figure.tokensPerProcessorSecond = Math.max(figure.tokensPerProcessorSecond ?? 0, ...seconds.map((s) => (BATCH * TOKENS) / s));
    } catch (error) {
      figure.reason = error.message.replaceAll(`${folder}/`, '');
    }
  }
}
const peer = (arithmetic) => figures.find((figure) => figure.who.startsWith('PyTorch') && figure.arithmetic === arithmetic)?.tokensPerProcessorSecond;
for (const figure of figures) if (figure.who.startsWith('tiresias') && figure.tokensPerProcessorSecond) figure.ratio = figure.tokensPerProcessorSecond / peer(figure.arithmetic) || undefined;

const result = {
  command: ['npm run bench:train --', ...args].join(' '), date: new Date().toISOString().slice(0, 10), version,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), load: loadavg()[0] },
  model: 'SmolLM2-135M-Instruct, Q4_1, made dense', rows: { count: BATCH, tokens: TOKENS, labels: row.labels.filter((label) => label >= 0).length }, lora: LORA, gradientCheckpointing: false, rounds, steps, figures,
};
writeFileSync(new URL('results/train.json', import.meta.url), `${JSON.stringify(result, null, 2)}\n`);
for (const { who, arithmetic, tokensPerProcessorSecond: rate, ratio, losses, reason } of figures) {
  console.log(`${who}, ${arithmetic}: ${rate ? `${rate.toFixed(0)} tokens a processor-second${ratio ? `, ${ratio.toFixed(2)} × PyTorch` : ''}; loss ${losses[0].toFixed(4)} to ${losses.at(-1).toFixed(4)}` : `not measured: ${reason}`}`);
}
