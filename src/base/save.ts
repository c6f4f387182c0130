// Bytes that arrive, on their way to a place of their own.
import { createWriteStream } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { io, syncFolder } from '../files.js';

/** Appends a stream to a file; told how many bytes came so far. */
export async function saveStream(stream: Readable, target: string, { signal, onBytes }: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void }): Promise<number> {
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      onBytes?.(bytes);
      done(null, chunk);
    },
  });
  await pipeline(stream, meter, createWriteStream(target, { flags: 'a' }), signal ? { signal } : {});
  return bytes;
}

/** Moves a checked file to its place, durable when there. Whoever moves last wins, with the same bytes. */
export async function settle(from: string, to: string): Promise<void> {
  await io(`write ${to}`, async () => {
    const file = await open(from, 'r+');
    await file.sync().finally(() => file.close());
    await rename(from, to);
    await syncFolder(join(to, '..'));
  });
}
