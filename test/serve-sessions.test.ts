// Sessions against Bayes' rule written out, against the library's tracker, and under every way that they can go wrong.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BeliefTracker, Model, classicModel, drawTask, loadPolicy, savePolicy, solveSync, type LoadedPolicy, type Name, type SessionState, type Solution } from '../src/index.js';
import { forward, randomModels, sum } from './random-models.js';
import { scratch, tiger } from './support.js';

async function served(solution: Solution): Promise<LoadedPolicy> {
  const file = join(scratch(), 'some.policy');
  await savePolicy(file, solution);
  return loadPolicy(file);
}

const code = (name: string) => expect.objectContaining({ name: 'TiresiasError', code: name });
const near = (numbers: Iterable<number>) => [...numbers].map((x) => expect.closeTo(x, 10));
const moves = fc.array(fc.tuple(fc.nat(100), fc.nat(100)), { minLength: 1, maxLength: 4 });

/** Two listeners in a cloud: under the first model nothing but `left` can be heard, under the second both. */
function deafCloud(alpha = 1): Model {
  const heard = (first: number) => [[first, 1 - first], [first, 1 - first]];
  return Model.fromJson({
    schema: 'tiresias.model/1', states: ['left', 'right'], actions: ['listen', 'guess'], observations: ['hear-left', 'hear-right'], horizon: 4, discount: 1, start: [0.5, 0.5], alpha,
    // Nature that means harm takes the first model for a listener, as its move to the right state costs.
    reward: { state_action: [[0, -1], [0, -1]] },
    dynamics: [
      { transition: [[[0, 1], [0, 1]], [[0, 1], [0, 1]]], observation: [heard(1), heard(1)] },
      { transition: [[[1, 0], [1, 0]], [[1, 0], [1, 0]]], observation: [heard(0.5), heard(0.5)] },
    ],
  });
}

