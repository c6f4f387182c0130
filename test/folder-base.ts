// A base as `transformers` writes it, tiny: a folder with configuration, random weights and a byte-level tokenizer whose contexts begin with `<s>`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { seedrandom } from '../src/lazy.js';
import { BYTE_CHARACTERS, tokenizerJson } from './tokenizer-files.js';

/** The id of `<s>`. */
export const BEGINNING = 256;

const [VOCABULARY, HIDDEN, FFN, LAYERS, HEADS, KV_HEADS] = [258, 64, 128, 2, 4, 2] as const;

/** `config.json` of a Llama. */
const config = (): string =>
  JSON.stringify({
    architectures: ['LlamaForCausalLM'], model_type: 'llama', vocab_size: VOCABULARY, hidden_size: HIDDEN, intermediate_size: FFN, num_hidden_layers: LAYERS,
    num_attention_heads: HEADS, num_key_value_heads: KV_HEADS, max_position_embeddings: 2048, rms_norm_eps: 1e-5, rope_theta: 10000, tie_word_embeddings: true,
    bos_token_id: BEGINNING, eos_token_id: BEGINNING + 1, torch_dtype: 'float32',
  });

/** One id for each byte, and two special tokens, of which the first begins every context; `merges` are more. */
export function byteTokenizer(merges: readonly string[] = []): string {
  const special = (content: string, id: number) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true });
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  const begin = { SpecialToken: { id: '<s>', type_id: 0 } };
  return tokenizerJson(
    { tokens: [...BYTE_CHARACTERS, '<s>', '</s>', ...merges.map((merge) => merge.replace(' ', ''))], merges },
    {
      added_tokens: [special('<s>', BEGINNING), special('</s>', BEGINNING + 1)], pre_tokenizer: byteLevel, decoder: byteLevel,
      post_processor: {
        type: 'TemplateProcessing', single: [begin, { Sequence: { id: 'A', type_id: 0 } }],
        pair: [begin, { Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
        special_tokens: { '<s>': { id: '<s>', ids: [BEGINNING], tokens: ['<s>'] } },
      },
    },
  );
}

/** Weights, by Hugging Face's names; each seed has its own. */
function weights(seed: number): Record<string, Buffer> {
  const random = seedrandom()(`folder/${seed}`);
  const kv = (HIDDEN / HEADS) * KV_HEADS;
  const shapes: [string, number[]][] = [['model.embed_tokens', [VOCABULARY, HIDDEN]], ['model.norm', [HIDDEN]]];
  for (let i = 0; i < LAYERS; i++) {
    const layer = `model.layers.${i}`;
    shapes.push([`${layer}.input_layernorm`, [HIDDEN]], [`${layer}.post_attention_layernorm`, [HIDDEN]]);
    for (const [name, rows, columns] of [['q', HIDDEN, HIDDEN], ['k', kv, HIDDEN], ['v', kv, HIDDEN], ['o', HIDDEN, HIDDEN]] as const) shapes.push([`${layer}.self_attn.${name}_proj`, [rows, columns]]);
    for (const [name, rows, columns] of [['gate', FFN, HIDDEN], ['up', FFN, HIDDEN], ['down', HIDDEN, FFN]] as const) shapes.push([`${layer}.mlp.${name}_proj`, [rows, columns]]);
  }
  return Object.fromEntries(shapes.map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const draw = shape.length === 1 ? () => 1 : () => 0.25 * (2 * random() - 1);
    const header = { dtype: 'F32', shape, name: `${name}.weight` };
    return [JSON.stringify(header), Buffer.from(Float32Array.from({ length: size }, draw).buffer)];
  }));
}

/** A file of tensors. */
function safetensors(tensors: Record<string, Buffer>): Buffer {
  const header: Record<string, object> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [about, data] of Object.entries(tensors)) {
    const { name, ...rest } = JSON.parse(about) as { name: string };
    header[name] = { ...rest, data_offsets: [offset, (offset += data.length)] };
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, ...Object.values(tensors)]);
}

/** The files of the folder; with `parts` the weights are in so many, with an index. */
export function folderFiles({ seed = 0, parts = 1, merges }: { seed?: number; parts?: number; merges?: readonly string[] } = {}): Record<string, string | Buffer> {
  const all = Object.entries(weights(seed));
  const files: Record<string, string | Buffer> = { 'config.json': config(), 'tokenizer.json': byteTokenizer(merges) };
  if (parts === 1) return { ...files, 'model.safetensors': safetensors(Object.fromEntries(all)) };
  const map: Record<string, string> = {};
  for (let part = 0; part < parts; part++) {
    const name = `model-0000${part + 1}-of-0000${parts}.safetensors`;
    const own = all.filter((_, i) => i % parts === part);
    files[name] = safetensors(Object.fromEntries(own));
    for (const [about] of own) map[(JSON.parse(about) as { name: string }).name] = name;
  }
  return { ...files, 'model.safetensors.index.json': JSON.stringify({ metadata: {}, weight_map: map }) };
}

/** Writes the folder. */
export function writeFolderBase(folder: string, options: Parameters<typeof folderFiles>[0] = {}): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of Object.entries(folderFiles(options))) writeFileSync(join(folder, name), content);
  return folder;
}
