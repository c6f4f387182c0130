// Beliefs about two states: bounds on the value as lines, over bands of what is done.
import type { TopLevelSpec } from 'vega-lite';
import { draw } from '../report/draw.js';
import { html } from '../report/html.js';
import { decisionsAt, gapInWords, type BeliefSheet } from './decisions.js';
import { actionColour } from './colours.js';
import type { Reader } from './reader.js';

/** Beliefs that are asked, and halvings that find where one action gives way to another. */
const POINTS = 400;
const HALVINGS = 30;

/** Beliefs between which one action is taken: probabilities of the second state. */
interface Band {
  action: number;
  from: number;
  to: number;
}

/** The drawing for its sheet. */
export async function beliefLine(reader: Reader, stage: number): Promise<BeliefSheet> {
  const at = (ps: readonly number[]) => decisionsAt(reader, stage, Float64Array.from(ps.flatMap((p) => [1 - p, p])));
  const ps = Array.from({ length: POINTS + 1 }, (_, i) => i / POINTS);
  const decisions = at(ps);
  const bands = bandsOf(ps, decisions.actions, (p) => at([p]).actions[0]!);
  const { actions, states } = reader.spaces;
  const bounds = ps.map((p, i) => ({ p, lower: decisions.lower[i]!, upper: decisions.upper[i]! }));
  const domain: [number, number] = [0, 1];
  const x = { field: 'p', type: 'quantitative', scale: { domain, nice: false }, axis: { title: `Probability of ${states.nameOf(1)} (else ${states.nameOf(0)})`, grid: false } } as const;
  const y = (field: string) => ({ field, type: 'quantitative', scale: { zero: false }, axis: { title: 'Value' } }) as const;
  const spec: TopLevelSpec = {
    width: 620, height: 330, autosize: { type: 'fit', contains: 'padding' },
    layer: [
      {
        data: { values: bands.map(({ action, from, to }) => ({ p: from, to, colour: actionColour(action) })) },
        mark: { type: 'rect', opacity: 0.2 },
        encoding: { x, x2: { field: 'to' }, color: { field: 'colour', type: 'nominal', scale: null, legend: null } },
      },
      { data: { values: bounds }, mark: { type: 'area', color: 'var(--ink)', opacity: 0.25 }, encoding: { x, y: y('lower'), y2: { field: 'upper' } } },
      ...(['lower', 'upper'] as const).map((field) => ({ data: { values: bounds }, mark: { type: 'line', color: 'var(--ink)', strokeWidth: 1.4 } as const, encoding: { x, y: y(field) } })),
      {
        // On paper without colours the bands are told by name.
        data: { values: bands.filter(({ action, from, to }) => (to - from) * 560 > 7 * actions.nameOf(action).length).map(({ action, from, to }) => ({ p: (from + to) / 2, name: actions.nameOf(action) })) },
        mark: { type: 'text', fontSize: 12, fontWeight: 600, baseline: 'top', dy: 6 },
        encoding: { x, y: { value: 0 }, text: { field: 'name' } },
      },
    ],
  };
  const said = bands.map(({ action, from, to }) => `${actions.nameOf(action)} from ${from.toFixed(4)} to ${to.toFixed(4)}`).join(', ');
  const keys = [...new Set(bands.map(({ action }) => action))].toSorted((a, b) => a - b).map((action) => ({
    label: actions.nameOf(action), drawing: html`<rect x="1" y="1" width="26" height="12" fill="${actionColour(action)}" fill-opacity="0.2" stroke="${actionColour(action)}"/>`,
  }));
  return { note: `By probability of ${states.nameOf(1)}: ${said}; ${gapInWords(reader, decisions)}.`, rows: [{ keys, figures: [{ title: 'What is done, and what it is worth', svg: await draw(spec, `Actions by probability of ${states.nameOf(1)}: ${said}.`) }] }] };
}

function bandsOf(ps: readonly number[], actions: ArrayLike<number>, actionAt: (p: number) => number): Band[] {
  const bands: Band[] = [{ action: actions[0]!, from: 0, to: 1 }];
  for (let i = 1; i < ps.length; i++) {
    if (actions[i] === actions[i - 1]) continue;
    let [low, high] = [ps[i - 1]!, ps[i]!];
    for (let k = 0; k < HALVINGS; k++) {
      const middle = (low + high) / 2;
      if (actionAt(middle) === actions[i - 1]) low = middle;
      else high = middle;
    }
    bands.at(-1)!.to = high;
    bands.push({ action: actions[i]!, from: high, to: 1 });
  }
  return bands;
}
