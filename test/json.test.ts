import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TiresiasError } from '../src/errors.js';
import { canonicalJson, firstFault, parseJson } from '../src/json.js';

function failure(text: string): TiresiasError {
  try {
    parseJson(text, 'file.json');
  } catch (error) {
    return error as TiresiasError;
  }
  throw new Error('parsed');
}

describe('bad JSON', () => {
  it.each([
    ['{\n  "a": 1,\n  "b": tru\n}', 3, 8, 'a JSON value', '"t"'],
    ['{"a": 1,}', 1, 9, 'a string in double quotes', '"}"'],
    ['{"a" 1}', 1, 6, "':'", '"1"'],
    ['[1 2]', 1, 4, "',' or ']'", '"2"'],
    ['{"a": "x', 1, 9, 'the closing quote', 'the end of the file'],
    ['{"a": "\\x"}', 1, 8, 'an escape', '"\\\\"'],
    ['"a\nb"', 1, 3, 'no control character', '"\\n"'],
    ['01', 1, 2, 'the end of the file', '"1"'],
    ['', 1, 1, 'a JSON value', 'the end of the file'],
    ['{} x', 1, 4, 'the end of the file', '"x"'],
    ['[-]', 1, 2, 'a number', '"-"'],
  ])('%j is placed', (text, line, column, expected, found) => {
    const error = failure(text);
    expect(error.code).toBe('INVALID_JSON');
    expect(error.message).toContain(`file.json:${line}:${column}: expected ${expected}`);
    expect(error.message).toContain(`found ${found}`);
    expect(error.details).toMatchObject({ file: 'file.json', line, column });
  });

  it('nested without end is placed too', () => {
    for (const text of ['['.repeat(1e5), '{"a":'.repeat(1e5)]) expect(failure(text).message).toContain('no more than 500 deep');
    expect(firstFault('['.repeat(400) + '}').offset).toBe(400);
  });

  it('is found exactly where JSON.parse gives up too', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', '"', '{', '}', ']', ',', ':', '\\', '0', 'n', '\n', '\u0001'), (text, at, insert) => {
        const i = at % (text.length + 1);
        const broken = text.slice(0, i) + insert + text.slice(i + 1);
        let parses = true;
        try {
          JSON.parse(broken);
        } catch {
          parses = false;
        }
        const fault = firstFault(broken);
        expect(fault.expected === 'valid JSON').toBe(parses);
        // What stands before the fault is the beginning of some JSON text: cutting there moves no fault forward.
        if (!parses) expect(firstFault(broken.slice(0, fault.offset)).offset).toBe(fault.offset);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('canonical JSON', () => {
  it('is the same for equal values in any order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(reversed)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
