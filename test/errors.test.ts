import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { EXIT, TiresiasError, exitCodeOf, fromNative, interrupted } from '../src/errors.js';
import { ioError } from '../src/files.js';
import { root } from './support.js';

describe('errors', () => {
  it('turn a native message into code and text', () => {
    const error = fromNative(new Error('INVALID_MODEL: row 3 sums to 0.9\nand row 4 too')) as TiresiasError;
    expect(error).toBeInstanceOf(TiresiasError);
    expect(error.code).toBe('INVALID_MODEL');
    expect(error.message).toBe('row 3 sums to 0.9\nand row 4 too');
    expect(error.exitCode).toBe(EXIT.usage);
    expect(error.cause).toBeInstanceOf(Error);
  });

  it.each([
    ['IO: a.parquet: No space left on device (os error 28)', 'DISK_FULL', EXIT.io],
    ['IO: a.parquet: File too large (os error 27)', 'DISK_FULL', EXIT.io],
    ['IO: a.parquet: No such file or directory (os error 2)', 'FILE_NOT_FOUND', EXIT.io],
    ['IO: a.parquet: Permission denied (os error 13)', 'PERMISSION_DENIED', EXIT.io],
    ['IO: a.parquet: Input/output error (os error 5)', 'IO', EXIT.io],
    ['INTERNAL: panic', 'INTERNAL', EXIT.internal],
  ])('sees what lies behind %s', (message, code, exit) => {
    const error = fromNative(new Error(message)) as TiresiasError;
    expect([error.code, error.exitCode]).toEqual([code, exit]);
  });

  it('calls a wrong argument type what it is', () => {
    const complaint = Object.assign(new Error('Failed to convert napi value Null into rust type `String`'), { code: 'StringExpected' });
    expect((fromNative(complaint) as TiresiasError).code).toBe('INVALID_ARGUMENT');
  });

  it('leave what is not theirs alone', () => {
    const other = new TypeError('x is undefined');
    expect(fromNative(other)).toBe(other);
    expect(exitCodeOf(other)).toBe(EXIT.unexpected);
    expect(exitCodeOf('text')).toBe(EXIT.unexpected);
  });

  it.each([['ENOSPC', 'DISK_FULL'], ['EDQUOT', 'DISK_FULL'], ['EFBIG', 'DISK_FULL'], ['ENOENT', 'FILE_NOT_FOUND'], ['EACCES', 'PERMISSION_DENIED'], ['EROFS', 'PERMISSION_DENIED'], ['EIO', 'IO']])(
    'name the file system’s %s %s', (errno, code) => {
      const error = ioError(Object.assign(new Error('x'), { code: errno }), 'write a.json') as TiresiasError;
      expect([error.code, error.exitCode]).toEqual([code, EXIT.io]);
      expect(error.message).toContain('write a.json');
    },
  );

  it('of a signal end with 128 and its number', () => {
    expect([interrupted('SIGINT').exitCode, interrupted('SIGTERM').exitCode]).toEqual([130, 143]);
  });

  it('keep the exit code that a subprocess reported', () => {
    expect(new TiresiasError('DIVERGED', 'x', { exitCode: 5 }).exitCode).toBe(5);
  });

  it('are all documented with their exit codes', () => {
    const source = readFileSync(`${root}/src/errors.ts`, 'utf8');
    const table = readFileSync(`${root}/docs/exit-codes.md`, 'utf8');
    const codes = [...source.matchAll(/^ {2}([A-Z_]+): EXIT\./gm)].map((match) => match[1]!);
    expect(codes.length).toBeGreaterThan(20);
    for (const code of codes) {
      const row = table.split('\n').find((line) => line.includes(`\`${code}\``));
      expect(row, code).toMatch(new RegExp(`^\\| ${new TiresiasError(code, '').exitCode}[ ,]`));
    }
  });
});
