// A language model's policy: an adapter over its base, decided by a pool of processes, shared by sessions.
import { invalid, shown } from '../../arguments.js';
import { BACKEND_NAMES, checkAble, able, type BackendName, type ChosenArithmetic } from '../../backends/index.js';
import { checkNoMore, checkOptions, checkWhole, type Kind } from '../../check.js';
import { Tokenizer } from '../../library.js';
import type { Regime } from '../../spec.js';
import type { PromptForm } from '../../train/prompts.js';
import type { Name } from '../names.js';
import { replayed, type Step } from '../replay.js';
import { parsedState } from '../session-state.js';
import { readAdapter, type AdapterFolder } from './adapter.js';
import { DeciderPool } from './pool.js';
import { Prompt, type SupportStep, type Told } from './prompt.js';
import { LanguageModelSession, makeLanguageModelSession, type LanguageModelDecision } from './session.js';
import { checkLanguageModelState, type LanguageModelSessionState } from './state.js';
import type { WorkerListener } from './worker.js';
import type { Reloaded } from '../policy.js';

/** How a language model is served. */
export interface LanguageModelOptions {
  /** Where its base lies; where it lay when the adapter was trained, when left out. */
  base?: string | undefined;
  /** The program that decides; the one that trained the adapter, when left out. */
  backend?: BackendName | undefined;
  /** What it computes in; the backend's reference without it, what is fastest on the machine with `auto`. */
  arithmetic?: ChosenArithmetic | undefined;
  /** Processes that decide, each of which holds the model (default 1). */
  deciders?: number | undefined;
  /** Worker threads of each (default 1). */
  threads?: number | undefined;
  /** Decisions that go to a process together, at most (default 32). */
  batch?: number | undefined;
  /** Sessions whose contexts a process keeps read, at most (default 64): a decision of one of them reads only what is new. */
  kept?: number | undefined;
}

const OPTIONS = { base: 'string', backend: BACKEND_NAMES, arithmetic: 'string', deciders: 'number', threads: 'number', batch: 'number', kept: 'number' } as const satisfies Record<keyof LanguageModelOptions, Kind>;

/** A step of a trajectory that the model is shown: what was seen before the action (null for nothing), the action, and the reward after it. */
export type SupportStepNamed = readonly [observation: Name | null, action: Name, reward: number];

/** How a session of a language model begins. */
export interface LanguageModelStart {
  /** Trajectories of the same task, which the model is shown first: the examples of its few-shot prompt. */
  support?: readonly (readonly SupportStepNamed[])[] | undefined;
  /** The state that is seen first, where states are seen; it must be said there. */
  state?: Name | undefined;
  /** What was seen before the first action, where states are hidden and something was: recorded episodes begin so, and who learned from them knows it. */
  observation?: Name | undefined;
  /** The tasks' family, where the adapter learned from several. */
  family?: PromptForm['family'] | undefined;
  /** Whether states are seen, and whether there is a cloud; where the adapter learned from several. */
  regime?: Regime | undefined;
}

const START = { support: 'object', state: 'name', observation: 'name', family: 'string', regime: ['mdp', 'pomdp', 'apomdp'] } as const satisfies Record<keyof LanguageModelStart, Kind>;

/** What is served now: a reload makes another. */
interface Served {
  /** The folder as it was read. */
  read: AdapterFolder;
  /** The forms of its prompts, ready. */
  prompts: readonly Prompt[];
  /** The processes that decide. */
  pool: DeciderPool;
}

/** A served adapter that is ready, and has not taken the place of the old one yet. */
export interface PreparedAdapter {
  prompts: readonly Prompt[];
  /** Lets it. */
  take(): Promise<Reloaded>;
  /** Lets it not. */
  drop(): Promise<void>;
}

/** Makes policies. */
let made: (folder: string, options: LanguageModelOptions, served: Served) => LanguageModelPolicy;
/** What a service asks of a policy beside what everybody may. */
export let insideOf: (policy: LanguageModelPolicy) => { prompts: readonly Prompt[]; pool: DeciderPool; base: string; listen(listener: WorkerListener): void; prepare(): Promise<PreparedAdapter> };

