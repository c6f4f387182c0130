// One episode as it went: where the state was, what the oracle believed, what was done, and what the oracle would have done.
import type { TopLevelSpec } from 'vega-lite';
import type { RegimeResult, Results } from '../results.js';
import { draw, nameAxis } from './draw.js';
import type { Figure } from './figures.js';
import { unique } from './names.js';
import { clean, decimal, list, shorten } from './text.js';

type Trace = RegimeResult['traces'][number];

/** A cell of the belief fainter than this is not drawn: it would not be seen. */
const FAINTEST = 0.005;

export async function traceFigure(trace: Trace, results: Results, title: string): Promise<Figure | undefined> {
  const { steps } = trace;
  if (steps.length === 0) return undefined;
  const states = Math.max(...steps.flatMap(({ state, observation, belief }) => [state, observation ?? 0, (belief?.length ?? 1) - 1])) + 1;
  const name = (action: number): string => clean(results.actions[action] ?? '') || `action ${action}`;
  const taken = new Set<string>();
  const actions = Math.max(...steps.flatMap((s) => [s.action, s.oracleAction]), results.actions.length - 1) + 1;
  const names = Array.from({ length: actions }, (_, action) => unique(shorten(name(action), 14), taken));
  // The same room for the labels of all three bands keeps their steps in line.
  const lanes = nameAxis(names, 11);
  const room = Math.max(52, lanes.minExtent);
  const believed = steps.some(({ belief }) => belief !== undefined);
  const observed = steps.some(({ observation }) => observation !== null);

  const step = Math.max(9, Math.min(26, Math.floor(270 / steps.length)));
  const cell = Math.max(2, Math.min(14, Math.floor(280 / states)));
  // Counted from 1, as in the plot of the regret.
  const decisions = steps.map(({ t }) => t + 1);
  const time = { field: 'decision', type: 'ordinal', scale: { type: 'band', domain: decisions, padding: 0 } } as const;
  const levels = Array.from({ length: states }, (_, i) => states - 1 - i);
  // Every n-th, so that labels of `space` pixels do not touch.
  const thin = (values: readonly number[], size: number, space: number, from: number): number[] => values.filter((value) => (value - from) % Math.ceil(space / size) === 0);
  const hidden = { ...time, axis: null } as const;
  const axis = { minExtent: room, maxExtent: room, grid: false } as const;
  const width = { step };
  const level = (field: string) => ({
    field, type: 'ordinal', scale: { type: 'band', domain: levels, padding: 0 },
    axis: { ...axis, values: thin(levels, cell, 12, 0), title: results.experiment.family === 'energy' ? 'Energy level' : 'State' },
  } as const);
  const mark = Math.min(46, step * step * 0.22);
  const lane = (field: string) => ({ field, type: 'nominal', sort: null, scale: { type: 'band', domain: names }, axis: { ...lanes, ...axis, grid: true } } as const);

  const path = steps.map(({ state }, i) => ({ decision: decisions[i], state }));
  const spec: TopLevelSpec = {
    spacing: 10, bounds: 'flush',
    vconcat: [
      {
        width, height: cell * states, view: { stroke: 'var(--line)' },
        layer: [
          {
            data: { values: steps.flatMap(({ belief }, i) => (belief ?? []).map((p, state) => ({ decision: decisions[i], state, p })).filter(({ p }) => p >= FAINTEST)) },
            mark: { type: 'rect', color: 'var(--belief)' },
            encoding: { x: hidden, y: level('state'), opacity: { field: 'p', type: 'quantitative', legend: null, scale: { domain: [0, 1], range: [0, 1] } } },
          },
          { data: { values: path }, mark: { type: 'line', color: 'var(--ink)', strokeWidth: 1, opacity: 0.55 }, encoding: { x: hidden, y: level('state') } },
          { data: { values: path }, mark: { type: 'point', filled: true, color: 'var(--ink)', stroke: 'var(--page)', strokeWidth: 1, size: mark, opacity: 1 }, encoding: { x: hidden, y: level('state') } },
          {
            data: { values: steps.map(({ observation }, i) => ({ decision: decisions[i], seen: observation })).filter(({ seen }) => seen !== null) },
            mark: { type: 'point', shape: 'circle', filled: false, stroke: 'var(--seen)', strokeWidth: 2, size: mark * 2.4, opacity: 1 },
            encoding: { x: hidden, y: level('seen') },
          },
        ],
      },
      {
        width, height: 20 * names.length,
        layer: [
          { data: { values: steps.map((s, i) => ({ decision: decisions[i], action: names[s.oracleAction] })) }, mark: { type: 'point', filled: false, stroke: 'var(--oracle)', strokeWidth: 2, size: mark * 3, opacity: 1 }, encoding: { x: hidden, y: lane('action') } },
          { data: { values: steps.map((s, i) => ({ decision: decisions[i], action: names[s.action] })) }, mark: { type: 'point', filled: true, color: 'var(--ink)', size: mark, opacity: 1 }, encoding: { x: hidden, y: lane('action') } },
        ],
      },
      {
        width, height: 44, data: { values: steps.map(({ reward }, i) => ({ decision: decisions[i], reward })) },
        mark: { type: 'bar', color: 'var(--muted)', width: { band: 0.6 } },
        encoding: {
          x: { ...time, axis: { title: 'Decision', labelAngle: 0, values: thin(decisions, step, 18, 1), ticks: false } },
          y: { field: 'reward', type: 'quantitative', axis: { ...axis, title: 'Reward', tickCount: 3, grid: true, labelOverlap: true } },
        },
      },
    ],
  };
  const agreed = steps.filter((s) => s.action === s.oracleAction).length;
  const total = steps.reduce((sum, { reward }) => sum + reward, 0);
  const shown = ['the state', ...(believed ? ['the oracle’s belief'] : []), ...(observed ? ['the observation'] : []), 'the action taken beside the oracle’s', 'the reward'];
  return {
    title,
    svg: await draw(spec, `${title}: ${list(shown)} at each of ${steps.length} decisions. Same action as the oracle in ${agreed}; total reward ${decimal(total)}.`),
  };
}
