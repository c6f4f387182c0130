// A policy as a file that carries its model, or names it by hash beside it.
//
// A line of JSON, `{"schema":"tiresias.policy-and-model/1","modelBytes":N}`, then N bytes of the model's canonical JSON and a newline, then
// the policy as `Solution.savePolicy` gives it, whose own header has the hashes of both.
import { dirname, join } from 'node:path';
import { constants } from 'node:buffer';
import { readFile, stat } from 'node:fs/promises';
import { checkOptions, type Kind } from '../check.js';
import { TiresiasError } from '../errors.js';
import { io, sha256, writeAtomic } from '../files.js';
import { native } from '../native.js';
import type { Solution } from '../../native/index.cjs';

/** The schema of a file that carries its model. */
export const CARRYING_SCHEMA = 'tiresias.policy-and-model/1';
/** The schema of the policy alone; `SolvedPolicy`'s own reader has the last word on it. */
export const POLICY_SCHEMA = 'tiresias.policy/4';
/** The longest header that either may have. */
const MOST_HEADER = 4096;

/** A policy's bytes and its model's text, both held against their hashes. */
export interface PolicyFile {
  /** SHA-256 of the model's canonical JSON. */
  modelHash: string;
  /** SHA-256 of what was solved: of everything after the policy's header. */
  policyHash: string;
  /** The model's canonical JSON. */
  modelText: string;
  /** The policy as `savePolicy` gave it. */
  policy: Uint8Array;
}

/** Where the model of a policy file is: inside it, or beside it in a file named by its hash. */
export type ModelPlace = 'inside' | 'beside';

/** How to write a policy file. */
export interface SavePolicyOptions {
  /** Where its model goes (default `inside`). */
  model?: ModelPlace | undefined;
}

const SAVE = { model: ['inside', 'beside'] } as const satisfies Record<keyof SavePolicyOptions, Kind>;

function corrupt(name: string, what: string): never {
  throw new TiresiasError('INVALID_POLICY', `${name}: ${what}; write the policy again (tiresias solve --carry-model, or savePolicy)`, { details: { file: name } });
}

/** The first line of a file as JSON, and where the rest begins. */
function header(bytes: Uint8Array, name: string): { line: Record<string, unknown>; end: number } {
  const end = bytes.subarray(0, MOST_HEADER).indexOf(10);
  if (end < 0) corrupt(name, 'there is no header line: this is not a policy of Tiresias, or it is damaged');
  try {
    const line = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('utf8')) as unknown;
    if (typeof line === 'object' && line !== null) return { line: line as Record<string, unknown>, end: end + 1 };
  } catch {
    // No JSON.
  }
  return corrupt(name, 'the first line is not JSON: this is not a policy of Tiresias, or it is damaged');
}

/** Whether bytes begin as a policy that carries its model. */
export function carriesModel(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, 80)).includes(`"${CARRYING_SCHEMA.split('/', 1)[0]}/`);
}

/** Solutions that are controllers have readers of their own. */
const CONTROLLERS: Readonly<Record<string, string>> = {
  'tiresias.static-policy': 'the plans of a static solution, which loadStatic reads and playStatic plays',
  'tiresias.robust-policy': "a robust POMDP's controller, which loadRobust reads and playRobust plays",
};

/** Refuses what is no policy over beliefs, with the name of what reads it. */
export function checkNoController(schema: unknown, name: string): void {
  const what = typeof schema === 'string' ? CONTROLLERS[schema.split('/', 1)[0]!] : undefined;
  if (what !== undefined) throw new TiresiasError('INVALID_POLICY', `${name}: it is ${what}; commands show and play policies over beliefs only (docs/ambiguity.md)`);
}

/** The policy alone of bytes that may carry a model, too. */
export function policyPart(bytes: Uint8Array, name = 'the policy'): { policy: Uint8Array; modelText?: string } {
  if (!carriesModel(bytes)) return { policy: bytes };
  const { line, end } = header(bytes, name);
  const { schema, modelBytes } = line;
  if (schema !== CARRYING_SCHEMA) corrupt(name, `its schema is ${String(schema)}, and this version reads ${CARRYING_SCHEMA}`);
  if (!Number.isSafeInteger(modelBytes) || (modelBytes as number) < 0 || end + (modelBytes as number) + 1 > bytes.length) corrupt(name, 'it ends before its model does');
  if ((modelBytes as number) > constants.MAX_STRING_LENGTH) corrupt(name, 'its model is longer than a text can be');
  const model = bytes.subarray(end, end + (modelBytes as number));
  return { policy: bytes.subarray(end + (modelBytes as number) + 1), modelText: Buffer.from(model.buffer, model.byteOffset, model.length).toString('utf8') };
}