describe('a session', () => {
  it('believes what Bayes says, survives JSON bit for bit at every step, and replays', { timeout: 120_000 }, async () => {
    await fc.assert(fc.asyncProperty(randomModels(), moves, async ({ model, actions, observations, start, cloud }, steps) => {
      const policy = await served(solveSync(model, { gap: 0.5 }));
      let session = policy.session({ history: true });
      let joint = start;
      const made: [number, number][] = [];
      for (const [a, o] of steps.map(([a, o]): [number, number] => [a % actions, o % observations])) {
        const next = forward(cloud[0]!, joint, a, o);
        const likelihood = sum(next) / sum(joint);
        const before = JSON.stringify(session);
        if (likelihood < 1e-12) {
          expect(() => session.observe(a, o)).toThrow(code('IMPOSSIBLE_OBSERVATION'));
          expect(JSON.stringify(session)).toBe(before);
          continue;
        }
        expect(session.observe(a, o)).toMatchObject({ likelihood: expect.closeTo(likelihood, 10), model: 0, reset: false });
        joint = next;
        made.push([a, o]);
        expect([...session.belief()]).toEqual(near(joint.map((p) => p / sum(joint))));
        const restored = policy.session(JSON.stringify(session));
        expect(restored.belief()).toEqual(session.belief());
        expect(JSON.stringify(restored)).toBe(JSON.stringify(session));
        session = restored;
      }
      expect(policy.replay(made, { history: true }).toJSON()).toEqual(session.toJSON());
    }), { numRuns: 40 });
  });

  it('in a cloud believes what the tracker does, whose model H^α selects', { timeout: 120_000 }, async () => {
    for (const alpha of [1, 0.3]) {
      const model = drawTask('energy', { index: 1, regime: 'apomdp', horizon: 5, models: 3, alpha }).model;
      const solution = solveSync(model, { gap: 0.2 });
      const policy = await served(solution);
      for (let walk = 0; walk < 10; walk++) {
        const [session, tracker] = [policy.session(), new BeliefTracker(model, solution)];
        for (let stage = 0; stage < 5; stage++) {
          const a = solution.action(stage, tracker.belief());
          const seen = model.successors(tracker.belief(), a, walk % 3)[walk % 2];
          if (!seen) break;
          const likelihood = tracker.update(a, seen.observation);
          expect(session.observe(a, seen.observation)).toEqual({ likelihood, model: tracker.model, reset: false });
          expect(session.belief()).toEqual(tracker.belief());
          if (stage < 4) {
            const { action, lower, upper, regretBound } = solution.decide(stage + 1, tracker.belief());
            expect(session.decide()).toEqual({ action, name: model.actionName(action), lower, upper, regretBound, stage: stage + 1 });
          }
        }
      }
    }
  });

  it('where the state is seen is in the state that was seen, and its state is short however many there are', async () => {
    const { model } = drawTask('darkroom', { index: 0, horizon: 5 });
    const policy = await served(solveSync(model));
    const session = policy.session({ state: 0 });
    const [next] = model.successors(session.belief(), 1);
    session.observe(1, next!.observation);
    expect(session.toJSON()).toMatchObject({ stage: 1, belief: { states: [next!.observation], probabilities: [1] } });
    expect(policy.session(session.toJSON()).belief()).toEqual(next!.belief);
    expect(policy.observationNames()).toEqual(policy.stateNames());
  });

  it('begins from a belief or a state from outside, and takes one in between', async () => {
    const policy = await served(solveSync(classicModel('tiger'), { gap: 0.01 }));
    expect([...policy.session({ belief: [0.2, 0.8] }).belief()]).toEqual([0.2, 0.8]);
    expect([...policy.session({ belief: Float32Array.of(0.25, 0.75) }).belief()]).toEqual([0.25, 0.75]);
    const session = policy.session();
    session.observe(0, 0);
    session.believe([0.98, 0.02]);
    expect(session.decide()).toMatchObject({ name: 'open-right', stage: 1 });
    session.restart();
    expect(session.toJSON()).toEqual(policy.session().toJSON());
    for (const belief of [[1], [0.5, 0.6], [-0.1, 1.1], [Number.NaN, 1], ['0.5', 0.5] as unknown as number[]]) {
      expect(() => policy.session({ belief })).toThrow(code('INVALID_ARGUMENT'));
      expect(() => session.believe(belief)).toThrow(code('INVALID_ARGUMENT'));
    }
    expect(() => policy.session({ belief: [1, 0], state: 0 })).toThrow(code('INVALID_ARGUMENT'));
    expect(() => policy.session({ onImposible: 'reset' } as object)).toThrow(/did you mean onImpossible/);
  });

  it('says which names there are', async () => {
    const session = (await served(solveSync(classicModel('tiger'), { gap: 0.1 }))).session();
    expect(() => session.observe('listn', 0)).toThrow(/no action "listn"; did you mean listen\?/);
    expect(() => session.observe('listen', 'hear')).toThrow(/no observation "hear"; there are hear-left, hear-right/);
    for (const wrong of [-1, 3, 0.5, Number.NaN, '0', null, undefined, {}]) expect(() => session.observe(wrong as Name, 0)).toThrow(code('UNKNOWN_NAME'));
    expect(session.stage).toBe(0);
  });

  it('of a broken state is refused, whatever is broken', async () => {
    const policy = await served(solveSync(classicModel('tiger'), { gap: 0.1 }));
    const whole = policy.session({ history: true }).toJSON();
    expect(policy.session(structuredClone(whole)).toJSON()).toEqual(whole);
    const without = (name: keyof SessionState) => Object.fromEntries(Object.entries(whole).filter(([key]) => key !== name));
    for (const name of ['model', 'stage', 'updatedBy', 'impossible', 'onImpossible', 'belief'] as const) expect(() => policy.session(without(name) as unknown as SessionState), name).toThrow(code('INVALID_SESSION'));
    for (const more of [{ schema: 'tiresias.session/2' }, { stage: -1 }, { stage: 1.5 }, { belief: { states: [5], probabilities: [1] } }, { belief: { states: [0], probabilities: [] } }, { history: [[0]] }, { history: 7 }]) {
      expect(() => policy.session({ ...whole, ...more } as SessionState), JSON.stringify(more)).toThrow(code('INVALID_SESSION'));
    }
    const damaged: object[] = [
      { belief: [0.9, 0.2] }, { belief: ['0.5', '0.5'] }, { belief: { states: [0, 0], probabilities: [0.5, 1] } }, { belief: { states: [1, 0], probabilities: [0.5, 0.5] } },
      { belief: { states: [0], probabilities: [1, 0.7] } }, { stage: 2 ** 32 }, { updatedBy: 99 }, { history: [[99, 0]] }, { history: [[0, 99]] },
    ];
    for (const more of damaged) expect(() => policy.session({ ...whole, ...more } as SessionState), JSON.stringify(more)).toThrow(code('INVALID_SESSION'));
    // A session itself is as good as what it saves, and is copied.
    const moved = policy.session();
    moved.observe(0, 0);
    const copy = policy.session(moved);
    expect(copy.toJSON()).toEqual(moved.toJSON());
    copy.restart();
    expect(moved.stage).toBe(1);
    expect(() => policy.session({ ...whole, model: 'f'.repeat(64) })).toThrow(code('MODEL_CHANGED'));
    for (const text of ['', '{', 'null', '[]', '7']) expect(() => policy.session(text)).toThrow(expect.objectContaining({ name: 'TiresiasError' }));
  });
});

