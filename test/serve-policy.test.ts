// Policies from files and sessions under them: against Bayes' rule by hand, the library's own tracker, and themselves after a restart.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadPolicy, savePolicy, classicModel, solveSync } from '../src/index.js';
import { scratch, tiresias } from './support.js';

const tiger = solveSync(classicModel('tiger'), { gap: 0.01 });

async function tigerPolicy() {
  const file = join(scratch(), 'tiger.policy');
  await savePolicy(file, tiger);
  return { file, policy: await loadPolicy(file) };
}

describe('a policy file', () => {
  it('is written by solve --carry-model, and decides with what Bayes says by hand', async () => {
    const file = join(scratch(), 'tiger.policy');
    expect((await tiresias(['solve', 'tiger', '--policy-out', file, '--carry-model'])).code).toBe(0);
    const session = (await loadPolicy(file)).session();
    session.observe('listen', 'hear-left');
    expect([...session.belief()]).toEqual([expect.closeTo(0.85, 12), expect.closeTo(0.15, 12)]);
    session.observe(0, 0);
    // 0.85² against 0.15².
    expect(session.belief()[0]).toBeCloseTo(0.7225 / (0.7225 + 0.0225), 12);
    expect(session.decide()).toMatchObject({ name: 'open-right', stage: 2 });
  });

  it('serves a session that is saved and restored in another process as if it had never stopped', async () => {
    const { policy } = await tigerPolicy();
    const [whole, first] = [policy.session(), policy.session()];
    for (const session of [whole, first]) session.observe('listen', 'hear-left');
    const restored = policy.session(JSON.stringify(first));
    for (const session of [whole, restored]) session.observe('listen', 'hear-right');
    expect(JSON.stringify(restored)).toBe(JSON.stringify(whole));
    expect(restored.decide()).toEqual(whole.decide());
  });

  it('that is damaged anywhere is refused', async () => {
    const { file } = await tigerPolicy();
    const bytes = readFileSync(file);
    for (const at of [0, 5, 70, 200, bytes.length - 5]) {
      const broken = Buffer.from(bytes);
      broken[at]! ^= 1;
      writeFileSync(`${file}.broken`, broken);
      await expect(loadPolicy(`${file}.broken`), `byte ${at}`).rejects.toMatchObject({ code: 'INVALID_POLICY' });
    }
  });

  it('that carries its model is read by whatever reads policies, and by bytes for a model', async () => {
    const { file } = await tigerPolicy();
    const { code, stdout } = await tiresias(['simulate', 'tiger', '--policy', file, '--episodes', '20', '--json']);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { episodes: 20 }]);
    expect(loadPolicy(readFileSync(file), classicModel('tiger')).lower).toBe(tiger.lower);
    expect(() => loadPolicy(readFileSync(file), classicModel('tiger').with(3))).toThrow(expect.objectContaining({ code: 'INVALID_POLICY' }));
  });
});

describe('tiresias serve', () => {
  it.each([
    ['no policy', [], 2, /policies/],
    ['a file that is not there', ['none.policy'], 4, /none\.policy/],
    ['two policies of one name', ['x/a.policy', 'y/a.policy'], 2, /two policies are called a; give one another name: NAME=y\/a\.policy/],
    ['other machines without a token', ['a.policy', '--host', '0.0.0.0'], 2, /there is no token/],
    ['a store of no kind', ['TIGER', '--store', 'mongodb:x'], 2, /expected memory, sqlite:FILE or redis:/],
    ['a store that is not there', ['TIGER', '--store', 'redis://127.0.0.1:1'], 75, /cannot be used/],
    ['an address that is not this machine’s', ['TIGER', '--host', '203.0.113.1', '--insecure'], 2, /cannot listen at 203/],
  ])('refuses %s', async (_, args, exit, said) => {
    const { file } = await tigerPolicy();
    const { code, stderr } = await tiresias(['serve', ...args.map((argument) => (argument === 'TIGER' ? file : argument))]);
    expect([code, stderr]).toEqual([exit, expect.stringMatching(said)]);
  });

  it('of a file without its model says how to get one that has it', async () => {
    const file = join(scratch(), 'bare.policy');
    writeFileSync(file, tiger.savePolicy());
    const { code, stderr } = await tiresias(['serve', file]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('solve --carry-model')]);
  });

  it('carries a model only where a policy is written', async () => {
    expect(await tiresias(['solve', 'tiger', '--carry-model'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--policy-out') });
  });
});
