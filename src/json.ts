// Reading JSON with errors that say where: JSON.parse's own messages differ between versions and often name no place.
import { TiresiasError } from './errors.js';

/** A text without the byte-order mark that Windows editors put before it. Everything that reads a text passes it through here. */
export function unmarked(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** Parses JSON text. `file` is only for the message. Throws INVALID_JSON with line, column and the offending line. */
export function parseJson(marked: string, file: string): unknown {
  const text = unmarked(marked);
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    const { offset, expected } = firstFault(text);
    const before = text.slice(0, offset);
    const line = before.split('\n').length;
    const column = offset - before.lastIndexOf('\n');
    const shown = (text.split('\n')[line - 1] ?? '').trimEnd();
    const found = offset < text.length ? JSON.stringify(text[offset]) : 'the end of the file';
    throw new TiresiasError('INVALID_JSON', `${file}:${line}:${column}: expected ${expected}, found ${found}\n  ${shown}`, {
      details: { file, line, column, expected },
      cause,
    });
  }
}

class Fault {
  constructor(readonly offset: number, readonly expected: string) {}
}

const DEEPEST = 500;

/** Where JSON text stops being JSON, by the grammar of RFC 8259. */
export function firstFault(text: string): { offset: number; expected: string } {
  let at = 0;
  let depth = 0;
  const fail = (expected: string): never => {
    throw new Fault(at, expected);
  };
  const space = () => {
    while (/[ \t\n\r]/.test(text[at] ?? '')) at++;
  };
  const take = (pattern: RegExp, expected: string) => {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = at;
    const match = sticky.exec(text);
    if (!match) return fail(expected);
    at += match[0].length;
  };
  const string = () => {
    take(/"/, 'a string in double quotes');
    while (text[at] !== '"') {
      if (at >= text.length) fail('the closing quote of a string');
      if (text[at] === '\\') take(/\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/, 'an escape such as \\n or \\u0041');
      else if (text[at]! < ' ') fail('no control character inside a string');
      else at++;
    }
    at++;
  };
  /** The members of an array or an object, after its opening bracket. */
  const members = (close: string, member: () => void) => {
    // A level is a call within a call, of which a stack holds so many.
    if (++depth > DEEPEST) fail(`lists and objects within each other no more than ${DEEPEST} deep`);
    at++;
    space();
    const closed = () => {
      if (text[at] !== close) return false;
      at++;
      depth--;
      return true;
    };
    if (closed()) return;
    for (;;) {
      member();
      space();
      if (closed()) return;
      if (text[at] !== ',') fail(`',' or '${close}'`);
      at++;
      space();
    }
  };
  const value = () => {
    space();
    const first = text[at] ?? '';
    if (first === '"') string();
    else if (first === '[') members(']', value);
    else if (first === '{') {
      members('}', () => {
        string();
        space();
        take(/:/, "':'");
        value();
      });
    } else if (/[-0-9]/.test(first)) take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/, 'a number');
    else take(/true|false|null/, 'a JSON value');
  };
  try {
    value();
    space();
    if (at < text.length) fail('the end of the file');
  } catch (fault) {
    if (fault instanceof Fault) return { offset: fault.offset, expected: fault.expected };
    throw fault;
  }
  return { offset: text.length, expected: 'valid JSON' };
}

/** JSON with sorted keys and no white space: equal values give equal text. Undefined members are left out. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
