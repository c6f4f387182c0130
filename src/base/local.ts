// A base of one's own: a GGUF file, or a folder of safetensors.
import { basename } from 'node:path';
import type { FileBase } from '../experiment.js';
import { checkedHash, corrupt, formatAt } from './check.js';
import type { BaseSource } from './source.js';

export const local: BaseSource<FileBase> = {
  key: 'path',
  example: '{"path": "model.gguf"}',
  schema: (z) => z.strictObject({ path: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits').optional() }),
  format: ({ path }) => formatAt(path),
  async resolve({ path, sha256: expected }, { signal }) {
    const sha256 = await checkedHash(path, signal);
    if (expected !== undefined && sha256 !== expected) throw corrupt(path, expected, sha256);
    return { name: basename(path, '.gguf'), format: formatAt(path), path, sha256 };
  },
  // They lie wherever their owners put them.
  list: async () => [],
};
