// Tokenizer files, made at test time from the vocabularies that independent JavaScript tokenizers carry.
import { Buffer } from 'node:buffer';

/** A vocabulary by id, and its merges (two tokens with a space between), the first to merge first. */
export interface Vocabulary {
  tokens: readonly string[];
  merges: readonly string[];
}

/** Byte-level BPE writes bytes that are no visible character as characters from U+0100 on. */
export const BYTE_CHARACTERS = (() => {
  const visible = (byte: number) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(visible(byte) ? byte : next++));
})();

/** The vocabulary behind tiktoken's ranks: neighbours merge if their union has a rank, the lowest first. */
export function fromRanks(ranks: string, special: Record<string, number>): Vocabulary {
  const tokens: string[] = [];
  for (const line of ranks.split('\n').filter(Boolean)) {
    const [, offset, ...encoded] = line.split(' ');
    encoded.forEach((token, i) => {
      tokens[Number(offset) + i] = Array.from(Buffer.from(token, 'base64'), (byte) => BYTE_CHARACTERS[byte]!).join('');
    });
  }
  const known = new Set(tokens);
  const splits = tokens.flatMap((token) => {
    // The longer left part first, which is the leftmost of two places that overlap.
    const cuts = Array.from({ length: token.length - 1 }, (_, i) => token.length - 1 - i);
    return cuts.map((at) => [token.slice(0, at), token.slice(at)] as const);
  });
  const merges = splits.filter(([left, right]) => known.has(left) && known.has(right)).map((pair) => pair.join(' '));
  for (const [text, id] of Object.entries(special)) tokens[id] = text;
  return { tokens, merges };
}

/** A Hugging Face `tokenizer.json`; `parts` are everything but the vocabulary and the merges. */
export function tokenizerJson({ tokens, merges }: Vocabulary, parts: { model?: object; [part: string]: unknown }): string {
  const { model, ...rest } = parts;
  const vocab = Object.fromEntries(tokens.map((token, id) => [token, id]));
  return JSON.stringify({
    version: '1.0', truncation: null, padding: null, added_tokens: [], normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null,
    ...rest,
    model: { type: 'BPE', unk_token: null, fuse_unk: false, byte_fallback: false, ignore_merges: false, ...model, vocab, merges },
  });
}

type GgufValue = string | number | boolean | readonly string[] | { floats: readonly number[] } | { integers: readonly number[] };

/** A GGUF file (version 3) that holds metadata and no tensors. */
export function gguf(metadata: Record<string, GgufValue>): Buffer {
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const u64 = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
  const array = (type: number, items: readonly Buffer[]) => Buffer.concat([u32(9), u32(type), u64(items.length), ...items]);
  const value = (entry: GgufValue): Buffer => {
    if (typeof entry === 'string') return Buffer.concat([u32(8), text(entry)]);
    if (typeof entry === 'number') return Buffer.concat([u32(4), u32(entry)]);
    if (typeof entry === 'boolean') return Buffer.concat([u32(7), Buffer.from([Number(entry)])]);
    if ('floats' in entry) return array(6, [Buffer.from(Float32Array.from(entry.floats).buffer)].flatMap((all) => entry.floats.map((_, i) => all.subarray(4 * i, 4 * i + 4))));
    if ('integers' in entry) return array(5, entry.integers.map(u32));
    return array(8, entry.map(text));
  };
  const entries = Object.entries(metadata).flatMap(([key, entry]) => [text(key), value(entry)]);
  return Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(Object.keys(metadata).length), ...entries]);
}

/** A model file without weights, whose tokenizer has one id for each byte: all that datasets and prompts need. */
export function byteModel(): Buffer {
  return gguf({ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'gpt-2', 'tokenizer.ggml.tokens': BYTE_CHARACTERS, 'tokenizer.ggml.merges': [] });
}
