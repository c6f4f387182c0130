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
});
