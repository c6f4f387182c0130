// A Llama of a few thousand random weights as a GGUF file, for tests that start real backends.
import { writeFileSync } from 'node:fs';
import { seedrandom } from '../src/lazy.js';

export const TOY = { vocabulary: 64, context: 256 } as const;
const [HIDDEN, FFN, LAYERS, HEADS, KV_HEADS] = [64, 128, 2, 4, 2] as const;
const ALIGNMENT = 32;

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number): Buffer => Buffer.concat([u32(value), u32(0)]);
const f32 = (value: number): Buffer => Buffer.from(Float32Array.of(value).buffer);
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & (ALIGNMENT - 1))]);

/** Kinds of GGUF's values. */
const [U32, F32, STRING] = [4, 6, 8] as const;

/** Writes the file; each seed has its own weights. */
export function writeToyBase(path: string, seed = 0): string {
  const random = seedrandom()(`toy/${seed}`);
  const draws = (count: number, spread: number, middle = 0) => Buffer.from(Float32Array.from({ length: count }, () => middle + spread * (2 * random() - 1)).buffer);
  const tensors: [name: string, dimensions: number[], data: Buffer][] = [];
  const matrix = (name: string, rows: number, columns: number, spread: number) => tensors.push([`${name}.weight`, [columns, rows], draws(rows * columns, spread)]);
  const norm = (name: string) => tensors.push([`${name}.weight`, [HIDDEN], draws(HIDDEN, 0.3, 1)]);
  const kv = (HIDDEN / HEADS) * KV_HEADS;
  matrix('token_embd', TOY.vocabulary, HIDDEN, 1);
  matrix('output', TOY.vocabulary, HIDDEN, 0.4);
  norm('output_norm');
  for (let i = 0; i < LAYERS; i++) {
    norm(`blk.${i}.attn_norm`);
    norm(`blk.${i}.ffn_norm`);
    for (const [name, rows, columns] of [
      ['attn_q', HIDDEN, HIDDEN], ['attn_k', kv, HIDDEN], ['attn_v', kv, HIDDEN], ['attn_output', HIDDEN, HIDDEN], ['ffn_gate', FFN, HIDDEN], ['ffn_up', FFN, HIDDEN], ['ffn_down', HIDDEN, FFN],
    ] as const) matrix(`blk.${i}.${name}`, rows, columns, 0.25);
  }
  const header = [
    ['general.architecture', u32(STRING), text('llama')], ['general.name', u32(STRING), text('toy')],
    ['llama.block_count', u32(U32), u32(LAYERS)], ['llama.context_length', u32(U32), u32(TOY.context)], ['llama.embedding_length', u32(U32), u32(HIDDEN)],
    ['llama.feed_forward_length', u32(U32), u32(FFN)], ['llama.attention.head_count', u32(U32), u32(HEADS)], ['llama.attention.head_count_kv', u32(U32), u32(KV_HEADS)],
    ['llama.attention.layer_norm_rms_epsilon', u32(F32), f32(1e-5)], ['llama.rope.freq_base', u32(F32), f32(10_000)], ['llama.rope.dimension_count', u32(U32), u32(HIDDEN / HEADS)],
  ] as const;
  let offset = 0;
  const infos = tensors.map(([name, dimensions, data]) => {
    const info = Buffer.concat([text(name), u32(dimensions.length), ...dimensions.map(u64), u32(0), u64(offset)]);
    offset += padded(data).length;
    return info;
  });
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(header.length), ...header.flatMap(([key, kind, value]) => [text(key), kind, value]), ...infos]);
  writeFileSync(path, Buffer.concat([padded(head), ...tensors.map(([, , data]) => padded(data))]));
  return path;
}
