// The tokenizers that bases bring: of GGUF files by their names for splitting a text, against OpenAI's own and against the published
// expressions; of Gemma against transformers; and a folder's, through dataset and prompts.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import { Tiktoken, type TiktokenBPE } from 'js-tiktoken/lite';
import cl100k from 'js-tiktoken/ranks/cl100k_base';
import gpt2 from 'js-tiktoken/ranks/gpt2';
import o200k from 'js-tiktoken/ranks/o200k_base';
import { describe, expect, it } from 'vitest';
import { Prompts, Tokenizer, compileEncoder, createEpisodes, makeDataset, parseExperiment, readExample, resolveBaseModel, scanShards, type Experiment, type Template } from '../src/index.js';
import { datasetConfig } from '../src/stages/dataset.js';
import { trainConfig } from '../src/stages/train.js';
import { taskSpec } from '../src/spec.js';
import { train } from '../src/train/process.js';
import { BEGINNING, writeFolderBase } from './folder-base.js';
import { fakeBackend, gemma3, scratch } from './support.js';
import { byteModel, fromRanks, gguf } from './tokenizer-files.js';

const texts = fc
  .array(
    fc.oneof(
      fc.constantFrom('mdp', ' the', 'x', ',-', '#', '\n', ' ', '12', '007', '123456', "it's", "WE'LL", 'éa', 'e\u0301', '日本', '🦙', '\t', '...', '####', ' \n', '\r\n', 'ß9', '½', '٣', 'ǅ', 'camelCase', '$+=', '/a'),
      fc.string({ unit: 'grapheme', maxLength: 6 }),
    ),
    { maxLength: 30 },
  )
  // JavaScript has two characters more, or fewer, among its white space than Unicode.
  .map((parts) => parts.join('').replace(/[\u0085\ufeff]/g, ''));

/** The tokenizer of a GGUF file with a vocabulary of tiktoken's, by the name of its splitting. */
function ofGguf(pre: string, ranks: TiktokenBPE): Tokenizer {
  const { tokens, merges } = fromRanks(ranks.bpe_ranks, {});
  const path = join(scratch(), 'model.gguf');
  writeFileSync(path, gguf({ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': pre, 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.merges': merges, 'tokenizer.ggml.bos_token_id': 0 }));
  return Tokenizer.fromGguf(path);
}

function expectSame(tokenizer: Tokenizer, reference: (text: string) => number[]): void {
  const agrees = (text: string): void => void expect(Array.from(tokenizer.encode(text)), JSON.stringify(text)).toEqual(reference(text));
  fc.assert(fc.property(texts, agrees), { numRuns: 1_000 });
}

