// A folder of the cache that is a function of its key: made once, whole or not at all, and found again.
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { io, makeFolder, sweep, temporaryName } from '../files.js';
import { writeSealed } from '../seal.js';

/**
 * The folder's document, `family.json`, as `whole` finds it; or as `fill` makes it in a scratch folder, which becomes `folder` when all of it is there.
 * If two want it at once, both make the same and one of the two stays.
 */
export async function madeOnce<T extends object>(folder: string, whole: () => Promise<T | undefined>, fill: (scratch: string) => Promise<T>): Promise<T> {
  const found = await whole();
  if (found) return found;
  await io(`make ${dirname(folder)}`, async () => {
    await makeFolder(dirname(folder));
    await sweep(folder);
  });
  const scratch = temporaryName(folder);
  try {
    const document = await fill(scratch);
    await writeSealed(join(scratch, 'family.json'), document);
    await io(`make ${folder}`, async () => {
      const taken = await rename(scratch, folder).then(() => false, (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
        return true;
      });
      // Another process came to the same meanwhile, and uses it; or something is left there that is not whole.
      if (!taken || (await whole())) return;
      await rm(folder, { recursive: true, force: true });
      await rename(scratch, folder);
    });
    return document;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
