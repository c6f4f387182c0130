// Every message says argument, expected and got: whatever is given to any call of the addon.
import { describe, expect, it } from 'vitest';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BeliefBatch, BeliefTracker, Model, TiresiasError, classicModel, drawTask, solveSync } from '../src/index.js';
import { native } from '../src/native.js';
import { CLASSES, FUNCTIONS, type Taken } from '../src/signatures.js';
import { root, scratch } from './support.js';

const model = classicModel('tiger').with(5);
const solution = solveSync(model, { solver: 'point', gap: 0.1 });

/** What napi and V8 say of what they could not convert. */
const RAW = /\$(?!schema\b)\w+|TypedArray info|rust type|napi|Failed to|InvalidArg|undefined is not|Cannot read/;

/** Values of every kind; those that fit are passed over by the call that takes them. */
const WRONG: readonly unknown[] = [undefined, null, 7, -1, NaN, 'text', true, {}, [], [{}], Symbol('s'), 3n, () => 1, new Date(0), new Int8Array(2), new DataView(new ArrayBuffer(8)), new Float64Array(1), new Proxy({}, {})];

/** A value of a type, for the places that are not under test. */
function fitting(type: string): unknown {
  if (type.includes('undefined')) return undefined;
  if (type.startsWith('Float64Array')) return model.start();
  if (type.includes("'")) return /'([^']*)'/.exec(type)![1];
  if (type === 'number') return 0;
  if (type === 'string' || type.startsWith('string |')) return 'text';
  if (type === 'boolean') return false;
  if (type === 'Model') return model;
  if (type === 'Solution') return solution;
  const array = { Uint8Array, Int32Array, Uint32Array }[type];
  if (array) return new array(2);
  return type.startsWith('Array') ? [] : {};
}

/** Calls with each argument wrong in turn; what is thrown or rejected must be an error of ours that says what is the matter. */
async function everyWrong(name: string, taken: readonly Taken[], call: (args: unknown[]) => unknown): Promise<number> {
  let refused = 0;
  for (const [i, [argument]] of taken.entries()) {
    for (const wrong of WRONG) {
      const args = taken.map(([, type], j) => (j === i ? wrong : fitting(type)));
      try {
        await call(args);
      } catch (error) {
        const about = `${name}(${argument} = ${typeof wrong})`;
        expect(error, about).toBeInstanceOf(TiresiasError);
        const { message, code } = error as TiresiasError;
        expect(message, about).not.toMatch(RAW);
        expect(code, about).not.toBe('INTERNAL');
        refused++;
      }
    }
  }
  return refused;
}

