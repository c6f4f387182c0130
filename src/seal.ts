// JSON files that are read back say themselves what they hold: their first member is the SHA-256 of the text without it.
import { TiresiasError } from './errors.js';
import { readText, sha256, writeAtomic, writeNew } from './files.js';
import { parseJson } from './json.js';

const HEAD = /^\{\n {2}"seal": "([0-9a-f]{64})",\n/;

/** An object as indented JSON, sealed. */
export function seal(value: object): string {
  const text = `${JSON.stringify(value, null, 2)}\n`;
  return `{\n  "seal": "${sha256(text)}",${text.slice(1)}`;
}

/** Whether not one byte of a sealed text is another than when it was sealed. */
export function isSealed(text: string): boolean {
  const head = HEAD.exec(text);
  return head !== null && sha256(`{\n${text.slice(head[0].length)}`) === head[1];
}

/** Writes a sealed file, whole or not at all. */
export async function writeSealed(path: string, value: object): Promise<void> {
  await writeAtomic(path, seal(value));
}

/** As {@link writeSealed}, unless something lies there already. */
export async function writeSealedOnce(path: string, value: object): Promise<void> {
  await writeNew(path, seal(value));
}

/** What a sealed text holds. Throws `code` when it is not what was sealed; `mend` says what to do about it. */
export function unseal(text: string, path: string, code: string, mend: string): unknown {
  if (isSealed(text)) return parseJson(text, path);
  const why = text.trimStart().startsWith('{') && !HEAD.test(text) ? 'its first member is not the seal that this version writes' : 'it was changed after it was written';
  throw new TiresiasError(code, `${path} is damaged: ${why}; ${mend}`, { details: { path } });
}

/** What a sealed file holds, or undefined when it is not there or not what was sealed. */
export async function readSealedIfWhole(path: string): Promise<unknown> {
  try {
    const text = await readText(path);
    return isSealed(text) ? parseJson(text, path) : undefined;
  } catch (error) {
    if (error instanceof TiresiasError && error.code === 'FILE_NOT_FOUND') return undefined;
    throw error;
  }
}
