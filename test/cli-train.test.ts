// `tiresias train`: what the command line changes in the experiment, several processes, and estimates, with a backend that only says
// what it was asked.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { baseOf } from '../src/cli/base.js';
import { Tokenizer, makeDataset, parseExperiment } from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { fakeBackend, scratch, tiresias } from './support.js';
import { byteModel } from './tokenizer-files.js';

const folder = mkdtempSync(join(tmpdir(), 'tiresias-cli-train-'));
const data = join(folder, 'data');
const model = join(folder, 'bytes.gguf');
beforeAll(async () => {
  const experiment = parseExperiment({ schema: 'tiresias.experiment/1', name: 'x', horizon: 3, dataset: { examples: 4 }, support: { trajectories: 1 } });
  writeFileSync(model, byteModel());
  await makeDataset(datasetConfig(experiment, 'mdp'), data, { tokenizer: Tokenizer.fromGguf(model), threads: 1 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Puts its configuration, arguments and number of processes into the message that it ends with. */
const TELLS = `
const { argv, env } = process;
say({ event: 'error', code: 'CONFIG', exit: 2, message: JSON.stringify({ config, args: argv.slice(2, -2), world: env.WORLD_SIZE }) });
process.exitCode = 2;`;

const train = (...args: string[]) => tiresias(['train', '--data', data, '--out', join(folder, 'out'), '--json', ...args]);
const errorOf = ({ stdout }: { stdout: string }) => (JSON.parse(stdout) as { error: { code: string; message: string; exit: number } }).error;

/** What the backend was asked. */
async function asked(...args: string[]): Promise<{ config: Record<string, unknown>; args: string[]; world?: string }> {
  const { code, message } = errorOf(await train(...args));
  expect(code, message).toBe('CONFIG');
  return JSON.parse(message) as Awaited<ReturnType<typeof asked>>;
}

describe('tiresias train', () => {
  it('takes backend, model and arithmetic from the command line before the experiment', async () => {
    fakeBackend(TELLS, 'peft');
    const { config, args } = await asked('--backend', 'peft', '--model', model, '--arithmetic', 'nf4', '--steps', '7', '--threads', '1');
    expect(config).toMatchObject({ backend: 'peft', base: { path: model }, arithmetic: 'nf4', steps: 7 });
    expect(config).not.toHaveProperty('shard_base');
    expect(args).toEqual(['-m', 'tiresias_peft', 'train']);
  });

  it('starts several processes, each with a part of the base unless it is to have the whole', async () => {
    fakeBackend(TELLS, 'peft');
    const several = ['--backend', 'peft', '--model', model, '--processes', '4'];
    const { config, args } = await asked(...several);
    expect(config['shard_base']).toBe(true);
    expect(args.slice(0, 3)).toEqual(['-m', 'accelerate.commands.accelerate_cli', 'launch']);
    expect(args.join(' ')).toMatch(/--num_processes 4 .*-m tiresias_peft train$/);
    const torchrun = await asked(...several, '--launcher', 'torchrun', '--replicate-base');
    expect(torchrun.args).toEqual(['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '4', '-m', 'tiresias_peft', 'train']);
    expect(torchrun.config).not.toHaveProperty('shard_base');
  });

  it('passes an estimate through, for people and for programs, and writes nothing', async () => {
    const estimate = {
      event: 'estimate', arithmetic: 'nf4', parameters: 6_738_415_616, trainable: 39_976_960, pass_tokens: 2000, pass_labels: 80,
      memory_bytes: { weights: 3.9e9, adapters: 1.6e8, gradients: 1.6e8, moments: 3.2e8, activations: 9e8, logits: 1e8, program: 6e8, total: 6.14e9 },
      seconds_per_step: 0.64, seconds: 64, tokens_per_second: 3125, free_bytes: 5e9,
    };
    fakeBackend(`const { argv, env } = process; if (env.WORLD_SIZE !== '2' || !argv.join(' ').includes('tiresias_peft train --dry-run --card-tflops 312 --config')) process.exit(9);\nsay(${JSON.stringify(estimate)});`, 'peft');
    const out = join(scratch(), 'out');
    const args = ['--out', out, '--backend', 'peft', '--model', model, '--processes', '2', '--dry-run', '--card-tflops', '312'];
    const { stdout, code } = await train(...args);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ event: 'estimate', passTokens: 2000, memoryBytes: { weights: 3.9e9, total: 6.14e9 }, secondsPerStep: 0.64 });
    const words = await tiresias(['train', '--data', data, ...args]);
    expect(words.stdout).toMatch(/6,738,415,616 weights in nf4, 39,976,960 trained[^]*weights +3\.90 GB[^]*memory +6\.14 GB in each of 2 processes; 5\.00 GB are free here, which is too little[^]*0\.640 s a step, 3,125 tokens\/s, 1\.07 minutes/);
    expect(existsSync(out)).toBe(false);
  });

  it.each<[string, string[], string, RegExp]>([
    ['an estimate of candle', ['--dry-run'], 'BACKEND_UNABLE', /candle does not say beforehand.*choose the backend peft/],
    ['several processes of candle', ['--processes', '2'], 'BACKEND_UNABLE', /candle trains in one process; name no launcher and no processes, or choose the backend peft/],
    ['an arithmetic of no backend', ['--backend', 'peft', '--arithmetic', 'f8'], 'BACKEND_UNABLE', /f32, bf16, nf4, not in f8/],
    ['a backend that there is not', ['--backend', 'llamafile'], 'UNKNOWN_NAME', /llamafile.*candle, peft/],
    ['an unknown launcher', ['--backend', 'peft', '--launcher', 'mpirun', '--processes', '2'], 'BACKEND_UNABLE', /accelerate or torchrun, not by mpirun/],
    ['a launcher without a number', ['--backend', 'peft', '--launcher', 'torchrun'], 'USAGE', /say how many with --processes/],
    ['a whole base each of one process', ['--backend', 'peft', '--replicate-base'], 'USAGE', /--replicate-base.*--processes/],
    ['another card’s speed in a training', ['--backend', 'peft', '--card-tflops', '312'], 'USAGE', /--dry-run alone/],
    ['a model that is not there', ['--model', './nowhere'], 'BASE_MODEL_MISSING', /--model \.\/nowhere: no such file or folder/],
    ['a name of no model', ['--model', 'nonsense'], 'INVALID_ARGUMENT', /--model nonsense: no such file or folder, nor a model's name/],
  ])('refuses %s', async (_, args, code, message) => {
    fakeBackend('process.exit(9);', 'peft');
    const error = errorOf(await train(...args));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});

describe('a model in one word', () => {
  it('is what lies there, what has that name, or a file of the hub', () => {
    const at = scratch();
    writeFileSync(join(at, 'm.gguf'), '');
    expect(baseOf(join(at, 'm.gguf'))).toEqual({ path: join(at, 'm.gguf') });
    expect(baseOf(at)).toEqual({ path: at });
    expect(baseOf('test')).toEqual({ path: resolve('test') });
    expect(baseOf('smollm2-135m-instruct')).toEqual({ name: 'smollm2-135m-instruct' });
    expect(baseOf('org/name/sub/m.gguf')).toEqual({ hub: 'org/name', file: 'sub/m.gguf', revision: 'main' });
    expect(baseOf('org/name/m.gguf@v1')).toEqual({ hub: 'org/name', file: 'm.gguf', revision: 'v1' });
    expect(() => baseOf('name/m.gguf')).toThrow(expect.objectContaining({ code: 'BASE_MODEL_MISSING', exitCode: 3 }));
  });
});
