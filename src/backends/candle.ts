// The candle backend: `tiresias-train`, a binary of this package, on the CPU.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { TiresiasError, messageOf } from '../errors.js';
import { sha256File } from '../files.js';
import { platformFile, platformHint } from '../platform.js';
import type { Backend } from './backend.js';

/** TIRESIAS_TRAIN, or the binary that `npm run build:train` puts into a checkout, or that of the platform's package. */
function trainerPath(): string {
  const own = process.env['TIRESIAS_TRAIN'];
  const name = process.platform === 'win32' ? 'tiresias-train.exe' : 'tiresias-train';
  const built = fileURLToPath(new URL(`../../native/bin/${name}`, import.meta.url));
  const path = own ?? (existsSync(built) ? built : platformFile(name) ?? built);
  if (existsSync(path)) return path;
  const hint = own !== undefined ? 'TIRESIAS_TRAIN names no file' : platformHint(candle.remedy);
  throw new TiresiasError('TRAINER_MISSING', `the trainer was not found at ${path}; ${hint}`, { details: { path, backend: 'candle' } });
}

export const candle: Backend = {
  name: 'candle', summary: 'Rust, above candle, on any processor',
  can: ['train', 'decide', 'full-parameter'], bases: ['gguf', 'safetensors'], devices: ['cpu'], arithmetic: ['f32', 'bf16'], streams: true,
  command: () => ({ program: trainerPath(), args: [] }),
  identity: (signal) => sha256File(trainerPath(), signal),
  health: async () => {
    try {
      return { ok: true, found: trainerPath() };
    } catch (error) {
      return { ok: false, found: messageOf(error) };
    }
  },
  remedy: 'npm run build:train',
  launchers: [], estimates: false,
};
