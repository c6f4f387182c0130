// Whatever a call of policies and sessions is given beyond what it takes is refused by name: an option that is ignored is a surprise.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classicModel, loadPolicy, savePolicy, solveSync, type LoadedPolicy, type SessionState } from '../src/index.js';

const tiger = solveSync(classicModel('tiger'), { gap: 0.1 });
const folder = mkdtempSync(join(tmpdir(), 'tiresias-'));
const file = join(folder, 'tiger.policy');
let policy: LoadedPolicy;
beforeAll(async () => {
  await savePolicy(file, tiger);
  policy = await loadPolicy(file);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Each call with an option that it does not take, and what is said of it. Types forbid all of them. */
const wrong = { lokahead: false } as object as never;
const CALLS: Record<string, [said: RegExp, call: () => unknown][]> = {
  'savePolicy': [
    [/^savePolicy: unknown option "modle"; did you mean model\?$/, () => savePolicy(file, tiger, { modle: 'beside' } as object)],
    [/^savePolicy: option model is inside or beside, not "besides"$/, () => savePolicy(file, tiger, { model: 'besides' as 'beside' })],
  ],
  'loadPolicy': [
    [/^loadPolicy: takes the name of a file, which has its model, and no option "lokahead"$/, () => (loadPolicy as (...args: unknown[]) => unknown)(file, wrong)],
    [/^loadPolicy: takes a policy's bytes and its model and no option "lokahead"$/, () => (loadPolicy as (...args: unknown[]) => unknown)(readFileSync(file), classicModel('tiger'), wrong)],
  ],
  'LoadedPolicy.session': [
    [/^policy.session: unknown option "stat"; did you mean state\?$/, () => policy.session({ stat: 0 } as object)],
    [/^policy.session: option state is a name or a number, not a list$/, () => policy.session({ state: [0] as never })],
    [/^policy.session: takes a saved session or how one starts and no option "lokahead"$/, () => (policy.session as (...args: unknown[]) => unknown).call(policy, {}, wrong)],
    [/has a member "state", and what is saved has schema, model, stage/, () => policy.session({ ...policy.session().toJSON(), state: 0 } as SessionState)],
  ],
  'LoadedPolicy.replay': [
    [/^policy.session: unknown option "onImposible"; did you mean onImpossible\?$/, () => policy.replay([], { onImposible: 'reset' } as object)],
    [/^policy.replay: takes steps and where they begin and no option "lokahead"$/, () => (policy.replay as (...args: unknown[]) => unknown).call(policy, [], {}, wrong)],
  ],
  'LoadedPolicy.decide': [[/^policy.decide: unknown option "lokahead"; did you mean lookahead\?$/, () => policy.decide([], wrong)]],
  'LoadedPolicy.decideSync': [
    [/^policy.decideSync: unknown option "lokahead"; did you mean lookahead\?$/, () => policy.decideSync([], wrong)],
    [/^policy.decideSync: unknown option "signal"/, () => policy.decideSync([], { signal: AbortSignal.timeout(1) } as object)],
  ],
  'LoadedPolicy.reload': [[/^policy.reload: takes no argument and no option "lokahead"$/, () => (policy.reload as (...args: unknown[]) => unknown).call(policy, wrong)]],
  'LoadedPolicy.share': [[/^policy.share: takes no argument and no option "lokahead"$/, () => (policy.share as (...args: unknown[]) => unknown).call(policy, wrong)]],
  'Session.decide': [
    [/^session.decide: unknown option "lokahead"; did you mean lookahead\?$/, () => policy.session().decide(wrong)],
    [/^session.decide: option lookahead is true or false, not 0$/, () => policy.session().decide({ lookahead: 0 as never })],
    [/^session.decide: options are an object, not null$/, () => policy.session().decide(null as never)],
  ],
  'Session.observe': [
    [/^session.observe: takes an action, an observation and a reward, a number, not a Object$/, () => (policy.session().observe as (...args: unknown[]) => unknown).call(policy.session(), 'listen', 'hear-left', { decide: true })],
  ],
  'Session.believe': [[/^session.believe: takes a belief and no option "lokahead"$/, () => (policy.session().believe as (...args: unknown[]) => unknown).call(policy.session(), [0.5, 0.5], wrong)]],
  'Session.restart': [[/^session.restart: takes no argument and no option "lokahead"$/, () => (policy.session().restart as (...args: unknown[]) => unknown).call(policy.session(), wrong)]],
};

describe.each(Object.entries(CALLS))('%s', (_, cases) => {
  it.each(cases)('says %s', async (said, call) => {
    await expect((async () => call())()).rejects.toMatchObject({ name: 'TiresiasError', code: expect.stringMatching(/^INVALID_(ARGUMENT|SESSION)$/), message: expect.stringMatching(said) });
  });
});

it('is tried of every call that there is', () => {
  // What only reads takes nothing; JSON.stringify hands toJSON a key.
  const reading = ['LoadedPolicy.actionNames', 'LoadedPolicy.observationNames', 'LoadedPolicy.stateNames', 'Session.belief', 'Session.toJSON'];
  const calls = Object.entries({ LoadedPolicy: policy, Session: policy.session() }).flatMap(([name, instance]) => {
    const members = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(instance) as object) as Record<string, PropertyDescriptor>;
    return Object.keys(members).filter((member) => member !== 'constructor' && typeof members[member]!.value === 'function').map((member) => `${name}.${member}`);
  });
  expect(calls).toContain('Session.decide');
  expect(['loadPolicy', 'savePolicy', ...calls].filter((name) => !reading.includes(name)).toSorted()).toEqual(Object.keys(CALLS).toSorted());
});
