// One solve on several threads: how many had a part in it, that they change nothing, and that they give way to the event loop.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { Model, classicModel, rollout, rolloutSync, solve, solveSync } from '../src/index.js';
import { tiresias } from './support.js';

/** An MDP of 120 states and 10 actions, each of which leads anywhere: 144,000 transitions, enough for threads. */
function spread(): Model {
  const states = 120;
  const row = (seed: number) => Array.from({ length: states }, (_, to) => 1 + ((seed * 7919 + to * 104_729) % 97));
  const shares = (seed: number) => {
    const weights = row(seed);
    const sum = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / sum);
  };
  const transition = Array.from({ length: 10 }, (_, action) => Array.from({ length: states }, (_row, from) => shares(action * states + from)));
  const reward = { state_action: transition.map((rows, action) => rows.map((_row, from) => (action * 31 + from * 17) % 13)) };
  return Model.fromJson(JSON.stringify({ schema: 'tiresias.model/1', states, actions: 10, discount: 0.95, reward, dynamics: [{ transition }] }));
}

describe('threads of one solve', () => {
  it('share the sweeps of a large MDP, in the background and not', async () => {
    const model = spread();
    const alone = solveSync(model, { gap: 1e-6, threads: 1 });
    expect(alone.threads).toBe(1);
    for (const shared of [solveSync(model, { gap: 1e-6, threads: 2 }), await solve(model, { gap: 1e-6, threads: 2 })]) {
      expect(shared.threads).toBe(2);
      expect([shared.lower, shared.upper, shared.iterations]).toEqual([alone.lower, alone.upper, alone.iterations]);
    }
  });

  it('share the comparisons of a search, which stops where it would', () => {
    const model = classicModel('maze:hallway');
    const [alone, shared] = [1, 2].map((threads) => solveSync(model, { gap: 0.3, threads, solver: 'point' }));
    expect([alone!.threads, shared!.threads]).toEqual([1, 2]);
    expect([shared!.lower, shared!.upper, shared!.backups, shared!.points]).toEqual([alone!.lower, alone!.upper, alone!.backups, alone!.points]);
  });

  it('are told by the command line', async () => {
    const { stdout } = await tiresias(['solve', 'tiger', '--threads', '1', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ threads: 1, stopped: 'converged' });
  });
});

/** How far each thread of a process stands back, by its name; `comm` holds 15 characters. */
function nices(process: number | 'self' = 'self'): [name: string, nice: number][] {
  return readdirSync(`/proc/${process}/task`).flatMap((id) => {
    try {
      const stat = readFileSync(`/proc/${process}/task/${id}/stat`, 'utf8');
      const end = stat.lastIndexOf(')');
      // The 19th field; the name's bracket closes the second.
      return [[stat.slice(stat.indexOf('(') + 1, end), Number(stat.slice(end + 2).split(' ')[16])]];
    } catch {
      return []; // It has ended meanwhile.
    }
  });
}

// What users have: vitest.config.ts has the other tests' threads stand back behind nobody. Read when a thread starts.
delete process.env['TIRESIAS_NICE'];

describe.runIf(process.platform === 'linux')('threads of asynchronous calls', () => {
  it('stand back behind those that JavaScript waits for', async () => {
    const tiger = classicModel('tiger');
    const plan = { episodes: 20_000, horizon: 100, seed: 1, behaviour: 'random' as const, threads: 3 };
    const pools = () => nices().flatMap(([name, nice]) => (/^tiresias-\d+$/.test(name) ? [nice] : [])).sort((a, b) => a - b);
    rolloutSync(tiger, plan);
    expect(pools()).toEqual([0, 0, 0]);
    // The same number of threads again, but another pool.
    await rollout(tiger, plan);
    expect(pools()).toEqual([0, 0, 0, 19, 19, 19]);
    expect(nices().filter(([name]) => name === 'tiresias-worker').map(([, nice]) => nice)).toEqual([19]);
    // The event loop's own thread and those of files stay where they were.
    expect(nices().filter(([name]) => !name.startsWith('tiresias')).every(([, nice]) => nice === 0)).toBe(true);
  });

  it('do not in a command, which serves nobody', async () => {
    const command = spawn(process.execPath, ['dist/cli/main.js', 'solve', 'maze:hallway', '--gap', '0', '--time', '60'], { stdio: 'ignore' });
    try {
      while (!nices(command.pid).some(([name]) => name === 'tiresias-worker')) await sleep(20);
      expect(nices(command.pid).every(([, nice]) => nice === 0)).toBe(true);
    } finally {
      command.kill('SIGKILL');
    }
  });
});