/** An adapter, ready to decide. Made by `loadPolicy`; its processes run until {@link LanguageModelPolicy.dispose}. */
export class LanguageModelPolicy {
  readonly #options: LanguageModelOptions;
  #served: Served;
  #disposed = false;
  #listener: WorkerListener | undefined;

  /** The folder that it is read from. */
  readonly file: string;

  private constructor(file: string, options: LanguageModelOptions, served: Served) {
    this.file = file;
    this.#options = options;
    this.#served = served;
  }

  static {
    made = (folder, options, served) => new LanguageModelPolicy(folder, options, served);
    insideOf = (policy) => ({
      ...policy.#served, base: policy.#served.read.base.path, prepare: () => policy.#prepare(),
      listen: (listener) => {
        policy.#listener = policy.#served.pool.listener = listener;
      },
    });
  }

  /** SHA-256 of the forms of its prompts: sessions are of one form, and go on with any adapter that knows it. */
  get modelHash(): string {
    return this.#served.read.modelHash;
  }

  /** SHA-256 of the adapter. */
  get policyHash(): string {
    return this.#served.read.policyHash;
  }

  /** Names of the actions, by number, of the adapter's first form of prompts. */
  actionNames(): string[] {
    return this.#served.prompts[0]!.actions.all();
  }

  /** Names of what can be seen, by number: of the states, where the state is seen. */
  observationNames(): string[] {
    return this.#served.prompts[0]!.observations.all();
  }

  /** A session: from its support, or as `JSON.stringify(session)` saved it. Throws INVALID_SESSION, MODEL_CHANGED, INVALID_ARGUMENT and UNKNOWN_NAME. */
  session(from: string | LanguageModelSessionState | LanguageModelStart | LanguageModelSession = {}): LanguageModelSession {
    checkNoMore('policy.session', arguments, 1, 'a saved session or how one starts');
    const given = typeof from === 'string' ? parsedState(from) : from instanceof LanguageModelSession ? from.toJSON() : from;
    if (typeof given !== 'object' || given === null || Array.isArray(given)) invalid(`policy.session: takes a saved session or how one starts, not ${shown(given)}`);
    if (typeof from === 'string' || 'schema' in given) {
      const { state, prompt } = checkLanguageModelState(given, this.#served.prompts);
      return this.#session(prompt, { support: state.support, first: state.first, history: state.history });
    }
    checkOptions('policy.session', given, START);
    const start = given as LanguageModelStart;
    const prompt = this.#promptFor(start);
    const seen = prompt.form.regime === 'mdp';
    if (seen && start.state === undefined) invalid('policy.session: the state is seen: say which is seen first, { state }');
    if (!seen && start.state !== undefined) invalid(`policy.session: the state is not seen in ${prompt.form.regime}: leave out state`);
    if (seen && start.observation !== undefined) invalid('policy.session: the state is seen: say which with { state }, and leave out observation');
    const first = seen ? start.state : start.observation;
    const told: Told = { support: supportOf(prompt, start.support ?? []), first: first === undefined ? null : prompt.observations.number(first), history: [] };
    // What cannot be printed is refused at once.
    prompt.context(told);
    return this.#session(prompt, told);
  }

  #session(prompt: Prompt, told: Told): LanguageModelSession {
    return makeLanguageModelSession({
      prompt: (hash) => this.#served.prompts.find((one) => one.hash === hash), modelHash: () => this.modelHash, ask: (context) => this.#served.pool.ask(context),
    }, prompt, told);
  }