describe('an observation that the belief rules out', () => {
  it('of one model is an error that moves nothing, or starts the belief over', async () => {
    // Ears that never err: after left is heard and the tiger stays, right cannot be.
    const policy = await served(solveSync(Model.parse(tiger(1), { name: 't.pomdp' }).model, { gap: 0.1 }));
    for (const onImpossible of ['most-likely', 'error'] as const) {
      const session = policy.session({ onImpossible });
      session.observe('listen', 'hear-left');
      const before = JSON.stringify(session);
      expect(() => session.observe('listen', 'hear-right')).toThrow(code('IMPOSSIBLE_OBSERVATION'));
      expect(() => session.observe('listen', 'hear-right')).toThrow(/hear-right cannot be seen after listen at stage 1/);
      expect(JSON.stringify(session)).toBe(before);
    }
    const session = policy.session({ onImpossible: 'reset' });
    session.observe('listen', 'hear-left');
    expect(session.observe('listen', 'hear-right')).toEqual({ likelihood: 0, model: 0, reset: true });
    expect(session.toJSON()).toMatchObject({ stage: 2, belief: [0.5, 0.5], impossible: 1 });
    // A restored session goes by the same rule.
    const restored = policy.session(JSON.stringify(session));
    restored.observe('listen', 'hear-right');
    expect(restored.observe('listen', 'hear-left')).toMatchObject({ reset: true });
    expect(restored.impossible).toBe(2);
  });

  it('under the model that the policy reckons with, in a cloud, is explained by the likeliest other, or an error', async () => {
    const model = deafCloud();
    const solution = solveSync(model, { gap: 0.01 });
    expect(solution.worstModel(0, model.start(), 0)).toBe(0);
    const policy = await served(solution);
    expect(policy.session().observe('listen', 'hear-left')).toMatchObject({ model: 0, likelihood: 1 });
    const likely = policy.session();
    expect(likely.observe('listen', 'hear-right')).toEqual({ model: 1, likelihood: 0.5, reset: false });
    expect([...likely.belief()]).toEqual([1, 0]);
    expect(likely.toJSON()).toMatchObject({ updatedBy: 1 });
    const strict = policy.session({ onImpossible: 'error' });
    expect(() => strict.observe('listen', 'hear-right')).toThrow(/the model that the policy reckons with \(0\) rules it out/);
    expect(strict.toJSON()).toMatchObject({ stage: 0, belief: [0.5, 0.5] });
    expect(policy.session({ onImpossible: 'reset' }).observe('listen', 'hear-right')).toMatchObject({ model: 1, reset: false });
  });

  it('in a replay says at which step', async () => {
    const policy = await served(solveSync(Model.parse(tiger(1), { name: 't.pomdp' }).model, { gap: 0.1 }));
    expect(() => policy.replay([['listen', 'hear-left'], ['listen', 'hear-left'], ['listen', 'hear-right']])).toThrow(expect.objectContaining({ code: 'IMPOSSIBLE_OBSERVATION', details: expect.objectContaining({ step: 2 }) }));
  });
});

