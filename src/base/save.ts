// Bytes that arrive, on their way to a place of their own.
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { io, syncFolder } from '../files.js';

/** Appends a stream to a file; told how many bytes came so far. However it ends, the file is closed: a caller who then removes it has removed it. */
export async function saveStream(stream: Readable, target: string, { signal, onBytes }: { signal?: AbortSignal | undefined; onBytes?: (bytes: number) => void }): Promise<number> {
  let bytes = 0;
  // One that breaks while the file is being opened says so again below.
  stream.on('error', () => {});
  const file = await open(target, 'a');
  try {
    for await (const chunk of signal ? addAbortSignal(signal, stream) : stream) {
      await file.appendFile(chunk as Buffer);
      bytes += (chunk as Buffer).length;
      onBytes?.(bytes);
    }
  } finally {
    await file.close();
  }
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
