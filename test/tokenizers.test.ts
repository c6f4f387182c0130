// Encoding without a tokenizer against the tokenizers themselves: independent JavaScript ones, on the same texts.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { Tiktoken } from 'js-tiktoken/lite';
import gpt2Ranks from 'js-tiktoken/ranks/gpt2';
import llama2 from 'llama-tokenizer-js';
import llama3 from 'llama3-tokenizer-js';
import seedrandom from 'seedrandom';
import { beforeAll, describe, expect, it } from 'vitest';
import { compactTokenizer, compileEncoder, Tokenizer, type Encoder, type Template, type TrajectoryBatch } from '../src/index.js';
import { fromRanks, gguf, tokenizerJson } from './tokenizer-files.js';
import { baseModel } from './support.js';

/** A tokenizer of this project in every form that it is read from, and an independent one with the same vocabulary. */
interface Pair {
  ours: Record<string, Tokenizer>;
  reference: (text: string) => ArrayLike<number>;
}

function load(files: Record<string, string | Uint8Array>): Record<string, Tokenizer> {
  const folder = mkdtempSync(join(tmpdir(), 'tiresias-'));
  try {
    return Object.fromEntries(
      Object.entries(files).map(([name, content]) => {
        const path = join(folder, name);
        writeFileSync(path, content);
        return [name, name.endsWith('.gguf') ? Tokenizer.fromGguf(path) : Tokenizer.fromJson(path)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function llama2Pair(): Pair {
  const vocabulary = { tokens: llama2.vocabById, merges: [...llama2.merges.keys()] };
  const model = { unk_token: '<unk>', fuse_unk: true, byte_fallback: true };
  const added_tokens = ['<unk>', '<s>', '</s>'].map((content, id) => ({
    id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true,
  }));
  const decoder = { type: 'Sequence', decoders: [
    { type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 },
  ] };
  const normalizer = { type: 'Sequence', normalizers: [
    { type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  ] };
  const metaspace = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: false };
  // As SentencePiece numbers them: unknown, two controls, 256 bytes, then pieces from the best score down; runs of marks
  // come last, all together.
  const kinds = vocabulary.tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  const scores = vocabulary.tokens.map((token, id) => (id < 259 ? 0 : /^▁▁+$/.test(token) ? -1e9 : 259 - id));
  return {
    ours: load({
      'normalizer.json': tokenizerJson(vocabulary, { model, added_tokens, decoder, normalizer }),
      'metaspace.json': tokenizerJson(vocabulary, { model, added_tokens, decoder, pre_tokenizer: metaspace }),
      'scores.gguf': gguf({
        'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.tokens': vocabulary.tokens,
        'tokenizer.ggml.scores': { floats: scores }, 'tokenizer.ggml.token_type': { integers: kinds },
      }),
    }),
    reference: (text) => llama2.encode(text, false),
  };
}

const byteLevel = (use_regex: boolean) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex });

function gpt2Pair(): Pair {
  const vocabulary = fromRanks(gpt2Ranks.bpe_ranks, gpt2Ranks.special_tokens);
  const reference = new Tiktoken(gpt2Ranks);
  return {
    ours: load({
      'gpt2.json': tokenizerJson(vocabulary, { pre_tokenizer: byteLevel(true), decoder: byteLevel(true) }),
      'gpt2.gguf': gguf({
        'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'gpt-2', 'tokenizer.ggml.tokens': vocabulary.tokens, 'tokenizer.ggml.merges': vocabulary.merges,
      }),
    }),
    reference: (text) => reference.encode(text),
  };
}

function llama3Pair(): Pair {
  const vocabulary = { tokens: llama3.vocabById, merges: [...llama3.merges.keys()] };
  const Regex = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  const pre_tokenizer = { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }, byteLevel(false)] };
  return {
    ours: load({
      'llama3.json': tokenizerJson(vocabulary, { model: { ignore_merges: true }, pre_tokenizer, decoder: byteLevel(true) }),
      'llama3.gguf': gguf({
        'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'llama-bpe', 'tokenizer.ggml.bos_token_id': 128_000, 'tokenizer.ggml.tokens': vocabulary.tokens, 'tokenizer.ggml.merges': vocabulary.merges,
        'tokenizer.ggml.token_type': { integers: vocabulary.tokens.map((_, id) => (id < 128_000 ? 1 : 3)) },
      }),
    }),
    reference: (text) => llama3.encode(text, { bos: false, eos: false }),
  };
}

/** Words that tokenizers treat in their own ways, joined at random. */
const words = fc
  .array(fc.oneof(fc.constantFrom('mdp', ' the', 'x', ',-', '#', '\n', ' ', '12', '007', "it's", "WE'LL", 'éa', '日本', '🦙', '\t', '...', '####', ' \n', 'ß9', '½'), fc.string({ maxLength: 6 })), { maxLength: 30 })
  .map((parts) => parts.join(''));

/** The rows in which two ragged lists of ids differ. */
function differing(rows: number, a: (row: number) => ArrayLike<number>, b: (row: number) => ArrayLike<number>): number[] {
  const equal = (x: ArrayLike<number>, y: ArrayLike<number>) => x.length === y.length && Array.prototype.every.call(x, (id, i) => id === y[i]);
  return Array.from({ length: rows }, (_, row) => row).filter((row) => !equal(a(row), b(row)));
}

type Draw = (below: number) => number;
const pick = <T>(draw: Draw, list: readonly T[]): T => list[draw(list.length)]!;

function randomTemplate(draw: Draw, widest: number): { template: Template; observations: number; actions: number } {
  const [supportMarker, queryMarker] = pick(draw, [['#\n', '?\n'], ['S:', 'Q:'], ['support\n', 'query\n'], ['<\n', 'é>\n']] as const);
  const observationWidth = 1 + draw(widest);
  const template: Template = {
    header: pick(draw, ['mdp\n', 'pomdp\n', 'apomdp\n', '', 'Task:', 'a b\tc.\n']),
    supportMarker, queryMarker, observationWidth,
    rewardWidth: 1 + draw(widest),
    rewardScale: pick(draw, [1, 2, 10, 100]),
    rewardOffset: draw(10),
    missing: pick(draw, ['x', '-', 'n', '_']),
    queryReward: pick(draw, ['shown', 'hidden'] as const),
  };
  return { template, observations: 1 + draw(10 ** observationWidth), actions: 1 + draw(10) };
}

/** Random examples of a template: K from 0 to 3, 1 to 5 steps, and in two thirds of them missing observations. */
function randomBatch(draw: Draw, { template, observations, actions }: ReturnType<typeof randomTemplate>, count: number): TrajectoryBatch {
  const batch = { observations: [] as number[], actions: [] as number[], rewards: [] as number[], steps: [0], examples: [0] };
  for (let example = 0; example < count; example++) {
    const missing = draw(3);
    for (let k = draw(4); k >= 0; k--) {
      const steps = 1 + draw(5);
      for (let t = 0; t < steps; t++) {
        const absent = (missing === 1 && t === 0) || (missing === 2 && draw(3) === 0);
        batch.observations.push(absent ? -1 : draw(observations));
        batch.actions.push(draw(actions));
        batch.rewards.push((draw(10 ** template.rewardWidth!) - template.rewardOffset!) / template.rewardScale!);
      }
      batch.steps.push(batch.actions.length);
    }
    batch.examples.push(batch.steps.length - 1);
  }
  return {
    observations: Int32Array.from(batch.observations), actions: Uint8Array.from(batch.actions), rewards: Float64Array.from(batch.rewards),
    steps: Uint32Array.from(batch.steps), examples: Uint32Array.from(batch.examples),
  };
}

const TEMPLATES = 20;
const EXAMPLES = 5_000;

/** Encodes 100,000 random examples; returns how many have ids, and in how many the ids are not the references'. */
function encodeAll(tokenizerOf: (template: Template) => Tokenizer, reference: Pair['reference'] | undefined, widest: number, symbols: Set<string>): { examples: number; mismatches: number } {
  const random = seedrandom('encode');
  const draw: Draw = (below) => Math.floor(random() * below);
  let examples = 0;
  let mismatches = 0;
  for (let i = 0; i < TEMPLATES; i++) {
    const drawn = randomTemplate(draw, widest);
    const tokenizer = tokenizerOf(drawn.template);
    const encoder = compileEncoder(drawn.template, tokenizer, drawn.observations, drawn.actions);
    symbols.add(encoder.symbols);
    const { ids, offsets, texts } = encoder.encodeBatch(randomBatch(draw, drawn, EXAMPLES), { texts: true });
    const own = tokenizer.encodeBatch(texts!);
    const row = (all: Uint32Array, ends: Uint32Array) => (k: number) => all.subarray(ends[k], ends[k + 1]);
    const bad = new Set(differing(EXAMPLES, row(ids, offsets), row(own.ids, own.offsets)));
    if (reference) differing(EXAMPLES, row(ids, offsets), (k) => reference(texts![k]!)).forEach((k) => bad.add(k));
    examples += new Set(offsets).size - 1;
    mismatches += bad.size;
  }
  return { examples, mismatches };
}

interface Kind {
  name: string;
  make: () => Pair;
  /** The widest field that random templates have. */
  widest: number;
  /** What the templates' symbols turn out to be. */
  symbols: string[];
  known: Record<string, number[]>;
}

describe.each<Kind>([
  {
    name: 'Llama 2', make: llama2Pair, widest: 4, symbols: ['digit'],
    known: { '0': [29871, 29900], '1': [29871, 29896], '1,\n': [29871, 29896, 29892, 13], 'ax\n####\nboo': [4853, 13, 4136, 13, 833, 29877], '🦙': [29871, 243, 162, 169, 156] },
  },
  {
    name: 'GPT-2', make: gpt2Pair, widest: 3, symbols: ['digit', 'number'],
    known: { 'Hello world': [15496, 995], '0 1': [15, 352], ',\n': [11, 198], '12': [1065], '2010': [10333] },
  },
  {
    name: 'Llama 3', make: llama3Pair, widest: 3, symbols: ['digit', 'number'],
    known: { 'Hello world': [9906, 1917], '0': [15], '9': [24], ',': [11], '123': [4513], '1234': [4513, 19] },
  },
])('$name', ({ make, known, widest, symbols }) => {
  let pair: Pair;
  beforeAll(() => {
    pair = make();
  });

  it('has the published ids', () => {
    for (const [text, ids] of Object.entries(known)) {
      expect(Array.from(pair.reference(text)), text).toEqual(ids);
      for (const [file, tokenizer] of Object.entries(pair.ours)) expect(Array.from(tokenizer.encode(text)), `${file}: ${text}`).toEqual(ids);
    }
  });

  it('agrees with the independent tokenizer on any text', { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(words, (text) => {
        // The reference gives the empty text a mark, or not, by its own rules.
        fc.pre(text.length > 0);
        const wanted = Array.from(pair.reference(text));
        for (const [file, tokenizer] of Object.entries(pair.ours)) {
          // Metaspace adds no mark where the text begins with a space; SentencePiece does.
          if (file === 'metaspace.json' && text.startsWith(' ')) continue;
          expect(Array.from(tokenizer.encode(text)), file).toEqual(wanted);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is written id for id in 100,000 random examples', { timeout: 300_000 }, () => {
    const seen = new Set<string>();
    const [first] = Object.values(pair.ours);
    expect(encodeAll(() => first!, pair.reference, widest, seen)).toEqual({ examples: 100_000, mismatches: 0 });
    expect([...seen].sort()).toEqual(symbols);
  });
});

describe('SmolLM2 and the compact vocabulary', () => {
  it.each<[string, (template: Template) => Tokenizer]>([
    ['SmolLM2', (() => { let tokenizer: Tokenizer | undefined; return () => (tokenizer ??= Tokenizer.fromGguf(baseModel())); })()],
    ['compact', (template) => compactTokenizer([{ header: 'other\n' }, template])],
  ])('%s: written id for id in 100,000 random examples', { timeout: 300_000 }, (_, tokenizerOf) => {
    expect(encodeAll(tokenizerOf, undefined, 4, new Set())).toEqual({ examples: 100_000, mismatches: 0 });
  });
});

describe('a template that breaks a rule', () => {
  it.each<[string, Template]>([
    ['rewardWidth', { rewardWidth: 9 }], ['observationWidth', { observationWidth: 0 }], ['queryMarker', { queryMarker: '' }], ['rewardScale', { rewardScale: -1 }],
  ])('is refused by the name of its field, %s', (field, template) => {
    expect(() => compactTokenizer([template])).toThrow(expect.objectContaining({ code: 'ENCODE_FAILED', message: expect.stringContaining(field) }));
  });
});

describe('a template that a tokenizer merges', () => {
  it('is refused with the two neighbours', () => {
    const { ours } = gpt2Pair();
    const compile = (template: Template): Encoder => compileEncoder(template, ours['gpt2.json']!, 10, 3);
    // GPT-2 takes a space into the number behind it.
    expect(() => compile({ queryMarker: 'Q ' })).toThrow(expect.objectContaining({ code: 'ENCODE_FAILED', message: expect.stringMatching(/Q " followed by "0"/) }));
    // Numbers of five digits are too many to look up.
    expect(() => compile({ rewardWidth: 5 })).toThrow(expect.objectContaining({ code: 'ENCODE_FAILED', message: expect.stringMatching(/"0" followed by "0"/) }));
  });

  it('is refused by Llama 3 where numbers are longer than can be looked up', () => {
    const { ours } = llama3Pair();
    const compile = (): Encoder => compileEncoder({ observationWidth: 5 }, ours['llama3.gguf']!, 100_000, 3);
    expect(compile).toThrow(expect.objectContaining({ code: 'ENCODE_FAILED', message: expect.stringMatching(/"0" followed by "0"/) }));
  });

  it('does not pass for the compact vocabulary of another template', () => {
    const tokenizer = compactTokenizer([{}]);
    expect(() => compileEncoder({ queryMarker: '!\n' }, tokenizer, 10, 3)).toThrow(expect.objectContaining({ message: expect.stringMatching(/no id for the literal .*!/) }));
  });
});

describe('a batch', () => {
  const tokenizer = compactTokenizer([{}]);
  const encoder = compileEncoder({}, tokenizer, 10, 3);
  const good: TrajectoryBatch = {
    observations: Int32Array.of(5, 3, 7), actions: Uint8Array.of(1, 0, 2), rewards: Float64Array.of(0, 0, 3),
    steps: Uint32Array.of(0, 2, 3), examples: Uint32Array.of(0, 2), labels: Uint8Array.of(1),
  };

  it('gives ids, labels, offsets and texts', () => {
    const { ids, labels, offsets, texts } = encoder.encodeBatch(good, { texts: true, lossOn: 'query+support' });
    expect(texts).toEqual(['mdp\n#\n5,1,20\n3,0,20\n?\n7,2,50\n']);
    expect(Array.from(offsets)).toEqual([0, ids.length]);
    expect(tokenizer.decode(ids)).toBe(texts![0]);
    // Digits are their own ids here: the support's executed actions, then the oracle's where the query acted.
    expect(Array.from(labels).filter((label) => label !== -100)).toEqual([1, 0, 1]);
    expect(ids[labels.lastIndexOf(1)]).toBe(2);
    expect(Array.from(encoder.actionIds)).toEqual([0, 1, 2]);
    const { labels: _, ...acted } = good;
    const own = encoder.encodeBatch(acted);
    expect(own.texts).toBeUndefined();
    expect(Array.from(own.labels).filter((label) => label !== -100)).toEqual([2]);
  });

  it('fills arrays of the caller’s with the same', () => {
    for (const lossOn of ['query', 'query+support'] as const) {
      const fresh = encoder.encodeBatch(good, { lossOn });
      const [ids, labels, offsets] = [new Uint32Array(200).fill(9), new Int32Array(200).fill(9), new Uint32Array(2).fill(9)];
      const count = encoder.encodeBatchInto(good, ids, labels, offsets, lossOn);
      expect(count).toBe(fresh.ids.length);
      expect([ids.slice(0, count), labels.slice(0, count), offsets]).toEqual([fresh.ids, fresh.labels, fresh.offsets]);
    }
    const refused = (message: RegExp, ids: Uint32Array, labels: Int32Array, offsets: Uint32Array) =>
      expect(() => encoder.encodeBatchInto(good, ids, labels, offsets)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }));
    refused(/example 0: .*room for 3 ids and labels, where an example may take \d+/, new Uint32Array(3), new Int32Array(200), new Uint32Array(2));
    refused(/offsets: 1 entries, where 2/, new Uint32Array(200), new Int32Array(200), new Uint32Array(1));
    const shared = new ArrayBuffer(800);
    refused(/views of the same memory/, new Uint32Array(shared), new Int32Array(shared), new Uint32Array(2));
  });

  it('of no examples is empty', () => {
    const nothing = encoder.encodeBatch({ ...good, observations: new Int32Array(), actions: new Uint8Array(), rewards: new Float64Array(), steps: Uint32Array.of(0), examples: Uint32Array.of(0), labels: new Uint8Array() });
    expect([nothing.ids.length, Array.from(nothing.offsets)]).toEqual([0, [0]]);
    expect(Array.from(tokenizer.encodeBatch([]).offsets)).toEqual([0]);
  });

  it.each<[string, Partial<TrajectoryBatch>, RegExp]>([
    ['steps that do not cover it', { steps: Uint32Array.of(0, 2) }, /steps/],
    ['steps that go back', { steps: Uint32Array.of(0, 3, 2, 3) }, /steps/],
    ['examples that do not begin at 0', { examples: Uint32Array.of(1, 2) }, /examples/],
    ['no offsets at all', { examples: new Uint32Array() }, /examples/],
    ['an example without a trajectory', { examples: Uint32Array.of(0, 0, 2) }, /example 0 has no trajectory/],
    ['too few observations', { observations: Int32Array.of(1) }, /1 observations/],
    ['too few labels', { labels: new Uint8Array() }, /labels end before the query of example 0/],
    ['too many labels', { labels: Uint8Array.of(1, 1) }, /1 labels too many/],
  ])('with %s is refused', (_, change, message) => {
    expect(() => encoder.encodeBatch({ ...good, ...change })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(message) }));
  });

  it('with a value that its template cannot print is refused by step', () => {
    expect(() => encoder.encodeBatch({ ...good, rewards: Float64Array.of(0, 0.05, 3) })).toThrow(/reward 0\.05 at step 1/);
    expect(() => encoder.encodeBatch({ ...good, actions: Uint8Array.of(1, 0, 3) })).toThrow(/action 3 at step 0/);
    expect(() => encoder.encodeBatch(good, { lossOn: 'all' as 'query' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => encoder.encodeBatch({ ...good, actions: [1, 0, 2] as unknown as Uint8Array })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => compileEncoder({}, {} as Tokenizer, 10, 3)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => compileEncoder({ marker: '#' } as Template, tokenizer, 10, 3)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(/marker/) }));
    expect(() => compileEncoder({}, tokenizer, 10, 2.5)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