describe('many decisions', () => {
  it('at once, off the event loop or not, are each session’s own', async () => {
    const policies = await Promise.all([
      served(solveSync(classicModel('tiger'), { gap: 0.01 })), served(solveSync(drawTask('energy', { index: 0, regime: 'apomdp', horizon: 4 }).model, { gap: 0.5 })),
      served(solveSync(drawTask('energy', { index: 0, regime: 'mdp', horizon: 4 }).model)),
    ]);
    for (const policy of policies) {
      const { states } = policy.model;
      const sessions = Array.from({ length: 500 }, (_, i) => policy.session({ state: i % states }));
      if (policy.model.kind !== 'mdp') for (const [i, session] of sessions.entries()) if (i % 3 === 0) session.believe(Float64Array.from({ length: states }, () => 1 / states));
      const alone = sessions.map((session) => session.decide());
      let turns = 0;
      const timer = setInterval(() => (turns += 1), 0);
      expect(await policy.decide(sessions)).toEqual(alone);
      clearInterval(timer);
      expect(policy.decideSync(sessions)).toEqual(alone);
      expect(policy.decideSync(sessions, { threads: 2 })).toEqual(alone);
      expect(policy.decideSync([])).toEqual([]);
      expect(policy.decideSync(sessions.slice(0, 3))).toEqual(alone.slice(0, 3));
      expect(turns).toBeGreaterThanOrEqual(0);
    }
  });

  it('are what the sessions believed when they were asked for', async () => {
    const policy = await served(solveSync(classicModel('tiger'), { gap: 0.01 }));
    const sessions = Array.from({ length: 64 }, () => policy.session({ belief: [0.99, 0.01] }));
    const before = sessions.map((session) => session.decide());
    const asked = policy.decide(sessions);
    for (const session of sessions) session.observe('open-left', 'hear-left');
    expect(await asked).toEqual(before);
  });

  it('can be called off, and name the session that cannot be decided', async () => {
    const policy = await served(solveSync(classicModel('tiger').with(1), { gap: 0.01 }));
    const sessions = Array.from({ length: 10 }, () => policy.session());
    await expect(policy.decide(sessions, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    sessions[7]!.observe(0, 0);
    expect(() => policy.decideSync(sessions)).toThrow(/entry 7: .*horizon is over/);
    await expect(policy.decide(sessions)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('entry 7') });
    const other = await served(solveSync(classicModel('tiger'), { gap: 0.01 }));
    expect(() => policy.decideSync([other.session()])).toThrow(expect.objectContaining({ name: 'TiresiasError' }));
    expect(() => policy.decideSync([{} as never])).toThrow(/a session is what policy.session gives/);
  });

  it('without lookahead keep their promises: bounds around the value, and no more lost than is said', async () => {
    const model = classicModel('maze:hallway');
    const [little, more] = [solveSync(model, { solver: 'point', gap: 0.6, threads: 1 }), solveSync(model, { solver: 'point', gap: 0.25, threads: 1 })];
    const policy = await served(little);
    const sessions = Array.from({ length: 30 }, (_, i) => policy.replay([], { state: (7 * i) % model.states }));
    sessions.push(policy.session());
    const direct = policy.decideSync(sessions, { lookahead: false });
    for (const [i, session] of sessions.entries()) {
      // The same problem solved further is the judge.
      const judge = more.assess(0, session.belief());
      const { action, lower, upper, regretBound } = direct[i]!;
      expect(session.decide({ lookahead: false })).toEqual(direct[i]);
      const best = Math.max(...judge.lower);
      expect(upper).toBeGreaterThanOrEqual(best - 1e-9);
      expect(lower).toBeLessThanOrEqual(judge.upper[action]! + 1e-9);
      expect(best - judge.upper[action]!).toBeLessThanOrEqual(regretBound + 1e-9);
    }
  });
});

describe('a policy file', () => {
  it('may name its model by hash beside it, and says where it should be when it is not', async () => {
    const folder = scratch();
    const file = join(folder, 'tiger.policy');
    const solution = solveSync(classicModel('tiger'), { gap: 0.1 });
    await savePolicy(file, solution, { model: 'beside' });
    const hash = classicModel('tiger').sha256();
    expect(readdirSync(folder).toSorted()).toEqual([`${hash}.json`, 'tiger.policy'].toSorted());
    const policy = await loadPolicy(file);
    expect(policy.modelHash).toBe(hash);
    expect(policy.session().decide()).toMatchObject({ name: 'listen' });
    writeFileSync(join(folder, `${hash}.json`), classicModel('tiger').with(3).toJson());
    await expect(loadPolicy(file)).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringContaining('another model than its name says') });
    rmSync(join(folder, `${hash}.json`));
    await expect(loadPolicy(file)).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringContaining(`${hash}.json`) });
  });

  it('is read by its version alone: the schema is what savePolicy writes', () => {
    const text = Buffer.from(solveSync(classicModel('tiger'), { gap: 1 }).savePolicy()).toString('utf8', 0, 60);
    expect(text).toContain('"schema":"tiresias.policy/4"');
  });

  it('is in memory once, however often it is loaded, and made when it is first needed', async () => {
    const file = join(scratch(), 'a.policy');
    await savePolicy(file, solveSync(classicModel('tiger'), { gap: 0.1 }));
    const [one, other] = await Promise.all([loadPolicy(file), loadPolicy(file)]);
    const copy = join(dirname(file), 'b.policy');
    await savePolicy(copy, one.solution);
    expect(one.solution).toBe(other.solution);
    expect((await loadPolicy(copy)).solution).toBe(one.solution);
  });

  it('of the same model goes on with every belief after a reload; of another refuses until a session starts over', async () => {
    const file = join(scratch(), 'a.policy');
    await savePolicy(file, solveSync(classicModel('tiger'), { gap: 5 }));
    const policy = await loadPolicy(file);
    const session = policy.session();
    session.observe('listen', 'hear-left');
    const [belief, before] = [session.belief(), session.decide()];
    expect(await policy.reload()).toMatchObject({ changed: false, sameModel: true });
    await savePolicy(file, solveSync(classicModel('tiger'), { gap: 0.001 }));
    expect(await policy.reload()).toMatchObject({ changed: true, sameModel: true });
    expect(session.belief()).toEqual(belief);
    const after = session.decide();
    expect(after.upper - after.lower).toBeLessThan(before.upper - before.lower);
    const saved = JSON.stringify(session);
    await savePolicy(file, solveSync(classicModel('tiger').with(6), { gap: 0.1 }));
    expect(await policy.reload()).toMatchObject({ changed: true, sameModel: false });
    for (const use of [() => session.decide(), () => session.observe(0, 0), () => policy.decideSync([session]), () => policy.session(saved)]) expect(use).toThrow(code('MODEL_CHANGED'));
    // What it believed is not lost.
    expect(JSON.stringify(session)).toBe(saved);
    session.restart();
    expect(session.decide()).toMatchObject({ stage: 0 });
    writeFileSync(file, 'rubbish');
    await expect(policy.reload()).rejects.toMatchObject({ code: 'INVALID_POLICY' });
    expect(session.decide()).toMatchObject({ stage: 0 });
  });

  it('that is not there, a folder, or of another tool is refused', async () => {
    const folder = scratch();
    await expect(loadPolicy(join(folder, 'none.policy'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    mkdirSync(join(folder, 'folder.policy'));
    await expect(loadPolicy(join(folder, 'folder.policy'))).rejects.toMatchObject({ code: 'INVALID_POLICY', message: expect.stringMatching(/adapter/) as string });
    for (const text of ['', '<Policy version="0.1"/>\n', '{"schema":"tiresias.policy/3","model":"a","body":"b"}\n{}', '0\n1 2\n', '{"schema":"tiresias.policy-and-model/1","modelBytes":1e9}\n{}', '{"schema":"tiresias.policy-and-model/2","modelBytes":2}\n{}\n']) {
      writeFileSync(join(folder, 'x.policy'), text);
      await expect(loadPolicy(join(folder, 'x.policy')), text).rejects.toMatchObject({ code: 'INVALID_POLICY' });
    }
    expect(() => loadPolicy(7 as never)).toThrow(code('INVALID_ARGUMENT'));
  });
});