  #promptFor({ family, regime }: LanguageModelStart): Prompt {
    const { prompts } = this.#served;
    const fitting = prompts.filter(({ form }) => (family === undefined || form.family === family) && (regime === undefined || form.regime === regime));
    if (fitting.length === 1) return fitting[0]!;
    const known = prompts.map(({ form }) => `{ family: '${form.family}', regime: '${form.regime}' }`).join(', ');
    return invalid(`policy.session: the adapter ${fitting.length === 0 ? 'did not learn from such tasks' : 'learned from several kinds of tasks: say which'}; there are ${known}`);
  }

  /** The session that these steps lead to, one after the other. Throws what `observe` throws, with the step in the details. */
  replay(steps: Iterable<Step>, from: string | LanguageModelSessionState | LanguageModelStart = {}): LanguageModelSession {
    checkNoMore('policy.replay', arguments, 2, 'steps and where they begin');
    return replayed(this.session(from), steps);
  }

  /** Decides for many sessions, batched. Rejects with what the first that cannot be decided throws. */
  async decide(sessions: readonly LanguageModelSession[]): Promise<LanguageModelDecision[]> {
    checkNoMore('policy.decide', arguments, 1, 'a list of sessions');
    if (!Array.isArray(sessions) || !sessions.every((session) => session instanceof LanguageModelSession)) invalid('policy.decide: takes a list of sessions of language models');
    return Promise.all(sessions.map((session: LanguageModelSession) => session.decide()));
  }

  /**
   * Reads the folder again. Its processes are started before the old ones, which answer what they were asked, end. Sessions go on where the adapter still knows the
   * form of their prompts. When it cannot be read or started this throws, and the old one stays.
   */
  async reload(): Promise<Reloaded> {
    checkNoMore('policy.reload', arguments, 0, 'no argument');
    return (await this.#prepare()).take();
  }

  async #prepare(): Promise<PreparedAdapter> {
    const before = this.#served;
    const read = await readAdapter(this.file, this.#options.base);
    const same = read.policyHash === before.read.policyHash && read.base.path === before.read.base.path;
    const now = same ? before : await started(read, this.#options);
    return {
      prompts: now.prompts,
      take: async () => {
        if (!same) {
          if (this.#listener) now.pool.listener = this.#listener;
          this.#served = now;
          if (this.#disposed) await now.pool.close();
          await before.pool.close();
        }
        const { modelHash, policyHash } = now.read;
        return { changed: !same, sameModel: modelHash === before.read.modelHash, modelHash, policyHash };
      },
      drop: async () => {
        if (!same) await now.pool.close();
      },
    };
  }

  /** Answers what was asked, and ends the processes. Later decisions throw DISPOSED. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#served.pool.close();
  }
}

/** Support by numbers, which are checked. */
function supportOf({ actions, observations }: Prompt, support: NonNullable<LanguageModelStart['support']>): SupportStep[][] {
  const wrong = (what: string): never => invalid(`policy.session: support is a list of trajectories, each a list of steps [what was seen or null, action, reward], ${what}`);
  if (!Array.isArray(support)) wrong(`not ${shown(support)}`);
  return support.map((steps: readonly SupportStepNamed[], i) => {
    if (!Array.isArray(steps) || steps.length === 0) wrong(`and trajectory ${i} is none`);
    return steps.map((step: SupportStepNamed, t): SupportStep => {
      if (!Array.isArray(step) || step.length !== 3 || !Number.isFinite(step[2])) wrong(`and step ${t} of trajectory ${i} is none`);
      const [observation, action, reward] = step as SupportStepNamed;
      return [observation === null ? null : observations.number(observation), actions.number(action), reward];
    });
  });
}

/** An adapter with its prompts and running processes. */
async function started(read: AdapterFolder, options: LanguageModelOptions): Promise<Served> {
  const { deciders = 1, threads = 1, batch = 32, kept = 64, backend = read.backend, arithmetic } = options;
  const choice = able({ backend, arithmetic }, read.base.randomWeights === undefined ? 'decide' : 'full-parameter');
  checkAble({ ...choice, base: read.base });
  const tokenizer = Tokenizer.fromBase(read.base.path);
  const prompts = read.forms.map((form) => new Prompt(form, tokenizer));
  const pool = new DeciderPool({ config: { ...choice, base: read.base, adapter: read.adapter, threads }, deciders, batch, kept });
  await pool.start();
  return { read, prompts, pool };
}

/** Loads the folder of an adapter and starts its processes. */
export async function loadLanguageModel(folder: string, options: LanguageModelOptions = {}): Promise<LanguageModelPolicy> {
  checkOptions('loadPolicy', options, OPTIONS);
  checkWhole('loadPolicy', options, ['deciders', 'threads', 'batch', 'kept']);
  for (const option of ['deciders', 'threads', 'batch', 'kept'] as const) if (options[option] === 0) invalid(`loadPolicy: option ${option} is at least 1`, { option });
  return made(folder, options, await started(await readAdapter(folder, options.base), options));
}