describe('a GGUF file’s way to split a text', () => {
  it.each<[string, TiktokenBPE]>([['dbrx', cl100k], ['gpt-4o', o200k], ['gpt-2', gpt2]])('%s is tiktoken’s', { timeout: 120_000 }, (pre, ranks) => {
    const reference = new Tiktoken(ranks);
    expectSame(ofGguf(pre, ranks), (text) => reference.encode(text, [], []));
  });

  // As the models' own tokenizer.json say, in JavaScript's words.
  const contractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
  const old = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
  const lines = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
  const cased = (before: string, after: string) => String.raw`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]${before}[\p{Ll}\p{Lm}\p{Lo}\p{M}]${after}`;
  it.each<[string, string[]]>([
    ['smollm', [String.raw`\p{N}`, old]],
    ['command-r', [String.raw`\p{N}`, old]],
    ['llama-bpe', [String.raw`${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|${lines}`]],
    ['qwen2', [String.raw`${contractions}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|${lines}`]],
    ['qwen35', [String.raw`${contractions}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${lines}`]],
    ['tekken', [String.raw`${cased('*', '+')}|${cased('+', '*')}|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n\/]*|${lines}`]],
    ['deepseek-v3', [
      String.raw`\p{N}{1,3}`, '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
      String.raw`[!-\/:-@\[-\x60\{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${lines}`,
    ]],
    ['falcon', [String.raw`[\p{P}$+<=>\^~\|\x60]+`, old, '[0-9]{3}']],
    ['default', [String.raw`[\p{P}$+<=>\^~\|]+`, old, String.raw`\p{N}+`, '[0-9]{3}']],
  ])('%s is that of its models', { timeout: 120_000 }, (pre, expressions) => {
    const whole = new Tiktoken({ ...gpt2, pat_str: String.raw`[\s\S]+` });
    /** The matches, and what lies between them. */
    const cut = (piece: string, expression: string) => {
      const pieces: string[] = [];
      let end = 0;
      for (const { 0: match, index } of piece.matchAll(new RegExp(expression, 'gu'))) {
        pieces.push(piece.slice(end, index), match);
        end = index + match.length;
      }
      return [...pieces, piece.slice(end)].filter(Boolean);
    };
    const split = (text: string) => expressions.reduce((pieces, expression) => pieces.flatMap((piece) => cut(piece, expression)), [text]);
    expectSame(ofGguf(pre, gpt2), (text) => split(text).filter(Boolean).flatMap((piece) => whole.encode(piece, [], [])));
  });

  it('that is not known is refused, with what to do', () => {
    expect(() => ofGguf('afmoe', gpt2)).toThrow(expect.objectContaining({ code: 'INVALID_TOKENIZER', exitCode: 3, message: expect.stringMatching(/"afmoe".*use the model's tokenizer\.json/) as string }));
  });
});

describe('Gemma 3', () => {
  const known = JSON.parse(readFileSync(new URL('data/gemma-3-270m-ids.json', import.meta.url), 'utf8')) as { file: string; beginning: number[]; rows: { text: string; ids: number[] }[] };

  it('has the ids that transformers gives, from its GGUF file', { timeout: 120_000 }, ({ skip }) => {
    const path = gemma3();
    // 238 MB that only this needs are not fetched for it.
    if (path === undefined) return skip('gemma-3-270m is not in the cache');
    expect(basename(path)).toBe(known.file);
    const tokenizer = Tokenizer.fromBase(path);
    expect(Array.from(tokenizer.beginningOfText)).toEqual(known.beginning);
    for (const { text, ids } of known.rows) expect(Array.from(tokenizer.encode(text)), text).toEqual(ids);
    for (const regime of ['mdp', 'pomdp', 'apomdp']) {
      const encoder = compileEncoder({ header: `${regime}\n`, ...(regime !== 'mdp' && { queryReward: 'hidden' as const }) }, tokenizer, 10, 3);
      expect(encoder.symbols).toBe('digit');
    }
  });
});

describe('a folder’s tokenizer', () => {
  const experiment = (path: string, templates: { mdp?: Template } = {}): Experiment =>
    parseExperiment({
      schema: 'tiresias.experiment/1', name: 'folder', horizon: 3, regimes: ['mdp'], solver: { gap: 0.05 }, support: { trajectories: 2 }, base: { path }, templates,
      dataset: { examples: 6, shardExamples: 6 }, training: { backend: 'peft' }, evaluation: { tasks: 3, resamples: 100 },
    });

  async function dataset(path: string): Promise<{ folder: string; shard: string; small: Experiment }> {
    const small = experiment(path);
    const folder = scratch();
    const { shards } = await makeDataset(datasetConfig(small, 'mdp'), folder, { tokenizer: Tokenizer.fromBase(path), threads: 1 });
    return { folder, shard: join(folder, shards[0]!.path), small };
  }

  it('writes datasets and prompts that begin with the beginning of text, once', async () => {
    const path = writeFolderBase(join(scratch(), 'Tiny'));
    const tokenizer = Tokenizer.fromBase(path);
    expect([tokenizer.name, Array.from(tokenizer.beginningOfText)]).toEqual(['Tiny', [BEGINNING]]);
    expect(Array.from(tokenizer.encode('5,'))).not.toContain(BEGINNING);
    const { shard, small } = await dataset(path);
    const { examples } = await scanShards([shard]);
    expect(examples).toBe(6);
    for (let row = 0; row < examples; row++) {
      const { inputIds, prompt, completion } = readExample(shard, row);
      expect(Array.from(inputIds)).toEqual([BEGINNING, ...tokenizer.encode(prompt + completion)]);
    }
    const episodes = await createEpisodes({ ...taskSpec(small, 'mdp', 'test'), firstTask: 0, tasks: 3, episodesPerTask: 1, epsilon: 0, threads: 1 });
    const prompts = new Prompts(episodes, tokenizer);
    const { ids, offsets } = prompts.open(episodes);
    const rows = Array.from({ length: episodes.rows }, (_, i) => Array.from(ids.subarray(offsets[i], offsets[i + 1])));
    for (const row of rows) {
      expect(row.filter((id) => id === BEGINNING)).toHaveLength(1);
      expect(row[0]).toBe(BEGINNING);
      expect(row.slice(1)).toEqual(Array.from(tokenizer.encode(tokenizer.decode(Uint32Array.from(row.slice(1))))));
    }
    episodes.step(new Uint8Array(episodes.rows));
    expect(Array.from(prompts.next(episodes).ids)).not.toContain(BEGINNING);
  });

  it('refuses a template that holds the beginning of text itself', async () => {
    const path = writeFolderBase(scratch());
    const small = experiment(path, { mdp: { header: '<s>mdp\n' } });
    const made = makeDataset(datasetConfig(small, 'mdp'), scratch(), { tokenizer: Tokenizer.fromBase(path), threads: 1 });
    await expect(made).rejects.toMatchObject({ message: expect.stringMatching(/"<s>".*take it out of the header/) as string });
  });

  it('is held against the dataset’s before anything is trained, whatever the base’s format', async () => {
    fakeBackend('process.exit(9);', 'peft');
    const [one, other] = [writeFolderBase(join(scratch(), 'one')), writeFolderBase(join(scratch(), 'other'), { merges: ['m d'] })];
    const file = join(scratch(), 'bytes.gguf');
    writeFileSync(file, byteModel());
    const { shard, small } = await dataset(one);
    const trained = async (path: string) => train(trainConfig(small, { path }, [{ path: shard }], join(scratch(), 'out'), 1));
    for (const path of [other, file]) {
      await expect(trained(path)).rejects.toMatchObject({ code: 'DATASET_DIFFERS', details: { found: Tokenizer.fromBase(one).sha256, wanted: Tokenizer.fromBase(path).sha256 } });
    }
    // The same tokenizer beside other weights is the same: here the trainer is started, which ends at once.
    const twin = writeFolderBase(join(scratch(), 'twin'), { seed: 1 });
    expect((await resolveBaseModel({ path: twin })).sha256).not.toBe((await resolveBaseModel({ path: one })).sha256);
    await expect(trained(twin)).rejects.toMatchObject({ code: 'TRAINER_DIED' });
  });

  it('must be there', () => {
    const folder = scratch();
    expect(() => Tokenizer.fromBase(folder)).toThrow(expect.objectContaining({ message: expect.stringContaining('tokenizer.json') as string }));
  });
});
