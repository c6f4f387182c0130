// Sessions of a language model's policy, over a decider that keeps the contract and is made up: what it is told, what is batched, and what becomes of everything when it dies.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadPolicy, type LanguageModelOptions, type LanguageModelPolicy, type LanguageModelSessionState, type Regime } from '../src/index.js';
import { alive, fakeAdapter } from './fake-adapter.js';
import { scratch, setEnv } from './support.js';

async function prepared(options: LanguageModelOptions = {}, regimes?: Regime[], horizon?: number) {
  setEnv('TIRESIAS_CACHE', scratch());
  const made = await fakeAdapter(scratch(), regimes, horizon);
  const policy = await made.load(options);
  onTestFinished(() => policy.dispose());
  return { ...made, policy };
}

const SUPPORT = [[[null, 0, 1.5], [3, 2, 0], [4, 1, -0.5]]] as const;

describe('a session of a language model', () => {
  it('is prompted once and then only told what is new', async () => {
    const { policy, asked } = await prepared();
    const session = policy.session({ support: SUPPORT });
    const first = await session.decide();
    expect(Object.keys(first).toSorted()).toEqual(['action', 'logprobs', 'name', 'stage']);
    expect(first).toMatchObject({ stage: 0, name: policy.actionNames()[first.action], logprobs: [expect.any(Number), expect.any(Number), expect.any(Number)] });
    expect(first.logprobs[first.action]).toBe(Math.max(...first.logprobs));
    // Asked twice is told once.
    expect(await session.decide()).toEqual(first);
    session.observe('harvest', 7);
    session.observe(1, '6');
    const third = await session.decide();
    expect(third).toMatchObject({ stage: 2 });
    const [open, extend, ...rest] = asked().filter(({ op }) => op !== 'start');
    expect([open, extend, rest]).toMatchObject([{ op: 'open', rows: 1 }, { op: 'extend', rows: 1 }, []]);
    expect(extend!.tokens![0]).toBeLessThan(open!.tokens![0]!);
    // Told in one piece it is the same text.
    const other = policy.replay([[0, 7], [1, 6]], { support: SUPPORT });
    await policy.reload();
    expect((await other.decide()).logprobs).toEqual(third.logprobs);
  });

  it('that is saved, and restored where nothing is known of it, decides as if it had never stopped', async () => {
    const { policy, load } = await prepared({}, ['mdp']);
    const session = policy.session({ state: 4, support: [[[1, 0, 0.5]]] });
    session.observe('conserve', 5, 1.2);
    const saved = JSON.stringify(session);
    const decided = await session.decide();
    const other = await load();
    onTestFinished(() => other.dispose());
    const restored = other.session(saved);
    expect(JSON.stringify(restored)).toBe(saved);
    expect(await restored.decide()).toEqual(decided);
    restored.observe(0, 3, 0);
    expect(JSON.stringify(restored)).not.toBe(saved);
    restored.restart();
    expect(restored.toJSON()).toEqual({ ...(JSON.parse(saved) as LanguageModelSessionState), history: [] });
  });

  it('begins with what was seen before the first action, where records show it', async () => {
    const { policy } = await prepared({}, ['pomdp']);
    const [told, other, untold] = [policy.session({ observation: 4 }), policy.session({ observation: 5 }), policy.session()];
    expect([told, other, untold].map((session) => session.toJSON().first)).toEqual([4, 5, null]);
    const said = await Promise.all([told, other, untold].map(async (session) => (await session.decide()).logprobs.join()));
    expect(new Set(said).size).toBe(3);
  });

  it('ends with the horizon', async () => {
    const { policy } = await prepared({}, ['pomdp'], 2);
    const session = policy.replay([[0, 0], [0, 0]]);
    expect([session.over, session.stage]).toEqual([true, 2]);
    await expect(session.decide()).rejects.toMatchObject({ code: 'HORIZON_OVER' });
    expect(() => session.observe(0, 0)).toThrow(expect.objectContaining({ code: 'HORIZON_OVER' }));
  });

  const REFUSED: [what: string, call: (policy: LanguageModelPolicy) => unknown, code: string, said: RegExp][] = [
    ['no kind of task, of several', (policy) => policy.session(), 'INVALID_ARGUMENT', /several kinds of tasks: say which; there are \{ family: 'energy', regime: 'mdp' \}/],
    ['a kind that it did not learn', (policy) => policy.session({ regime: 'apomdp' }), 'INVALID_ARGUMENT', /did not learn from such tasks/],
    ['no state where it is seen', (policy) => policy.session({ regime: 'mdp' }), 'INVALID_ARGUMENT', /say which is seen first/],
    ['an observation where the state is seen', (policy) => policy.session({ regime: 'mdp', state: 0, observation: 0 }), 'INVALID_ARGUMENT', /leave out observation/],
    ['a state where it is not', (policy) => policy.session({ regime: 'pomdp', state: 0 }), 'INVALID_ARGUMENT', /not seen in pomdp/],
    ['support that is none', (policy) => policy.session({ regime: 'pomdp', support: [[[0, 1]]] as never }), 'INVALID_ARGUMENT', /step 0 of trajectory 0 is none/],
    ['support with a name that does not exist', (policy) => policy.session({ regime: 'pomdp', support: [[[null, 'harvst', 0]]] }), 'UNKNOWN_NAME', /did you mean harvest/],
    ['a reward off the grid', (policy) => policy.session({ regime: 'pomdp', support: [[[null, 0, 1e6]]] }), 'INVALID_ARGUMENT', /prompt cannot be written/],
    ['no reward where the prompt shows it', (policy) => policy.session({ regime: 'mdp', state: 0 }).observe(0, 1), 'INVALID_ARGUMENT', /say what was earned/],
    ['an option that it does not have', (policy) => policy.session({ regime: 'pomdp', belief: [1] } as never), 'INVALID_ARGUMENT', /unknown option "belief"/],
    ['a state of another form', (policy) => policy.session({ ...policy.session({ regime: 'pomdp' }).toJSON(), model: 'x' }), 'MODEL_CHANGED', /another|over model/],
    ['a state that was tampered with', (policy) => policy.session({ ...policy.session({ regime: 'pomdp' }).toJSON(), history: [[9, 0, null]] }), 'INVALID_SESSION', /history/],
    ['a state that is no JSON', (policy) => policy.session('{'), 'INVALID_SESSION', /not JSON/],
  ];
  it(`refuses ${REFUSED.map(([what]) => what).join(', ')}`, async () => {
    const { policy } = await prepared({}, ['mdp', 'pomdp']);
    for (const [what, call, code, said] of REFUSED) expect(() => call(policy), what).toThrow(expect.objectContaining({ code, message: expect.stringMatching(said) as string }));
  });

  it('whose prompt is longer than the model reads is refused, and spoils no other', async () => {
    const { policy } = await prepared();
    const long = policy.session({ support: [Array.from({ length: 60 }, () => [1, 1, 0] as const)] });
    const answers = await Promise.allSettled([policy.session().decide(), long.decide(), policy.session({ support: SUPPORT }).decide()]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    await expect(long.decide()).rejects.toMatchObject({ code: 'TOO_LONG' });
  });
});

describe('decisions that come together', () => {
  it('go to the process together, those of a turn at once and those that come meanwhile in the next batch', async () => {
    const { policy, asked, slow } = await prepared({ batch: 8 });
    slow(150);
    const sessions = Array.from({ length: 21 }, (_, i) => policy.session({ support: [[[null, i % 3, 0], [Math.floor(i / 3), 0, 1]]] }));
    const first = sessions.slice(0, 5).map((session) => session.decide());
    await expect.poll(() => asked().filter(({ op }) => op === 'open').length, { timeout: 20_000 }).toBe(1);
    const decisions = await Promise.all([...first, ...sessions.slice(5).map((session) => session.decide())]);
    expect(asked().flatMap(({ op, rows }) => (op === 'open' ? [rows] : []))).toEqual([5, 8, 8]);
    expect(new Set(decisions.map(({ logprobs }) => logprobs.join())).size).toBe(21);
    sessions.forEach((session) => session.observe(0, 1));
    const later = await policy.decide(sessions);
    expect(asked().flatMap(({ op, rows }) => (op === 'extend' ? [rows] : []))).toEqual([8, 8, 5]);
    // Each got its own: told anew they are the same.
    slow(0);
    const other = await loadPolicy(policy.file, {});
    onTestFinished(() => other.dispose());
    expect(await other.decide(sessions.map((session) => other.session(session.toJSON())))).toEqual(later);
  });

  it('and are the same are asked for once', async () => {
    const { policy, asked } = await prepared();
    const decisions = await Promise.all(Array.from({ length: 10 }, () => policy.session({ support: SUPPORT }).decide()));
    expect(new Set(decisions.map((one) => JSON.stringify(one))).size).toBe(1);
    expect(asked().filter(({ op }) => op === 'open')).toMatchObject([{ rows: 1 }]);
  });

  it('keep no more sessions open than they may, and forget none', async () => {
    const { policy, asked } = await prepared({ kept: 3, batch: 2 });
    const sessions = Array.from({ length: 8 }, (_, i) => policy.session({ support: [[[i, 0, 0]]] }));
    const before = await policy.decide(sessions);
    const sum = (op: string) => asked().reduce((total, one) => total + (one.op === op ? one.rows! : 0), 0);
    expect(sum('open') - sum('close')).toBe(3);
    expect(await policy.decide(sessions)).toEqual(before);
  });

  it('are shared by several processes, and a session stays where it was read', async () => {
    const { policy, asked, slow } = await prepared({ deciders: 2 });
    slow(30);
    const sessions = Array.from({ length: 8 }, (_, i) => policy.session({ support: [[[i, 0, 0]]] }));
    await policy.decide(sessions);
    expect(new Set(asked().flatMap(({ op, pid }) => (op === 'open' ? [pid] : []))).size).toBe(2);
    sessions.forEach((session) => session.observe(0, 0));
    await policy.decide(sessions);
    expect(asked().filter(({ op }) => op === 'open').reduce((sum, { rows }) => sum + rows!, 0)).toBe(8);
  });
});

describe('a process that dies', () => {
  it('is started again: what it was asked is refused for now, what waits is answered, and nothing is lost', async () => {
    const { policy, asked, slow, crashNext } = await prepared({ batch: 2 });
    slow(50);
    const sessions = Array.from({ length: 6 }, (_, i) => policy.session({ support: [[[i, 0, 0]]] }));
    const before = await policy.decide(sessions);
    sessions.forEach((session) => session.observe(2, 2));
    crashNext();
    const answers = await Promise.allSettled(sessions.map((session) => session.decide()));
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect((answers[0] as PromiseRejectedResult).reason).toMatchObject({ code: 'DECIDER_DIED', message: expect.stringMatching(/ask once more/) });
    // Asked once more, and from the beginning where the new process knows nothing.
    const after = await policy.decide(sessions);
    sessions.forEach((session) => session.restart());
    expect(await policy.decide(sessions)).toEqual(before);
    expect(new Set(after.map(({ logprobs }) => logprobs.join())).size).toBe(6);
    expect(new Set(asked().map(({ pid }) => pid)).size).toBe(2);
  });

  it('with nothing to do is started again, too', async () => {
    const { policy, asked } = await prepared();
    process.kill(asked()[0]!.pid, 'SIGKILL');
    await expect.poll(() => asked().filter(({ op }) => op === 'start').length, { timeout: 20_000 }).toBe(2);
    // Whoever asks between death and start is told to ask again.
    await expect.poll(() => policy.session().decide().catch(() => undefined), { timeout: 30_000 }).toMatchObject({ stage: 0 });
  });

  it('and cannot be started refuses at once, until it can', async () => {
    const { policy, asked, refuseStarts } = await prepared();
    refuseStarts();
    process.kill(asked()[0]!.pid, 'SIGKILL');
    await expect.poll(() => policy.session().decide().catch((error: Error) => error.message), { timeout: 30_000 }).toMatch(/gone bad/);
    refuseStarts(false);
    await expect.poll(() => policy.session().decide().catch(() => undefined), { timeout: 30_000 }).toMatchObject({ stage: 0 });
  });
});

describe('a policy that is disposed of', () => {
  it('answers what it was asked, ends its processes, and then refuses', async () => {
    const { policy, asked, slow } = await prepared({ deciders: 2, batch: 1 });
    slow(40);
    const decisions = Array.from({ length: 6 }, (_, i) => policy.session({ support: [[[i, 0, 0]]] }).decide());
    const disposed = policy.dispose();
    expect((await Promise.all(decisions)).map(({ stage }) => stage)).toEqual([0, 0, 0, 0, 0, 0]);
    await disposed;
    expect(asked().filter(({ pid }) => alive(pid))).toEqual([]);
    await expect(policy.session().decide()).rejects.toMatchObject({ code: 'DISPOSED' });
    await policy.dispose();
  });
});

describe('an adapter that is read again', () => {
  it('takes over running sessions, after the old process has answered', async () => {
    const { policy, asked, change, slow } = await prepared();
    expect(await policy.reload()).toMatchObject({ changed: false, sameModel: true, policyHash: policy.policyHash });
    expect(asked().filter(({ op }) => op === 'start')).toHaveLength(1);
    const before = policy.policyHash;
    const session = policy.session({ support: SUPPORT });
    slow(100);
    const decision = session.decide();
    change();
    expect(await policy.reload()).toMatchObject({ changed: true, sameModel: true });
    expect(policy.policyHash).not.toBe(before);
    expect(await session.decide()).toEqual(await decision);
    const [old, now] = [...new Set(asked().map(({ pid }) => pid))];
    expect([alive(old!), alive(now!)]).toEqual([false, true]);
  });

  it('that cannot be started leaves the old one', async () => {
    const { policy, change, refuseStarts } = await prepared();
    refuseStarts();
    change();
    await expect(policy.reload()).rejects.toMatchObject({ code: 'BASE_MODEL_CORRUPT' });
    expect(await policy.session().decide()).toMatchObject({ stage: 0 });
  });
});

describe('an adapter’s folder', () => {
  it('says what its prompts look like, and is refused where it does not', async () => {
    const { adapter, model, load } = await prepared({}, ['mdp', 'pomdp']);
    const path = join(adapter, 'prompts.json');
    const { forms } = JSON.parse(readFileSync(path, 'utf8')) as { forms: Record<string, unknown>[] };
    expect(forms).toMatchObject([{ family: 'energy', regime: 'mdp', horizon: 5, actions: ['harvest', 'conserve', 'perform'], template: { header: 'mdp\n', queryReward: 'shown' } }, { regime: 'pomdp', template: { queryReward: 'hidden' } }]);
    writeFileSync(path, readFileSync(path, 'utf8').replace('"energy"', '"elergy"'));
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringMatching(/prompts\.json is damaged.*train/) });
    rmSync(path);
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringMatching(/has no prompts\.json.*train/) });
    await expect(loadPolicy(scratch())).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringMatching(/no adapter_config\.json/) });
    rmSync(model);
    await expect(load()).rejects.toMatchObject({ code: 'INVALID_POLICY' });
  });

  it('names its base, which may lie elsewhere', async () => {
    const { model, output, adapter } = await prepared();
    const elsewhere = join(scratch(), 'moved.gguf');
    writeFileSync(elsewhere, readFileSync(model));
    rmSync(model);
    await expect(loadPolicy(output, {})).rejects.toMatchObject({ code: 'BASE_MODEL_MISSING', message: expect.stringMatching(/say where it is/) });
    // The PEFT folder alone will do, too.
    const policy = await loadPolicy(adapter, { base: elsewhere });
    onTestFinished(() => policy.dispose());
    expect(await policy.session().decide()).toMatchObject({ stage: 0 });
  });

  it('is not loaded with options that it does not have', async () => {
    const { output } = await prepared();
    for (const [options, said] of [[{ decider: 2 }, /unknown option "decider"; did you mean deciders/], [{ batch: 0 }, /batch is at least 1/], [{ backend: 'torch' }, /backend is candle or peft/]] as const) {
      await expect(loadPolicy(output, options as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(said) });
    }
  });
});