describe('messages', () => {
  it('go by what the addon declares today', async () => {
    const { render } = (await import(/* @vite-ignore */ join(root, 'scripts/signatures.mjs'))) as { render(): string };
    const { readFileSync } = await import('node:fs');
    // When this fails: node scripts/signatures.mjs
    expect(readFileSync(join(root, 'src/signatures.ts'), 'utf8')).toBe(render());
  });

  it('of functions say what was wrong', async () => {
    for (const [name, taken] of Object.entries(FUNCTIONS)) {
      const refused = await everyWrong(name, taken, (args) => (native[name as 'drawTask'] as (...args: unknown[]) => unknown)(...args));
      if (taken.length > 0) expect(refused, name).toBeGreaterThan(WRONG.length / 2);
    }
  }, 60_000);

  it('of constructors and static methods say what was wrong', async () => {
    for (const [name, { make, statics }] of Object.entries(CLASSES)) {
      const type = native[name as 'Model'] as unknown as (new (...args: unknown[]) => unknown) & Record<string, (...args: unknown[]) => unknown>;
      if (make) await everyWrong(`new ${name}`, make, (args) => new type(...args));
      else expect(() => new type()).toThrow(new RegExp(`a ${name} is not made with new`));
      for (const [method, taken] of Object.entries(statics)) await everyWrong(`${name}.${method}`, taken, (args) => type[method]!(...args));
    }
  }, 60_000);

  it('of methods say what was wrong, whatever they are called on', async () => {
    const objects: object[] = [model, solution, solution.alphaPolicy(), new BeliefTracker(model), new native.BeliefBatch(model, { count: 2 }), new native.Environments(model, { count: 2, seed: 0 }), drawTask('energy', { index: 0 }), new native.CancelToken()];
    for (const object of objects) {
      const { name } = object.constructor;
      for (const [method, taken] of Object.entries(CLASSES[name]!.methods)) {
        if (method === 'dispose') continue;
        const call = (object as Record<string, (...args: unknown[]) => unknown>)[method]!;
        await everyWrong(`${name}.${method}`, taken, (args) => call.apply(object, args));
        for (const other of [undefined, {}, new Date(0), object === model ? solution : model]) {
          expect(() => call.call(other)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(`${name}.${method}: called on`) }));
        }
      }
    }
  }, 60_000);

  it.each<[string, () => unknown, string]>([
    ['a text', () => Model.fromJson(7 as never), 'Model.fromJson: document is a string or an object, not 7'],
    ['a belief', () => solution.action(0, 'b' as never), 'Solution.action: belief is a Float64Array, a Float32Array or a list of numbers, not "b"'],
    ['a stage', () => solution.action('0' as never, model.start()), 'Solution.action: stage is a number, not "0"'],
    ['a word', () => solution.alphaPolicy().write('xml' as never), 'AlphaPolicy.write: to is alpha, pg or sarsop, not "xml"'],
    ['a list', () => Model.cloud([model, {}] as never), 'Model.cloud: element 1 is a Model, not a Object'],
    ['an option', () => Model.parse('', { horizon: '3' } as never), 'Model.parse: option horizon is a number, not "3"'],
    ['a misspelt option', () => Model.parse('', { horison: 3 } as never), 'Model.parse: unknown option "horison"; did you mean horizon?'],
    ['an index', () => model.stateName(-1), 'state: -1 is not a whole number from 0 to 1'],
    ['half an index', () => model.stateName(0.5), 'state: 0.5 is not a whole number from 0 to 1'],
  ])('are exact about %s', (_, call, message) => {
    expect(call).toThrow(expect.objectContaining({ name: 'TiresiasError', code: 'INVALID_ARGUMENT', exitCode: 2, message }));
  });

  it('do not stand in the way of lists and single precision', () => {
    const doubles = model.start();
    for (const belief of [Float32Array.from(doubles), [...doubles]]) {
      expect(solution.action(0, belief)).toBe(solution.action(0, doubles));
      expect(solution.decide(0, belief)).toEqual(solution.decide(0, doubles));
      expect(solution.alphaPolicy().value(belief)).toBe(solution.alphaPolicy().value(doubles));
      expect(model.successors(belief, 0)).toEqual(model.successors(doubles, 0));
      const batch = new BeliefBatch(model, { count: 1 });
      batch.set(0, belief);
      expect(batch.belief(0)).toEqual(doubles);
    }
  });

  it.runIf(existsSync(join(root, 'dist/native.js')))('of a missing or corrupt addon say which, what there is, and what to do', () => {
    const load = (file: string) => {
      const code = `import(${JSON.stringify(join(root, 'dist/native.js'))}).catch((error) => console.log(JSON.stringify({ code: error.code, exit: error.exitCode, message: error.message })))`;
      return JSON.parse(spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', env: { ...process.env, NAPI_RS_NATIVE_LIBRARY_PATH: file } }).stdout) as { code: string; exit: number; message: string };
    };
    const corrupt = join(scratch(), 'addon.node');
    writeFileSync(corrupt, 'no library');
    expect(load(corrupt)).toMatchObject({ code: 'NATIVE_CORRUPT', exit: 6, message: expect.stringMatching(/is corrupt or made for another system than (\w+-\w+\S*):.*npm install @tiresias-rl\/tiresias-\1@\d.*npm run build:native/s) });
    expect(load(`${corrupt}.gone`)).toMatchObject({ code: 'NATIVE_MISSING', exit: 6, message: expect.stringMatching(/no native addon for (\w+-\w+\S*):.*is missing.*npm install @tiresias-rl\/tiresias-\1@\d.*npm run build:native/s) });
  });
});