/** A policy with its model as one file's bytes. */
export function withModel(solution: Solution): Uint8Array {
  const model = Buffer.from(solution.model().toJson(), 'utf8');
  return Buffer.concat([Buffer.from(`${JSON.stringify({ schema: CARRYING_SCHEMA, modelBytes: model.length })}\n`), model, Buffer.from('\n'), solution.savePolicy()]);
}

/** The file beside `file` that a model of this hash lies in. */
export const modelBeside = (file: string, modelHash: string): string => join(dirname(file), `${modelHash}.json`);

/**
 * Writes a solution as a policy file for {@link loadPolicy} and `tiresias serve`, whole or not at all. The model goes inside it, or, `beside`,
 * to a file of its own in the same folder, named by its hash, which policies of one model share.
 */
export async function savePolicy(file: string, solution: Solution, options: SavePolicyOptions = {}): Promise<void> {
  if (!(solution instanceof native.Solution)) throw new TiresiasError('INVALID_ARGUMENT', 'savePolicy: the solution is a Solution (solve, loadPolicy)');
  checkOptions('savePolicy', options, SAVE);
  if (options.model === 'beside') {
    const model = solution.model();
    // The model first: a policy without its model serves nobody.
    await writeAtomic(modelBeside(file, model.sha256()), model.toJson());
    return writeAtomic(file, solution.savePolicy());
  }
  return writeAtomic(file, withModel(solution));
}

/** The most that Node reads at once. */
const MOST_BYTES = 2 ** 31 - 1;

/** The bytes of a file that has an end: a pipe would be waited for, and a device may go on for ever. */
async function bytesOf(file: string): Promise<Buffer> {
  return io(`read ${file}`, async () => {
    const found = await stat(file);
    if (!found.isFile() && !found.isDirectory()) throw new TiresiasError('IO', `could not read ${file}: it is a pipe or a device, and no file`, { details: { file } });
    if (found.size > MOST_BYTES) throw new TiresiasError('IO', `could not read ${file}: it has ${found.size} bytes, and no more than ${MOST_BYTES} can be read`, { details: { file, bytes: found.size } });
    return readFile(file);
  });
}

/** Reads a policy file and holds its parts against their hashes. Nothing is made of them yet. */
export async function readPolicyFile(file: string): Promise<PolicyFile> {
  const bytes = await bytesOf(file);
  const { policy, modelText } = policyPart(bytes, file);
  const { line, end } = header(policy, file);
  const { schema, model, body } = line;
  checkNoController(schema, file);
  if (schema !== POLICY_SCHEMA || typeof model !== 'string' || typeof body !== 'string') corrupt(file, `its policy is of schema ${String(schema)}, and this version reads ${POLICY_SCHEMA}`);
  if (sha256(policy.subarray(end)) !== body) corrupt(file, 'the checksum of its policy is wrong: it is damaged');
  const text = modelText ?? (await readBeside(file, model));
  if (sha256(text) !== model) corrupt(file, modelText === undefined ? `${modelBeside(file, model)} is another model than its name says, or damaged` : 'the policy is of another model than the one it carries, or that is damaged');
  return { modelHash: model, policyHash: body, modelText: text, policy };
}

async function readBeside(file: string, modelHash: string): Promise<string> {
  const beside = modelBeside(file, modelHash);
  try {
    return (await bytesOf(beside)).toString('utf8');
  } catch (cause) {
    throw new TiresiasError('INVALID_POLICY', `${file} does not carry its model, and ${beside} cannot be read: put the model there (\`tiresias convert\` writes JSON), or write the policy again with its model inside (tiresias solve --carry-model)`, { cause, details: { file, model: modelHash, beside } });
  }
}
