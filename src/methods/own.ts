// A user's own method: a JavaScript module that the experiment names.
import { pathToFileURL } from 'node:url';
import { TiresiasError, messageOf } from '../errors.js';
import { sha256File } from '../files.js';
import type { Episodes, Support } from '../library.js';
import type { Regime } from '../spec.js';
import { EVERYWHERE, nothing, stepping, type Method, type Player } from './method.js';

/** What an agent of one's own is begun with. */
export interface OwnContext {
  /** Whether states are seen, and whether there is a cloud. */
  regime: Regime;
  /** What can be seen: states in an MDP, else observations. */
  symbols: number;
  /** Number of actions. */
  actions: number;
  /** Decisions an episode. */
  horizon: number;
  /** Discount factor. */
  discount: number;
  /** The support trajectories. */
  support: Support;
  /** The method's options in the experiment. */
  options: Record<string, unknown>;
}

/** Acts in one episode. */
export interface OwnAgent {
  /**
   * The next action. `seen` is the state in an MDP, else the last observation, null before the first; `reward` is what the last action
   * earned, null before the first decision and where the query's rewards are hidden.
   */
  act(seen: number | null, reward: number | null): number | Promise<number>;
}

/** What the module of a method of one's own exports as its default. */
export interface OwnMethod {
  /** What a report calls it; its name in the experiment when left out. */
  label?: string;
  /** What it does, in one sentence. */
  summary?: string;
  /** Where it comes from. */
  source?: string;
  /** Where it can be used; everywhere when left out. */
  regimes?: readonly Regime[];
  /** An agent for one episode. */
  begin(context: OwnContext): OwnAgent | Promise<OwnAgent>;
}

/** Loads the method of the module at `path`. Throws INVALID_METHOD when it is none. */
export async function ownMethod(path: string, name: string): Promise<Method> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new TiresiasError('INVALID_METHOD', `method ${name}: ${path} ${problem}; export default { begin(context) { return { act(seen, reward) { return 0; } }; } }`, { cause });
  };
  let own: Partial<OwnMethod> | undefined;
  let module: string;
  try {
    module = await sha256File(path);
    // Named by its contents, or a changed module would be the old one to a process that has loaded it before.
    own = ((await import(`${pathToFileURL(path).href}?${module}`)) as { default?: Partial<OwnMethod> }).default;
  } catch (error) {
    return fail(`cannot be loaded (${(error as Error).message})`, error);
  }
  if (typeof own?.begin !== 'function') return fail('has no default export with a function begin');
  const method = own as OwnMethod;
  return {
    name, label: method.label ?? name, group: 'own', regimes: method.regimes ?? EVERYWHERE, needsSupport: false, knows: 'nothing',
    options: { type: 'object' },
    summary: method.summary ?? 'A method of the user’s own.',
    source: method.source ?? path,
    needs: nothing,
    // Of the module itself; what it imports is the user's to keep.
    identity: async () => ({ module }),
    start: async ({ regime, setting }) => player(method, name, regime, setting.options),
  };
}

function player(method: OwnMethod, name: string, regime: Regime, options: Record<string, unknown>): Player {
  let agents: OwnAgent[] = [];
  return stepping(async (episodes) => {
    if (episodes.stage === 0) agents = await called(name, 'begin', () => begin(method, episodes, regime, options));
    const [seen, earned] = [episodes.seen(), episodes.earned()];
    const actions = new Uint8Array(episodes.rows);
    for (const [row, agent] of agents.entries()) {
      const action: unknown = await called(name, 'act', () => agent.act(seen[row]! < 0 ? null : seen[row]!, Number.isNaN(earned[row]) ? null : earned[row]!));
      if (!Number.isInteger(action) || (action as number) < 0 || (action as number) >= episodes.actions) {
        throw new TiresiasError('METHOD_FAILED', `method ${name}: act gave ${String(action)}; expected a whole number from 0 to ${episodes.actions - 1}`);
      }
      actions[row] = action as number;
    }
    return actions;
  });
}

/** What a module throws is the method's fault, and said to be. */
async function called<T>(name: string, what: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw new TiresiasError('METHOD_FAILED', `method ${name}: ${what} threw: ${messageOf(cause)}`, { cause });
  }
}

async function begin(method: OwnMethod, episodes: Episodes, regime: Regime, options: Record<string, unknown>): Promise<OwnAgent[]> {
  const { symbols, actions, horizon, discount } = episodes;
  const agents: OwnAgent[] = [];
  for (let row = 0; row < episodes.rows; row++) {
    agents.push(await method.begin({ regime, symbols, actions, horizon, discount, support: episodes.support(row), options }));
  }
  return agents;
}
