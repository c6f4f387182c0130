// Stepping through a policy: what is typed is what was seen, and what is shown is what the policy believes and does then.
import { shown } from '../arguments.js';
import { closest } from '../suggest.js';
import { TiresiasError } from '../errors.js';
import { isDrawn } from '../explain.js';
import { AlphaPolicy } from '../library.js';
import { beliefInWords, likeliest, share } from './belief-text.js';
import { bound, type Reader, type Said } from './reader.js';

/** Where somebody stands. */
interface Place {
  stage: number;
  belief: Float64Array;
  /** The action that was typed instead of the policy's. */
  instead?: number;
  /** What led here. */
  after?: { action: string; observation: string; likelihood: number };
  /** Whether the state has yet to be seen, before the first decision. */
  unseen?: true;
}

/** A place in data, as `--json` prints it. */
export interface Step {
  stage: number;
  belief: { name: string; probability: number }[];
  /** What led here; null at the start. */
  after: { action: string; observation: string; likelihood: number } | null;
  /** What is done; null when the horizon is over, and before a drawn start is seen. */
  action: { index: number; name: string; regretBound: number | null; followed: boolean } | null;
  value: number | null;
  lower: number | null;
  upper: number | null;
  /** What may be seen next, the likeliest first. */
  expected: { name: string; probability: number }[];
}

/** Words that are no observations and no actions. */
const COMMANDS = ['back', 'reset', 'quit', 'help'] as const;

export const HELP = 'type what was seen, or an action to do that instead; see NAME and do NAME where a word is both; back, reset, quit';
/** Observations that are told, the likeliest. */
const MOST = 6;

/** A walk from the model's start, or from a belief at a stage. */
export class Walk {
  readonly #reader: Reader;
  #places: Place[];

  constructor(reader: Reader, stage = 0, belief?: Float64Array) {
    if (reader.policy instanceof AlphaPolicy && reader.model.models > 1) throw new TiresiasError('USAGE', '--walk: α-vectors do not say which model of a cloud updates the belief; walk through a policy of `tiresias solve`');
    this.#reader = reader;
    this.#places = [{ stage, belief: belief ?? reader.model.start(), ...(belief === undefined && isDrawn(reader.model) && { unseen: true as const }) }];
  }

  get #here(): Place {
    return this.#places.at(-1)!;
  }

  /** Takes a line. Returns whether the walk goes on, and what to say beyond the place itself. Throws UNKNOWN_NAME and IMPOSSIBLE_OBSERVATION; the place is then as it was. */
  type(line: string): { done: boolean; say?: string } {
    const text = line.trim();
    if (text === 'quit') return { done: true };
    if (text === 'help') return { done: false, say: HELP };
    if (text === 'reset') this.#places = [this.#places[0]!];
    else if (text === 'back') {
      if (this.#places.length === 1) return { done: false, say: 'this is the start' };
      this.#places.pop();
    } else if (text !== '') this.#places.push(this.#follow(text));
    return { done: false };
  }

  #follow(text: string): Place {
    const { spaces, horizon } = this.#reader;
    const here = this.#here;
    const [, word, name] = /^(see|do)\s+(.+)$/.exec(text) ?? [];
    const seen = word === undefined ? spaces.observations.has(text) || /^\d+$/.test(text) : word === 'see';
    const done = word === undefined ? spaces.actions.has(text) : word === 'do';
    if (!seen && !done) {
      const known = [...COMMANDS, ...spaces.observations.all(), ...spaces.actions.all()];
      const nearest = known.length <= 10_000 ? closest(text, known) : undefined;
      throw new TiresiasError('UNKNOWN_NAME', `nothing that is seen or done is called ${shown(text)}; ${nearest === undefined ? HELP : `did you mean ${nearest}?`}`, { details: { name: text, nearest } });
    }
    if (horizon !== null && here.stage >= horizon) throw new TiresiasError('HORIZON_OVER', `the horizon is over: all ${horizon} decisions are made; type back or reset`);
    if (!seen) {
      if (here.unseen) throw new TiresiasError('INVALID_ARGUMENT', 'the state at the start is drawn and seen: type it first');
      return { ...here, instead: spaces.actions.typed(name ?? text) };
    }
    const observation = spaces.observations.typed(name ?? text);
    if (here.unseen) return { stage: 0, belief: certainty(spaces.states.size, observation) };
    const action = this.#action(here);
    const { belief, likelihood } = this.#reader.update(here.stage, here.belief, action, observation);
    return { stage: here.stage + 1, belief, after: { action: spaces.actions.nameOf(action), observation: spaces.observations.nameOf(observation), likelihood } };
  }

  #action({ stage, belief, instead }: Place): number {
    return instead ?? this.#reader.ask(stage, belief).action.index;
  }

  /** What there is to decide here. */
  #said({ stage, belief, instead, unseen }: Place): Said | undefined {
    const { horizon } = this.#reader;
    return unseen || (horizon !== null && stage >= horizon) ? undefined : this.#reader.ask(stage, belief, instead);
  }

  /** The place as data. */
  step(): Step {
    const here = this.#here;
    const said = this.#said(here);
    const { spaces } = this.#reader;
    return {
      stage: here.stage, belief: likeliest(here.belief, spaces.states), after: here.after ?? null,
      action: said ? { ...said.action, followed: here.instead === undefined } : null,
      value: said?.value ?? null, lower: said?.lower ?? null, upper: said?.upper ?? null,
      expected: said ? this.#reader.expected(here.stage, here.belief, said.action.index, MOST) : [],
    };
  }

  /** The place in words. */
  words(): string {
    const here = this.#here;
    const { stage, action, after, lower, upper, value, expected } = this.step();
    const line = (what: string, rest: string) => `  ${what.padEnd(8)}${rest}`;
    const head = `decision ${stage + 1}${this.#reader.horizon === null ? '' : ` of ${this.#reader.horizon}`}${after ? `, after ${after.action} and ${after.observation} (probability ${share(after.likelihood)})` : ''}`;
    const belief = line('belief', beliefInWords(here.belief, this.#reader.spaces.states));
    if (action === null) return here.unseen ? [head, belief, line('', 'the state is drawn and seen: type it')].join('\n') : [`after the last decision${after ? `, ${after.action} and ${after.observation}` : ''}`, belief, line('', 'the horizon is over: back, reset or quit')].join('\n');
    const loses = action.regretBound === null ? '' : ` (loses at most ${bound(action.regretBound)})`;
    const worth = lower === null || upper === null ? `${value!.toFixed(4)}, say the vectors` : `the best is worth ${lower.toFixed(4)} to ${upper.toFixed(4)}`;
    return [
      head, belief,
      line(action.followed ? 'does' : 'you do', `${action.name}${loses}`),
      line('value', worth),
      line('sees', expected.map(({ name, probability }) => `${name} ${share(probability)}`).join(', ')),
    ].join('\n');
  }
}

function certainty(states: number, state: number): Float64Array {
  const belief = new Float64Array(states);
  belief[state] = 1;
  return belief;
}
